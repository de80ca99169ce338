"""Domain and contract: whatever a fact, a state or a verdict says survives the wire."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from hypothesis import given

from noli import wire
from noli.domain import details, events, facts, fold, verdict
from noli.domain.channel import Channel, Kind, Purpose
from noli.domain.details import READERS
from noli.domain.policy import Policy
from noli.domain.state import EMPTY, Denied
from schemas.codec import RECORDS, Codec, pack_lead
from tests.support.histories import History, histories
from tests.support.law import PARTY, PHONE, Json, ask, consent, fact, folded, objection, on, raw

CODEC = Codec({name: number for number, name in enumerate(RECORDS, 1)})


def sent(record: str, datum: dict[str, Json]) -> dict[str, Json]:
    """Encoded and decoded."""
    name, read = CODEC.decode(CODEC.encode(record, datum))
    assert name == record
    return read


@pytest.mark.parametrize("kind", sorted(READERS))
def test_every_type_of_fact_survives_the_wire(kind: str) -> None:
    """All of the vocabulary, with all it says."""
    more: dict[str, Json] = {
        "purpose": "marketing", "channels": ["sms"], "evidence": {"ref": "f"}, "consent_id": "c",
        "source_id": "s", "source_kind": "form", "listed": True, "register": "phone",
        "contract_id": "k", "reason": "customer", "brands": ["alfa", "beta"], "party": PARTY,
        "contact": PHONE, "sale_id": "s", "categories": ["shoes"], "informed": True,
        "campaign": "spring", "answered_at": "2026-01-02T00:00:00Z", "comfort_noise": True,
        "double_opt_in": True, "subject_type": "legal", "via": "letter", "basis": "consent",
    }  # fmt: skip
    said = events.parse(raw(kind.removeprefix("noli.").removesuffix(".v1"), 1, **more), on(2))
    assert wire.intent_to_fact(sent("noli.Intent", wire.fact_to_intent(said))) == said


@pytest.mark.parametrize(
    "scope",
    [{}, {"purposes": ["*"]}, {"purposes": ["relationship"]}, {"channels": ["sms", "fax"]},
     {"purposes": ["marketing", "profiling", "third_party_disclosure"]}],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["objection.raised", "consent.withdrawn"])
def test_the_scope_of_a_denial_survives_the_wire(kind: str, scope: dict[str, Json]) -> None:
    """The default, all, and some are told apart."""
    said = fact(kind, 1, **scope)
    assert wire.intent_to_fact(sent("noli.Intent", wire.fact_to_intent(said))) == said


@given(histories())
def test_states_survive_the_wire(history: History) -> None:
    """Equal, with their version; and fold on as if they had never left."""
    _, told = history
    state = folded(told)
    record = sent("noli.ContactState", wire.state_to_record(state, 7, 11))
    assert record["lead"] == pack_lead(7, 0)
    assert wire.record_to_state(record) == (state, 11)


@given(histories())
def test_decisions_hold_the_rows(history: History) -> None:
    """Every row with every field, in order."""
    _, told = history
    state = folded(told)
    rows, change = verdict.verdicts(state, Policy(), on(41))
    record = sent(
        "noli.Decision",
        wire.decision_record(state, rows, change, epoch=1, version=2, accepted=3, decided=4),
    )
    read = [{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
            for row in record["rows"]]  # fmt: skip
    assert read == [asdict(row) for row in rows]
    assert (record["controller"], record["next_change"]) == ("acme", change)
    assert (record["contact"] is None) == (state.contact is None)


def test_a_state_of_nobody_and_an_erased_one_survive_the_wire() -> None:
    """No contact, no kind; no contact, but a kind."""
    erased = folded([consent(1), fact("erasure.requested", 2)])
    doubted = fold.fold(EMPTY, wire.quarantine_fact(b"q" * 16, on(1), "unreadable"))
    for state in (EMPTY, erased, doubted):
        record = sent("noli.ContactState", wire.state_to_record(state, 1, 2))
        assert wire.record_to_state(record) == (state, 2)
    assert (erased.kind, doubted.kind) == (Kind.PHONE, None)


def unknown(said: facts.Fact, **event: Json) -> facts.Fact:
    """The fact as read where the writer used symbols this build does not know."""
    record = wire.fact_to_intent(said)
    name, body = record["event"]
    contact = record["contact"][1]  # as decoded: the one branch of its union needs no name
    read = {**record, "contact": contact, "event": (name, {**body, **event})}
    return wire.intent_to_fact(read)


@pytest.mark.rule("OBJECT")
def test_unknown_symbols_widen_a_denial() -> None:
    """Every channel, every purpose."""
    said = unknown(objection(2, channels=["mms"]), channels=["unknown"], purposes=["unknown"])
    given = consent(1, purpose="relationship")
    assert ask([given, said], 3, "sms", "relationship").reasons == ("OBJECTED",)


def test_unknown_symbols_empty_a_grant() -> None:
    """An unknown channel is no channel, an unknown purpose no purpose."""
    assert ask([unknown(consent(1), channels=["unknown", "sms"])], 2, "sms").allowed
    assert not ask([unknown(consent(1), channels=["unknown"])], 2, "sms").allowed
    assert not ask([unknown(consent(1), purpose="unknown")], 2, "sms").allowed


@pytest.mark.rule("REGISTER")
def test_an_unknown_register_is_both_when_listed_and_none_when_cleared() -> None:
    """A listing denies, a delisting or check of who knows what clears nothing."""
    given = consent(1, "operator_call")
    listed = unknown(fact("register.listed", 2, register="post"), register="unknown")
    assert not ask([given, listed], 3, "operator_call").allowed
    cleared = unknown(fact("register.verified", 20, register="phone"), register="unknown")
    assert not ask([given, cleared], 21, "operator_call").allowed


def test_a_contact_of_an_unknown_kind_is_unreadable() -> None:
    """Whoever reads it quarantines it."""
    record = wire.fact_to_intent(objection(1))
    with pytest.raises(ValueError, match="unknown"):
        wire.intent_to_fact({**record, "contact": {"kind": "unknown", "value": "x"}})


@pytest.mark.parametrize("part", ["denials", "grants", "marks", "flags"])
def test_what_a_newer_state_says_is_read_as_denying(part: str) -> None:
    """An unknown denial denies for good, an unknown basis gives nothing, an unknown mark denies."""
    state = folded([consent(1), objection(2, channels=["mms"]), fact("call.attended", 2)])
    record = wire.state_to_record(state, 1, 2)
    match part:
        case "denials":
            record["denials"][0] |= {"kind": "unknown", "pairs": (1 << 60) - 1}
        case "grants":
            record["grants"][0]["basis"] = "unknown"
        case "marks":
            record["marks"][0]["what"] = "unknown"
        case _:
            record["grants"][0]["flags"] |= 1 << 20
    read, _ = wire.record_to_state(record)
    query = verdict.Query(Channel.SMS, Purpose.MARKETING)
    assert verdict.answer(state, Policy(), query, on(3)).allowed
    assert not verdict.answer(read, Policy(), query, on(3)).allowed
    later = fold.fold(read, consent(5))
    assert verdict.answer(later, Policy(), query, on(6)).allowed == (part in ("grants", "flags"))


def test_the_default_scope_of_an_objection_is_the_laws() -> None:
    """The contract's empty list and the domain's default are the same three purposes."""
    said = fact("objection.raised", 1)
    assert wire.fact_to_intent(said)["event"][1]["purposes"] == ()
    assert isinstance(said.detail, facts.ObjectionRaised)
    assert said.detail.purposes == details.OBJECTED_BY_DEFAULT


def test_a_quarantine_fact_is_of_nobody_and_denies() -> None:
    """It goes through the wire too."""
    doubt = wire.quarantine_fact(b"q" * 16, on(1), "unreadable")
    assert wire.intent_to_fact(sent("noli.Intent", wire.fact_to_intent(doubt))) == doubt
    state = fold.fold(EMPTY, replace(doubt, fact_id=b"r" * 16))
    assert {denial.kind for denial in state.denials} == {Denied.QUARANTINED}
