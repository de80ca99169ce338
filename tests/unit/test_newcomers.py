"""Records of newcomers: written from templates, byte for byte what the law's own way writes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from noli import wire
from noli.domain import times
from noli.domain.contact import Contact
from noli.domain.fold import EMPTY, fold
from noli.domain.policy import SILENT_HOLD, Policy
from noli.runtime import chunks
from noli.runtime.chunks import Item
from noli.runtime.part import Part, Record
from noli.wire.campaigns import CALLS
from noli.wire.plain import CODES
from schemas.codec import HEADER, UnreadableError, parsed
from schemas.names import BULK, GRANTS
from schemas.template import Template, long_bytes, long_of
from streams.suppress.newcomers import Newcomers
from streams.suppress.step import Suppress
from streams.suppress.writing import Stamp, Writer
from streams.topology import SUPPRESS
from tests.support.histories import history
from tests.support.law import consent, fact, objection, on
from tests.support.step import CODEC, Memory, Sent

if TYPE_CHECKING:
    from noli.domain.facts import Detail, Fact
    from noli.runtime.outputs import Outputs
    from noli.runtime.store import PartitionStore
    from streams.suppress.newcomers import Newcomer

POLICY: Final = Policy()
#: Ages at which a verdict on one fact changes, ms, and some between.
TURNS: Final = (
    0, POLICY.double_opt_in_window, POLICY.phone_check_valid, POLICY.post_check_valid, SILENT_HOLD,
)  # fmt: skip
AGES: Final = st.one_of(
    st.builds(lambda turn, by: turn + by, st.sampled_from(TURNS), st.integers(-2, 2)),
    st.integers(-times.DAY // 30, 400 * times.DAY),
)


class Desk:
    """Templates and the long way side by side."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.writer = Writer(CODEC)
        self.newcomers = Newcomers(CODEC, self.writer, POLICY)
        self.policy = policy

    def body(self, found: Fact) -> bytes:
        """An intent without its header."""
        return CODEC.encode("noli.Intent", wire.fact_to_intent(found))[HEADER.size :]

    def quick(self, found: Fact, decided: int) -> Newcomer | None:
        """From templates."""
        stamp = Stamp(77, decided * 1_000 + 7, decided)
        return self.newcomers.written(self.body(found), self.policy, stamp)

    def slow(self, found: Fact, decided: int) -> tuple[bytes, bytes, int, bool]:
        """By the law."""
        stamp = Stamp(77, decided * 1_000 + 7, decided)
        told = self.writer.written(fold(EMPTY, found), self.policy, decided, found.accepted, stamp)
        return told.state, told.decision, found.accepted, found.denies

    def taught(self, found: Fact) -> Newcomer | None:
        """What templates give once the shape was seen often enough."""
        for _ in range(2):
            self.quick(found, found.accepted)
        return self.quick(found, found.accepted)


def first(chance: Random) -> Fact:
    """Somebody's first fact, of any kind but a call: those are told to whoever counts them."""
    while True:
        found = history(chance, 1)[1][0]
        if type(found.detail) not in CALLS:
            return found


def other(found: Fact, chance: Random, behind: int) -> Fact:
    """Another contact's fact of the same shape, accepted `behind` ms after its time."""
    contact = cast("Contact", found.contact)
    time = on(chance.randint(0, 700)) + chance.randint(0, times.DAY)
    return replace(
        found,
        fact_id=chance.randbytes(16),
        source=f"/s{chance.randint(0, 99)}",
        id=f"%b{chance.random()}",
        time=time,
        accepted=time + behind,
        contact=contact._replace(value=contact.value[:3] + f"{chance.randint(0, 10**9)}%s"),
        evidence_ref=found.evidence_ref and f"form-{chance.random()}",
        detail=renamed(found.detail, f"%b-{chance.random()}"),
    )


def renamed(detail: Detail, name: str) -> Detail:
    """The same said, with another id or proof where there is one."""
    names = [n for n in ("consent_id", "contract_id", "sale_id", "proof") if getattr(detail, n, "")]
    return cast("Detail", replace(cast("Any", detail), **dict.fromkeys(names, name)))


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32), st.integers(-times.DAY, times.DAY), st.lists(AGES, min_size=4))
@example(0, 0, [0, POLICY.phone_check_valid, POLICY.phone_check_valid + 1])
def test_templates_write_what_the_law_writes(seed: int, behind: int, ages: list[int]) -> None:
    """For any first fact, contact and age: the same bytes of state and decision, or nothing."""
    chance = Random(seed)
    desk = Desk()
    found = first(chance)
    assert desk.taught(found) is not None
    for age in ages:
        each = other(found, chance, behind)
        decided = each.effective + age
        assert desk.quick(each, decided) == desk.slow(each, decided)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_every_kind_of_first_fact_is_learnt(seed: int) -> None:
    """Grants, denials, marks: nothing plain is left to the long way."""
    desk = Desk()
    found = first(Random(seed))
    quick = desk.taught(found)
    assert quick == desk.slow(found, found.accepted)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), AGES)
