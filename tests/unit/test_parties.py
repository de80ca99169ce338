"""PARTY: what a person does on all contacts reaches each of them, whatever came first."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, cast

import pytest

from noli import wire
from noli.domain import events, times
from noli.domain.contact import normalise
from noli.domain.facts import ConsentWithdrawn, Quarantined
from noli.domain.token import Pepper, token
from noli.runtime.part import Part, Record
from schemas.names import GRANTS, OBJECTIONS, QUARANTINE
from streams.parties.step import Parties
from streams.topology import PARTIES
from tests.support.step import CODEC, Memory, Sent

if TYPE_CHECKING:
    from noli.domain.facts import Fact
    from noli.runtime.outputs import Outputs
    from noli.runtime.store import PartitionStore

PEPPER = Pepper(1, b"p" * 32)
PARTY = "crm:42"
NOON = times.parse("2026-02-01T12:00:00Z")


def posted(type_: str, number: str, hour: int, contact: str | None = None, **data: object) -> bytes:
    """The wire bytes of a party event at an hour of the day."""
    about = {"contact": {"kind": "email", "value": contact}} if contact else {}
    raw = {
        "specversion": "1.0",
        "id": number,
        "source": "/crm",
        "type": type_,
        "time": f"2026-02-01T{hour:02}:00:00Z",
        "data": {"controller": "acme", "party": PARTY, **about, **data},
    }
    return CODEC.encode("noli.Intent", wire.fact_to_intent(events.parse(raw, NOON)))


def key_of(contact: str) -> bytes:
    """The token of an e-mail."""
    return token(PEPPER, "acme", normalise("email", contact))


ANNA = key_of("anna@example.it")
LINK = posted("noli.party.linked.v1", "l1", 1, "anna@example.it")
UNLINK = posted("noli.party.unlinked.v1", "u1", 5, "anna@example.it")
OBJECTION = posted("noli.objection.raised.v1", "o1", 3, via="letter")
CONSENT = posted(
    "noli.consent.given.v1",
    "c1",
    2,
    purpose="marketing",
    channels=["email"],
    consent_id="c1",
    evidence={"ref": "f", "box_purposes": ["marketing"]},
)


def emitted(*values: bytes | None) -> set[tuple[str, bytes | None, bytes]]:
    """(lane, key, fact id) of everything that a history of the party emits."""
    sent = Sent()
    part = Part(0, 7, PARTIES, cast("PartitionStore", Memory()), cast("Outputs", sent))
    step = Parties(CODEC, PEPPER)
    for offset, value in enumerate(values):
        step.process(Record("noli.parties", 0, offset, PARTY.encode(), value, NOON), part)
    return {
        (topic, key, CODEC.decode(value)[1]["fact_id"])
        for topic, key, value in sent.records
        if topic in {OBJECTIONS, GRANTS}
    }


def facts(*values: bytes | None) -> list[Fact]:
    """The facts emitted, in order."""
    sent = Sent()
    part = Part(0, 7, PARTIES, cast("PartitionStore", Memory()), cast("Outputs", sent))
    step = Parties(CODEC, PEPPER)
    for offset, value in enumerate(values):
        step.process(Record("noli.parties", 0, offset, PARTY.encode(), value, NOON), part)
    return [
        wire.intent_to_fact(CODEC.decode(value)[1])
        for topic, _, value in sent.records
        if topic in {OBJECTIONS, GRANTS}
    ]


@pytest.mark.rule("PARTY")
@pytest.mark.parametrize("order", list(itertools.permutations([LINK, OBJECTION, CONSENT])))
def test_link_and_facts_end_the_same_in_any_order(order: tuple[bytes, ...]) -> None:
    """A contact linked later inherits what the party did before."""
    found = emitted(*order)
    assert found == emitted(LINK, OBJECTION, CONSENT)
    assert {(lane, key) for lane, key, _ in found} == {(OBJECTIONS, ANNA), (GRANTS, ANNA)}


@pytest.mark.rule("PARTY")
def test_unlinking_lifts_nothing() -> None:
    """A denial of the party reaches a contact that was ever linked, also afterwards."""
    later = posted("noli.objection.raised.v1", "o2", 8, via="letter")
    assert (OBJECTIONS, ANNA) in {(lane, key) for lane, key, _ in emitted(LINK, UNLINK, later)}


@pytest.mark.rule("PARTY")
@pytest.mark.parametrize("order", list(itertools.permutations([LINK, UNLINK, CONSENT])))
def test_an_unlinked_contact_is_allowed_nothing_through_the_party(
    order: tuple[bytes, ...],
) -> None:
    """Whatever it was granted before is withdrawn; what comes later does not reach it."""
    found = facts(*order)
    withdrawn = [fact for fact in found if isinstance(fact.detail, ConsentWithdrawn)]
    granted = [fact for fact in found if not fact.denies]
    assert withdrawn
    assert all(fact.effective < withdrawn[-1].effective for fact in granted)


@pytest.mark.rule("PARTY")
def test_a_contact_of_another_controller_is_left_alone() -> None:
    """What a person told one controller binds that one."""
    raw = {
        "specversion": "1.0",
        "id": "x",
        "source": "/crm",
        "type": "noli.objection.raised.v1",
        "time": "2026-02-01T03:00:00Z",
        "data": {"controller": "other", "party": PARTY, "via": "letter"},
    }
    foreign = CODEC.encode("noli.Intent", wire.fact_to_intent(events.parse(raw, NOON)))
    assert emitted(LINK, foreign) == set()


ERASURE = CODEC.encode(
    "noli.Intent",
    wire.fact_to_intent(
        events.parse(
            {
                "specversion": "1.0",
                "id": "e1",
                "source": "/crm",
                "type": "noli.erasure.requested.v1",
                "time": "2026-02-01T06:00:00Z",
                "data": {
                    "controller": "acme",
                    "contact": {"kind": "email", "value": "anna@example.it"},
                },
            },
            NOON,
        )
    ),
)


def ended(*said: tuple[bytes, bytes], stored: bool) -> tuple[Part, Sent]:
    """A partition after (key, value) records; `stored`: each is on disk before the next."""
    sent, memory = Sent(), Memory()
    part = Part(0, 7, PARTIES, cast("PartitionStore", memory), cast("Outputs", sent))
    step = Parties(CODEC, PEPPER)
    for offset, (key, value) in enumerate(said):
        step.process(Record("noli.parties", 0, offset, key, value, NOON), part)
        if stored:
            memory.update(part.unsaved)
            part.unsaved.clear()
    memory.update(part.unsaved)
    return part, sent


@pytest.mark.rule("ERASED")
@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize(
    "order", list(itertools.permutations([(PARTY.encode(), LINK), (ANNA, ERASURE)]))
)
def test_an_erased_contact_is_forgotten_by_its_parties(
    order: tuple[tuple[bytes, bytes], ...], *, stored: bool
) -> None:
    """Whichever came first, and a repeated link brings nobody back; other parties forget too."""
    other = b"shop:7"
    part, _ = ended((other, LINK), *order, (PARTY.encode(), LINK), stored=stored)
    assert [key for key, value in part.starting(b"").items() if b"anna@" in value] == []
    assert len(part.starting(b"L")) == 2


@pytest.mark.rule("ERASED")
@pytest.mark.rule("PARTY")
def test_who_is_erased_is_still_denied_what_the_person_objects_to() -> None:
    """The objection goes out under the token, without a contact; a consent no longer does."""
    said = [LINK, OBJECTION, CONSENT]
    later = [posted("noli.objection.raised.v1", "o2", 8, via="letter"), CONSENT]
    party = PARTY.encode()
    _, sent = ended((party, said[0]), (ANNA, ERASURE), *((party, v) for v in later), stored=True)
    found = [(topic, key, CODEC.decode(v)[1]) for topic, key, v in sent.records if key == ANNA]
    assert [(topic, intent["contact"]) for topic, _, intent in found] == [(OBJECTIONS, None)]


@pytest.mark.rule("ERASED")
def test_a_link_said_after_the_erasure_names_the_contact_again() -> None:
    """The person came back: what they do from then on reaches the contact whole."""
    party, again = PARTY.encode(), posted("noli.party.linked.v1", "l2", 7, "anna@example.it")
    part, _ = ended((party, LINK), (ANNA, ERASURE), (party, again), (ANNA, ERASURE), stored=False)
    assert [key[:1] for key, value in part.starting(b"").items() if b"anna@" in value] == [b"L"]


@pytest.mark.rule("ERASED")
def test_a_person_who_is_erased_leaves_no_contact_in_their_links() -> None:
    """One erasure of the party: each contact is told, and no link names one."""
    party = PARTY.encode()
    whole = posted("noli.erasure.requested.v1", "e2", 6)
    part, sent = ended((party, LINK), (party, whole), stored=False)
    assert [key for key, value in part.starting(b"L").items() if b"anna@" in value] == []
    assert [key for topic, key, _ in sent.records if topic == OBJECTIONS] == [ANNA]


def test_a_repeat_emits_nothing_new() -> None:
    """Links and facts read twice lead to the same fact ids."""
    assert emitted(LINK, OBJECTION, LINK, OBJECTION) == emitted(LINK, OBJECTION)


@pytest.mark.rule("PARTY")
def test_an_objection_reaches_ten_thousand_contacts() -> None:
    """Each once, on the objections' lane; a repeat of the objection emits nothing."""
    count = 10_000
    links = [
        posted("noli.party.linked.v1", f"l{n}", 1, f"anna+{n}@example.it") for n in range(count)
    ]
    found = facts(*links, OBJECTION, OBJECTION)
    assert len({fact.contact for fact in found}) == len(found) == count
    assert all(fact.denies for fact in found)


@pytest.mark.parametrize("order", [(LINK, b"junk"), (b"junk", LINK), (LINK, None)])
def test_poison_denies_every_contact_of_the_party(order: tuple[bytes | None, ...]) -> None:
    """An unreadable record under a party's key suppresses whoever is, or will be, linked to it."""
    found = facts(*order)
    assert [type(fact.detail) for fact in found] == [Quarantined]


def test_a_record_without_a_key_is_only_kept() -> None:
    """Nobody can say whose it was; it waits for a human."""
    sent = Sent()
    part = Part(0, 7, PARTIES, cast("PartitionStore", Memory()), cast("Outputs", sent))
    Parties(CODEC, PEPPER).process(Record("noli.parties", 0, 0, None, OBJECTION, NOON), part)
    assert [topic for topic, _, _ in sent.records] == [QUARANTINE]
