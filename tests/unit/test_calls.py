"""Calls are told to whoever counts them: each once, whatever way it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from noli import wire
from noli.domain import campaigns, events, times
from noli.domain.policy import Policy
from noli.domain.token import Pepper
from noli.runtime import chunks
from noli.runtime.chunks import Item
from noli.runtime.part import Part, Record
from noli.wire.campaigns import call_counts, campaign_key
from schemas.names import BULK, CALLS, GRANTS, OBJECTIONS
from streams.parties.step import Parties
from streams.suppress.step import Suppress
from streams.topology import PARTIES, SUPPRESS
from tests.support.step import CODEC, Memory, Sent

if TYPE_CHECKING:
    from noli.domain.facts import Fact
    from noli.runtime.outputs import Outputs
    from noli.runtime.store import PartitionStore

KEY = b"\x01" + b"k" * 16
ACCEPTED = times.parse("2026-02-01T10:00:00Z")
PEPPER = Pepper(1, b"p" * 32)


def said(kind: str, number: str, **data: object) -> Fact:
    """A fact about the one number, of the campaign `spring` unless data says otherwise."""
    about = {} if "party" in data else {"contact": {"kind": "phone", "value": "+393331234567"}}
    raw = {
        "specversion": "1.0",
        "id": number,
        "source": "/dialer",
        "type": f"noli.{kind}.v1",
        "time": "2026-02-01T09:00:00Z",
        "data": {"controller": "acme", "campaign": "spring", **about, **data},
    }
    return events.parse(raw, ACCEPTED)


def intent(fact: Fact) -> bytes:
    """Its wire bytes."""
    return CODEC.encode("noli.Intent", wire.fact_to_intent(fact))


def suppressed(*facts: Fact, part: Part | None = None, sent: Sent | None = None) -> Sent:
    """What the suppress step sends for facts, each at the next offset."""
    sent = sent or Sent()
    step = Suppress(CODEC, Policy())
    part = part or Part(3, 77, SUPPRESS, cast("PartitionStore", Memory()), cast("Outputs", sent))
    step.opened(part)
    for offset, each in enumerate(facts):
        lane = OBJECTIONS if each.denies else GRANTS
        step.process(Record(lane, 3, offset, KEY, intent(each), ACCEPTED), part)
    part.send_decisions()
    return sent


@pytest.mark.rule("SILENT-RATIO")
def test_a_call_of_a_campaign_is_told_once() -> None:
    """With all that is counted of it, its place, and when the hold was decided."""
    silent = said("call.silent", "1", cut_after_ms=3500, comfort_noise=False,
                  answered_at="2026-02-01T08:59:00Z")  # fmt: skip
    sent = suppressed(silent, silent, said("call.attended", "2"))
    first, second = sent.of(CALLS)
    assert {key for topic, key, _ in sent.records if topic == CALLS} == {b"acme\x1fspring"}
    decided = sent.of(SUPPRESS.decisions)[0]["decided"]
    assert first == {
        "controller": "acme", "campaign": "spring", "outcome": "silent",
        "answered_at": times.parse("2026-02-01T08:59:00Z"), "accepted": ACCEPTED,
        "decided": decided, "token": KEY, "fact_id": silent.fact_id,
        "cut_after_ms": 3500, "comfort_noise": False,
        "lane": OBJECTIONS, "partition": 3, "offset": 0, "item": 0, "counts": True,
    }  # fmt: skip
    assert (second["outcome"], second["lane"], second["offset"]) == ("attended", GRANTS, 2)
    assert call_counts(first) == campaigns.Counts(0, 1, 1, 1, 0, 0, 1, 0)
    assert call_counts(second) == campaigns.Counts(attended=1)


@pytest.mark.rule("SILENT-HOLD")
@pytest.mark.parametrize("name", [None, "", "  "])
def test_a_call_of_no_campaign_holds_and_counts_for_nobody(name: str | None) -> None:
    """Its contact may not be called; nothing is told of it."""
    sent = suppressed(said("call.silent", "1", campaign=name))
    assert sent.of(CALLS) == []
    (decision,) = sent.of(SUPPRESS.decisions)
    # The five days are over; a call by an operator was not yet.
    assert {"OPERATOR_REQUIRED"} <= {r for row in decision["rows"] for r in row["reasons"]}
    assert not any(row["allowed"] for row in decision["rows"])


def test_nothing_but_calls_is_told() -> None:
    """An objection is nobody's call."""
    assert suppressed(said("objection.raised", "1", via="call")).of(CALLS) == []