def test_shapes_are_kept_apart(seed: int, age: int) -> None:
    """A load of everything mixed: none is written from the template of another."""
    chance = Random(seed)
    desk = Desk()
    mixed = [first(chance) for _ in range(25)]
    mixed += [replace(each, evidence_ref=None) for each in mixed]
    for each in mixed:
        assert desk.taught(each) == desk.slow(each, each.accepted)
    for each in mixed:
        assert desk.quick(each, each.effective + age) == desk.slow(each, each.effective + age)


def test_the_law_is_asked_until_a_shape_has_come_often_enough() -> None:
    """What is seen once is not learnt: a lesson costs more than it saves."""
    desk = Desk()
    told = [desk.quick(consent(1, "sms"), on(2)) is not None for _ in range(4)]
    assert told == [False, False, True, True]


@pytest.mark.parametrize(
    "odd",
    [
        {"id": "à"},
        {"source": "/" + "s" * 64},
        {"evidence_ref": "prova è"},
        {"evidence_ref": ""},
        {"contact": Contact(cast("Contact", consent(1, "sms").contact).kind, "+39è")},
        {"accepted": 5},
        {"time": 1 << 42},
    ],
)
def test_what_is_not_plain_is_left_to_the_law(odd: dict[str, Any]) -> None:
    """Long texts, other alphabets, times of another century: decoded, as ever."""
    desk = Desk()
    usual = consent(1, "sms")
    assert desk.taught(usual) is not None
    assert desk.quick(replace(usual, **odd), on(2)) is None


@pytest.mark.rule("SILENT-RATIO")
@pytest.mark.parametrize("kind", ["call.silent", "call.attended"])
@pytest.mark.parametrize("campaign", [{"campaign": "spring"}, {}])
def test_no_call_is_written_from_a_template(kind: str, campaign: dict[str, Any]) -> None:
    """However often it comes alike: each is to be counted."""
    assert Desk().taught(fact(kind, 1, **campaign)) is None


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_intent_is_left_to_the_law(cut: int) -> None:
    """The law's way quarantines it; no template takes it for whole."""
    desk = Desk()
    usual = consent(1, "sms", consent_id="c-1")
    assert desk.taught(usual) is not None
    stamp = Stamp(77, 1, on(2))
    body = desk.body(usual)
    assert desk.newcomers.written(body[:-cut], POLICY, stamp) is None
    assert desk.newcomers.written(body + b"\x00" * cut, POLICY, stamp) is None


@given(st.binary(max_size=80), st.integers(0, 60))
def test_rubbish_is_left_to_the_law(rubbish: bytes, at: int) -> None:
    """Whatever cannot be decoded gives no record, wherever the bytes were damaged."""
    desk = Desk()
    usual = consent(1, "sms", consent_id="c-1")
    assert desk.taught(usual) is not None
    whole = desk.body(usual)
    body = whole[:at] + rubbish + whole[at + len(rubbish) :]
    quick = desk.newcomers.written(body, POLICY, Stamp(77, 1, on(2)))
    if quick is not None:
        read = wire.read_contact_intent(CODEC, CODEC.header(wire.INTENT) + body)
        told = desk.writer.written(
            fold(EMPTY, read), POLICY, on(2), read.accepted, Stamp(77, 1, on(2))
        )
        assert quick[:2] == told[:2]


@pytest.mark.rule("SOURCE-REVOKED")
def test_a_revoked_source_is_left_to_the_law() -> None:
    """No template says what stood before a revocation; another source's contacts have theirs."""
    desk = Desk(POLICY.with_revoked("acme", "list", on(0)))
    revoked, other_source = (consent(1, "sms", source_id=name) for name in ("list", "fair"))
    assert desk.taught(revoked) is None
    assert desk.taught(other_source) == desk.slow(other_source, other_source.accepted)


@pytest.mark.rule("REGISTER-FRESH")
def test_an_italian_number_has_a_shape_of_its_own() -> None:
    """Consents to call an Italian number go stale, others do not: never one template for both."""
    desk = Desk()
    italian = consent(1, "operator_call")
    abroad = replace(italian, contact=Contact(cast("Contact", italian.contact).kind, "+4930123456"))
    assert desk.taught(italian) is not None
    assert desk.taught(abroad) is not None
    for each in (italian, abroad):
        assert desk.quick(each, on(300)) == desk.slow(each, on(300))


