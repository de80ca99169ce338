"""The suppress step: what it writes for a fact, a duplicate, poison, and after a foreign write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from noli import wire
from noli.domain import events, times
from noli.domain.policy import Policy
from noli.runtime.clock import now_ms, now_us
from noli.runtime.part import Part, Record
from schemas.codec import lead
from schemas.names import CONTROL, QUARANTINE
from streams.suppress.sources import label_of
from streams.suppress.step import Suppress
from streams.topology import SUPPRESS
from tests.support.step import CODEC, Memory, Sent

if TYPE_CHECKING:
    from noli.runtime.outputs import Outputs
    from noli.runtime.store import PartitionStore

KEY = b"\x01" + b"k" * 16
ACCEPTED = times.parse("2026-02-01T10:00:00Z")


@pytest.fixture
def sent() -> Sent:
    """Where the step's outputs go."""
    return Sent()


@pytest.fixture
def part(sent: Sent, step: Suppress) -> Part:
    """An owned partition without a broker, opened."""
    part = Part(3, 77, SUPPRESS, cast("PartitionStore", Memory()), cast("Outputs", sent))
    step.opened(part)
    return part


@pytest.fixture
def step() -> Suppress:
    """The step under the default policy."""
    return Suppress(CODEC, Policy())


def intent(type_: str, number: str, **data: object) -> bytes:
    """The wire bytes of one event about the one contact."""
    raw = {
        "specversion": "1.0",
        "id": number,
        "source": "/t",
        "type": type_,
        "time": "2026-02-01T09:00:00Z",
        "data": {
            "controller": "acme",
            "contact": {"kind": "email", "value": "anna@example.it"},
            **data,
        },
    }
    return CODEC.encode("noli.Intent", wire.fact_to_intent(events.parse(raw, ACCEPTED)))


def record(value: bytes | None, offset: int = 0, key: bytes | None = KEY) -> Record:
    """One record of the objections lane."""
    return Record(SUPPRESS.lanes[0], 3, offset, key, value, ACCEPTED)


CONSENT = intent(
    "noli.consent.given.v1",
    "1",
    purpose="marketing",
    channels=["email"],
    consent_id="c1",
    evidence={"ref": "form-1", "box_purposes": ["marketing"]},
)
OBJECTION = intent("noli.objection.raised.v1", "2", via="web")


def told(part: Part) -> list[dict[str, Any]]:
    """What was decided, in order; it is sent once the states stand."""
    return [CODEC.decode(value)[1] for _, value in part.unpublished]


def allowed(decision: dict[str, Any]) -> set[tuple[str, str]]:
    """Pairs of channel and purpose that a decision allows."""
    return {
        (channel, purpose)
        for row in decision["rows"]
        if row["allowed"]
        for channel in row["channels"]
        for purpose in row["purposes"]
    }


@pytest.mark.rule("OBJECT")
def test_a_consent_allows_and_an_objection_denies(step: Suppress, part: Part, sent: Sent) -> None:
    """Each fact that changes something gives a decision of a higher version; one state is left."""
    step.process(record(CONSENT), part)
    step.process(record(OBJECTION, 1), part)
    first, second = told(part)
    assert allowed(first) == {("email", "marketing")}
    assert allowed(second) == set()
    assert second["version"] > first["version"]
    assert {decision["epoch"] for decision in (first, second)} == {77}
    assert sent.records == []
    part.send_states()
    part.send_decisions()
    assert [topic for topic, _, _ in sent.records] == [
        SUPPRESS.state,
        SUPPRESS.decisions,
        SUPPRESS.decisions,
    ]
    part.send_decisions()
    assert len(sent.records) == 3


def test_versions_rise_above_what_a_former_owner_gave(
    step: Suppress, part: Part, sent: Sent
) -> None:
    """Its clock may have been ahead, and it may have left no state to tell."""
    part.floor = now_us() + 3_600_000_000
    step.process(record(CONSENT), part)
    step.process(record(OBJECTION, 1), part)
    first, second = told(part)
    assert second["version"] > first["version"] > part.floor