@pytest.mark.rule("SILENT-RATIO")
def test_calls_of_a_load_are_told_each_by_its_item() -> None:
    """A chunk has one offset: without its number the second of them would seem a repeat."""
    keys = [b"\x01" + bytes([n]) * 16 for n in range(4)]
    items = [
        Item(key, intent(said("call.attended", f"a{n}", contact={"kind": "phone",
                                                                "value": f"+3933312345{n:02}"})))
        for n, key in enumerate(keys)
    ]  # fmt: skip
    sent = Sent()
    part = Part(3, 77, SUPPRESS, cast("PartitionStore", Memory()), cast("Outputs", sent))
    step = Suppress(CODEC, Policy())
    step.opened(part)
    value = chunks.packed(CODEC, "job", 0, items)
    step.process(Record(BULK, 3, 9, None, value, ACCEPTED), part)
    places = [(c["lane"], c["offset"], c["item"], c["token"]) for c in sent.of(CALLS)]
    assert places == [(BULK, 9, n, key) for n, key in enumerate(keys)]


def handed_on(*facts: Fact) -> Sent:
    """What the parties step sends for facts of the person crm:1."""
    sent = Sent()
    part = Part(0, 7, PARTIES, cast("PartitionStore", Memory()), cast("Outputs", sent))
    step = Parties(CODEC, PEPPER)
    for offset, each in enumerate(facts):
        step.process(Record("noli.parties", 0, offset, b"crm:1", intent(each), ACCEPTED), part)
    return sent


def link(number: int) -> Fact:
    """One more contact of the person."""
    raw = {
        "specversion": "1.0", "id": f"l{number}", "source": "/crm", "type": "noli.party.linked.v1",
        "time": "2026-02-01T08:00:00Z",
        "data": {"controller": "acme", "party": "crm:1",
                 "contact": {"kind": "phone", "value": f"+39333123450{number}"}},
    }  # fmt: skip
    return events.parse(raw, ACCEPTED)


@pytest.mark.rule("SILENT-RATIO")
def test_a_persons_call_counts_once_and_holds_each_of_their_contacts() -> None:
    """Counted where it was taken; handed on, also to a contact linked later, only the hold is due.

    An erased contact, handed on to without its name, is no other call either.
    """
    call = said("call.silent", "c", party="crm:1")
    gone = events.parse(
        {"specversion": "1.0", "id": "e", "source": "/crm", "type": "noli.erasure.requested.v1",
         "time": "2026-02-01T08:30:00Z", "data": {"controller": "acme", "party": "crm:1"}},
        ACCEPTED,
    )  # fmt: skip
    sent = handed_on(link(1), gone, link(2), call, call, link(3))
    (taken,) = sent.of(CALLS)
    assert (taken["token"], taken["counts"], taken["offset"]) == (None, True, 3)
    assert call_counts(taken) == campaigns.Counts(silent=1, cut_unrecorded=1, noise_unrecorded=1)
    handed = [
        (key, value)
        for topic, key, value in sent.records
        if topic == OBJECTIONS and CODEC.decode(value)[1]["event"][0] == "noli.CallSilent"
    ]
    assert len({key for key, _ in handed}) == 3
    whole: list[dict[str, Any]] = []
    for offset, (key, value) in enumerate(handed):
        one, step = Sent(), Suppress(CODEC, Policy())
        part = Part(3, 77, SUPPRESS, cast("PartitionStore", Memory()), cast("Outputs", one))
        step.opened(part)
        step.process(Record(OBJECTIONS, 3, offset, key, value, ACCEPTED), part)
        whole += one.of(CALLS)
    assert [each["counts"] for each in whole] == [False] * 3
    assert {call_counts(each) for each in whole} == {campaigns.Counts(holds_due=1)}


def test_keys_are_of_controller_and_campaign() -> None:
    """Space around a name is nobody's meaning; what parts the two is in neither."""
    assert campaign_key("acme", " spring ") == b"acme\x1fspring"
    assert campaign_key("a\x1fb", "c") != campaign_key("a", "b\x1fc")
    assert campaign_key("acme", "\ud800") == b"acme\x1f?"