def test_the_law_asks_one_thing_of_a_contacts_value() -> None:
    """Whether a number is Italian: whatever else it asks must become part of a shape first."""
    law = Path(__file__).parents[2] / "noli" / "domain"
    after_reading = ["fold.py", "joins.py", "outcome.py", "rows.py", "steps.py", "verdict.py"]
    sources = [*law.glob("rules/*.py"), *(law / name for name in after_reading)]
    asked = [line.strip() for path in sources for line in path.read_text().splitlines()
             if re.search(r"\bcontact\b.*\.value\b", line)]  # fmt: skip
    assert asked == ["if not needs or not (contact is None or contact.value.startswith(ITALY)):"]


def test_codes_are_those_of_the_contract() -> None:
    """The first byte of an event says which it is."""
    event = next(field for field in parsed("noli.Intent")["fields"] if field["name"] == "event")
    names = [branch["name"].removeprefix("noli.") for branch in event["type"]]
    assert {name: 2 * names.index(name) for name in CODES} == CODES


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_longs_are_read_as_they_are_written(value: int) -> None:
    """In the shortest form, and in no other."""
    data = long_bytes(value)
    assert long_of(data) == value
    padded = data[:-1] + bytes((data[-1] | 0x80, 0))
    with pytest.raises(UnreadableError):
        long_of(padded)


@given(st.lists(st.binary(min_size=1, max_size=6), min_size=2, max_size=5, unique=True))
def test_a_template_repeats_its_example(values: list[bytes]) -> None:
    """With the example's own values in its holes, whatever these are."""
    between = b"100 % sure"
    whole = between.join(values)
    assert Template(whole, values).filled(values) == whole


def both_ways(found: list[Fact]) -> tuple[Sent, Sent]:
    """What the step writes for single records and for chunks."""
    singles, packed = Sent(), Sent()
    items = [
        Item(b"\x01" + number.to_bytes(16), CODEC.encode("noli.Intent", wire.fact_to_intent(each)))
        for number, each in enumerate(found)
    ]
    chunk = Record(BULK, 3, 0, None, chunks.packed(CODEC, "job", 0, items), on(2))
    alone = [Record(GRANTS, 3, n, key, value, on(2)) for n, (key, value) in enumerate(items)]
    for sent, records in ((singles, alone), (packed, [chunk])):
        step = Suppress(CODEC, POLICY)
        part = Part(3, 77, SUPPRESS, cast("PartitionStore", Memory()), cast("Outputs", sent))
        step.opened(part)
        for record in records:
            step.process(record, part)
        part.send_states()
        part.send_decisions()
    return singles, packed


def test_newcomers_then_known_contacts_come_out_in_order() -> None:
    """A second fact of a contact in the same chunk finds what the first one wrote."""
    usual = [replace(consent(1, "sms"), fact_id=bytes([n]) * 16) for n in range(8)]
    singles, packed = both_ways(usual)
    for topic in (SUPPRESS.state, SUPPRESS.decisions):
        said = [[(d["controller"], d.get("rows"), d.get("grants")) for d in sent.of(topic)]
                for sent in (singles, packed)]  # fmt: skip
        assert said[0] == said[1]
        assert len(said[0]) == len(usual)


@pytest.mark.rule("OBJECT")
def test_an_objection_behind_a_newcomers_consent_denies() -> None:
    """The state from a template is a state like any other: facts fold onto it."""
    step, sent = Suppress(CODEC, POLICY), Sent()
    part = Part(3, 77, SUPPRESS, cast("PartitionStore", Memory()), cast("Outputs", sent))
    step.opened(part)
    for number in range(6):
        key = b"\x01" + number.to_bytes(16)
        for each in (consent(1, "sms"), objection(2)):
            value = CODEC.encode("noli.Intent", wire.fact_to_intent(each))
            step.process(Record(GRANTS, 3, number, key, value, on(2)), part)
    part.send_decisions()
    decisions = sent.of(SUPPRESS.decisions)
    allowed = [any(row["allowed"] for row in each["rows"]) for each in decisions]
    assert allowed == [True, False] * 6
    versions = [each["version"] for each in decisions]
    assert all(
        later > earlier for earlier, later in zip(versions[::2], versions[1::2], strict=True)
    )


def test_nothing_that_adds_nothing_is_written() -> None:
    """A fact that changes no state has no records, however often it comes."""
    desk = Desk()
    profiling = fact("profiling.performed", 1, purpose="marketing")
    assert desk.taught(profiling) is None