def test_a_duplicate_writes_nothing(step: Suppress, part: Part, sent: Sent) -> None:
    """At-least-once input gives one logical event."""
    step.process(record(OBJECTION), part)
    before = len(sent.records)
    step.process(record(OBJECTION, 1), part)
    assert len(sent.records) == before


@pytest.mark.parametrize(
    "poison",
    [None, b"", b"\x00", b"\x01junk", OBJECTION[:-3], OBJECTION + b"x", b"\x00\x00\x00\x00\x09?"],
)
def test_poison_denies_its_contact_and_is_kept_whole(
    step: Suppress, part: Part, sent: Sent, poison: bytes | None
) -> None:
    """An unreadable intent under a contact's key suppresses that contact and waits for a human."""
    step.process(record(CONSENT), part)
    step.process(record(poison, 9), part)
    decision = told(part)[-1]
    assert allowed(decision) == set()
    assert all("QUARANTINED" in row["reasons"] for row in decision["rows"])
    (kept,) = sent.of(QUARANTINE)
    assert (kept["value"], kept["key"], kept["offset"]) == (poison, KEY, 9)


def test_an_intent_about_nobody_under_a_contacts_key_is_poison(
    step: Suppress, part: Part, sent: Sent
) -> None:
    """What allows nobody in particular denies the contact it stands under, no crash loop."""
    raw = {"id": "1", "source": "/t", "type": "noli.contract.started.v1"}
    data = {"controller": "acme", "party": "crm:1", "contract_id": "c"}
    fact = events.parse({**raw, "specversion": "1.0", "data": data}, ACCEPTED)
    step.process(record(CONSENT), part)
    step.process(record(CODEC.encode("noli.Intent", wire.fact_to_intent(fact)), 1), part)
    assert allowed(told(part)[-1]) == set()
    assert len(sent.of(QUARANTINE)) == 1


@pytest.mark.rule("ERASED")
def test_an_objection_under_a_token_denies_whoever_it_is(
    step: Suppress, part: Part, sent: Sent
) -> None:
    """A person's objection reaches an erased contact of theirs without its name; no alarm."""
    raw = {"id": "1", "source": "/t", "type": "noli.objection.raised.v1"}
    data = {"controller": "acme", "party": "crm:1", "via": "web"}
    fact = events.parse({**raw, "specversion": "1.0", "data": data}, ACCEPTED)
    step.process(record(CONSENT), part)
    step.process(record(CODEC.encode("noli.Intent", wire.fact_to_intent(fact)), 1), part)
    assert allowed(told(part)[-1]) == set()
    assert sent.of(QUARANTINE) == []


def test_a_revocation_from_a_clock_ahead_of_ours_is_in_force_at_once(
    step: Suppress, part: Part, sent: Sent
) -> None:
    """Ten minutes of skew between machines do not leave a revoked source standing."""
    ahead = now_ms() + 600_000
    fact = events.parse(REVOCATION, ahead)
    value = CODEC.encode("noli.Intent", wire.fact_to_intent(fact))
    step.process(Record(CONTROL, 3, 0, None, value, ahead), part)
    step.process(record(from_source("1", "list-7")), part)
    assert allowed(told(part)[-1]) == set()


@pytest.mark.parametrize("key", [None, b"", b"short"])
def test_a_record_without_a_contact_is_only_kept(
    step: Suppress, part: Part, sent: Sent, key: bytes | None
) -> None:
    """Nothing is decided for a key that is no contact token; the record is not lost."""
    step.process(record(OBJECTION, key=key), part)
    assert [topic for topic, _, _ in sent.records] == [QUARANTINE]


def test_restating_writes_the_same_verdicts_again(step: Suppress, part: Part, sent: Sent) -> None:
    """After a foreign write our value stands behind it, with a higher version."""
    step.process(record(CONSENT), part)
    step.restate(KEY, part)
    first, second = told(part)
    assert allowed(second) == allowed(first)
    assert second["version"] > first["version"]


def test_restating_an_unknown_contact_writes_nothing(
    step: Suppress, part: Part, sent: Sent
) -> None:
    """A foreign record of a contact we have no fact of is left: its intent comes to us yet."""
    step.restate(KEY, part)
    assert sent.records == []


REVOCATION = {
    "specversion": "1.0",
    "id": "r1",
    "source": "/legal",
    "type": "noli.source.revoked.v1",
    "data": {"controller": "acme", "source_id": "list-7", "reason": "unlawful"},
}


def control(raw: dict[str, Any]) -> Record:
    """A record of the control lane."""
    value = CODEC.encode("noli.Intent", wire.fact_to_intent(events.parse(raw, ACCEPTED + 1)))
    return Record(CONTROL, 3, 0, None, value, ACCEPTED)


def from_source(number: str, source_id: str | None) -> bytes:
    """A consent obtained through a source."""
    return intent(
        "noli.consent.given.v1",
        number,
        purpose="marketing",
        channels=["email"],
        consent_id=number,
        evidence={"ref": "form-1", "box_purposes": ["marketing"]},
        **({"source_id": source_id} if source_id else {}),
    )


@pytest.mark.rule("SOURCE-REVOKED")
def test_a_revoked_source_voids_what_rests_on_it_and_nothing_else(
    step: Suppress, part: Part, sent: Sent
) -> None:
    """The contact of the source is denied once derived again; an independent consent stands."""
    step.process(record(from_source("1", "list-7")), part)
    assert allowed(told(part)[-1])
    step.process(control(REVOCATION), part)
    assert [sweep.label for sweep in part.sweeps] == [label_of("acme", "list-7")]
    step.rederive(KEY, part)
    assert allowed(told(part)[-1]) == set()
    step.process(record(from_source("2", None), 1), part)
    assert allowed(told(part)[-1]) == {("email", "marketing")}


@pytest.mark.rule("SOURCE-REVOKED")
def test_a_revocation_outlives_the_ownership(step: Suppress, part: Part, sent: Sent) -> None:
    """The next owner knows it, and sweeps again unless the sweep was done."""
    step.process(control(REVOCATION), part)
    heir = Part(3, 78, SUPPRESS, cast("PartitionStore", Memory(part.unsaved)), part.outputs)
    step.opened(heir)
    assert len(heir.sweeps) == 1
    step.process(record(from_source("1", "list-7")), heir)
    assert allowed(told(heir)[-1]) == set()
    step.swept(label_of("acme", "list-7"), heir)
    last = Part(3, 79, SUPPRESS, cast("PartitionStore", Memory(heir.unsaved)), part.outputs)
    step.opened(last)
    assert len(last.sweeps) == 0


def test_a_revocation_read_twice_is_swept_once(step: Suppress, part: Part) -> None:
    """At-least-once input does not repeat the work."""
    step.process(control(REVOCATION), part)
    step.process(control(REVOCATION), part)
    assert len(part.sweeps) == 1


def test_poison_on_the_control_lane_is_kept_for_a_human(
    step: Suppress, part: Part, sent: Sent
) -> None:
    """There is no contact to deny; the record is not lost."""
    step.process(Record(CONTROL, 3, 0, None, b"junk", ACCEPTED), part)
    assert [topic for topic, _, _ in sent.records] == [QUARANTINE]


def test_another_fact_on_the_control_lane_is_kept_for_a_human(
    step: Suppress, part: Part, sent: Sent
) -> None:
    """A readable record that is no revocation must not end every worker, again and again."""
    step.process(Record(CONTROL, 3, 0, None, OBJECTION, ACCEPTED), part)
    assert [topic for topic, _, _ in sent.records] == [QUARANTINE]


def test_state_carries_when_it_changes_and_where_it_came_from(
    step: Suppress, part: Part, sent: Sent
) -> None:
    """A restore rebuilds both indexes from the record alone."""
    pending = intent(
        "noli.consent.given.v1",
        "1",
        purpose="marketing",
        channels=["email"],
        consent_id="c9",
        double_opt_in=True,
        source_id="list-7",
        evidence={"ref": "form-1", "box_purposes": ["marketing"]},
    )
    step.process(record(pending), part)
    found = lead(part.unsaved[KEY])
    assert found.epoch == 77
    assert found.labels == label_of("acme", "list-7")
    decision = told(part)[-1]
    assert found.wake == (decision["next_change"] or 0)
