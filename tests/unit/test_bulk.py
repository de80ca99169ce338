"""Chunks of noli.bulk: packed, folded as if each intent had come alone, never lost silently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from noli import wire
from noli.domain.fold import fold
from noli.domain.policy import Policy
from noli.domain.state import EMPTY
from noli.evidence import states
from noli.evidence.history import collect
from noli.runtime import chunks
from noli.runtime.chunks import Item
from noli.runtime.part import Part, Record
from schemas.codec import HEADER, UnreadableError
from schemas.names import BULK, CLAIM_KEY, OBJECTIONS, QUARANTINE, STATE
from streams.suppress.step import Suppress
from streams.topology import SUPPRESS
from tests.support.law import consent, fact, on
from tests.support.step import CODEC, Memory, Sent

if TYPE_CHECKING:
    from noli.domain.facts import Fact
    from noli.runtime.outputs import Outputs
    from noli.runtime.store import PartitionStore


def key(number: int) -> bytes:
    """The token of some contact."""
    return b"\x01" + number.to_bytes(16)


def value(found: Fact) -> bytes:
    """A fact as the intake writes it."""
    return CODEC.encode("noli.Intent", wire.fact_to_intent(found))


CONSENT = value(consent(1, "sms"))
LISTED = value(fact("register.listed", 2, register="phone"))


def chunk(*items: Item, number: int = 0) -> Record:
    """The record of a chunk."""
    packed = chunks.packed(CODEC, "job", number, items)
    return Record(BULK, 3, 40 + number, None, packed, on(2))


class Desk:
    """The suppress step with an owned partition that has no broker."""

    def __init__(self) -> None:
        self.sent = Sent()
        self.step = Suppress(CODEC, Policy())
        store = cast("PartitionStore", Memory())
        self.part = Part(3, 77, SUPPRESS, store, cast("Outputs", self.sent))
        self.step.opened(self.part)

    def take(self, *records: Record) -> None:
        """Process records."""
        for record in records:
            self.step.process(record, self.part)

    def decided(self) -> dict[bytes, dict[str, Any]]:
        """The newest decision of each contact."""
        return {key or b"": CODEC.decode(value)[1] for key, value in self.part.unpublished}


@pytest.fixture
def desk() -> Desk:
    """One per test."""
    return Desk()


def test_bulk_is_read_behind_the_objections() -> None:
    """Objections lead; bulk is the one lane of chunks, and nothing waits for it."""
    assert SUPPRESS.lanes[0] == OBJECTIONS
    assert SUPPRESS.chunked == {BULK}
    assert BULK in SUPPRESS.lanes[1:]


def test_a_chunk_says_what_its_intents_would_say_alone(desk: Desk) -> None:
    """State and verdicts are those of single records."""
    alone = Desk()
    items = [Item(key(n), CONSENT) for n in range(5)] + [Item(key(2), LISTED)]
    desk.take(chunk(*items))
    alone.take(*[Record(OBJECTIONS, 3, n, k, v, on(2)) for n, (k, v) in enumerate(items)])
    assert {k: d["rows"] for k, d in desk.decided().items()} == {
        k: d["rows"] for k, d in alone.decided().items()
    }
    assert len(desk.decided()) == 5


def test_a_chunk_read_twice_changes_nothing(desk: Desk) -> None:
    """At-least-once input: no state, no decision, no version moves."""
    desk.take(chunk(Item(key(1), CONSENT), Item(key(2), LISTED)))
    before = list(desk.sent.records)
    desk.take(chunk(Item(key(1), CONSENT), Item(key(2), LISTED), number=1))
    assert desk.sent.records == before


def test_an_unreadable_intent_denies_its_contact_and_no_other(desk: Desk) -> None:
    """It is kept for a human as a single record would be; the rest of the chunk is in force."""
    rubbish = CONSENT[: HEADER.size] + b"rubbish"
    desk.take(chunk(*[Item(key(n), rubbish if n == 1 else CONSENT) for n in range(3)]))
    decided = desk.decided()
    allowed = {n: any(row["allowed"] for row in decided[key(n)]["rows"]) for n in range(3)}
    assert allowed == {0: True, 1: False, 2: True}
    assert all("QUARANTINED" in row["reasons"] for row in decided[key(1)]["rows"])
    (kept,) = desk.sent.of(QUARANTINE)
    assert (kept["value"], kept["key"], kept["offset"]) == (rubbish, key(1), 40)


def test_two_unreadable_intents_of_a_chunk_are_two_facts(desk: Desk) -> None:
    """Each is named by its own place within the chunk."""
    desk.take(chunk(Item(key(1), b"\0\0\0\0\1x"), Item(key(2), b"\0\0\0\0\1x")))
    seen = {decision["rows"][0]["allowed"] for decision in desk.decided().values()}
    assert (len(desk.decided()), seen) == (2, {False})
    places = [item.place for item in chunks.unpacked(chunk(Item(key(1), CONSENT)), CODEC)]
    assert places == [f"{BULK}:3:40:0"]


@pytest.mark.parametrize("poison", [None, b"", b"\0junk", CONSENT, chunk(Item(key(1), LISTED))[4]])
def test_an_unreadable_chunk_is_kept_whole(
    desk: Desk, poison: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """No contact can be told from it: a human gets all of its bytes, and nothing is decided."""
    cut = None if poison is None else poison[:-1] if poison[-1:] == b"\0" else poison
    desk.take(Record(BULK, 3, 9, None, cut, on(2)))
    (kept,) = desk.sent.of(QUARANTINE)
    assert (kept["topic"], kept["offset"], kept["value"]) == (BULK, 9, cut)
    assert desk.decided() == {}


def test_an_intent_without_a_token_is_only_kept(desk: Desk) -> None:
    """As with a single record: nothing is decided for a key that is no contact's."""
    desk.take(chunk(Item(b"short", CONSENT), Item(key(1), CONSENT)))
    assert set(desk.decided()) == {key(1)}
    assert len(desk.sent.of(QUARANTINE)) == 1


def test_a_schema_id_that_cannot_be_makes_the_chunk_unreadable() -> None:
    """A negative number is no id of the registry."""
    datum = {"job": "j", "number": 0, "schema_id": -1, "items": []}
    record = Record(BULK, 3, 0, None, CODEC.encode("noli.BulkChunk", datum), on(2))
    with pytest.raises(UnreadableError):
        chunks.unpacked(record, CODEC)


def test_chunks_are_bounded_in_number_and_bytes() -> None:
    """At most 100 intents and 200 kB; order kept, nothing lost; one too large stands alone."""
    items = [Item(key(n), b"v" * (300_000 if n == 120 else 100)) for n in range(250)]
    groups = list(chunks.divided(items))
    assert [item for group in groups for item in group] == items
    assert max(len(group) for group in groups) == chunks.ITEMS_MAX
    assert [len(group) for group in groups if items[120] in group] == [1]


@pytest.mark.rule("EVIDENCE")
def test_what_was_loaded_in_bulk_is_evidence() -> None:
    """The history of a contact holds its facts in chunks, with their places, and no other's."""
    records = [chunk(Item(key(1), CONSENT), Item(key(2), CONSENT), Item(key(1), LISTED))]
    found = collect([*records, Record(BULK, 3, 50, None, b"junk", on(2))], CODEC, key(1))
    assert [entry.place for entry in found.entries] == [f"{BULK}:3:40:0", f"{BULK}:3:40:2"]
    assert found.unread == (f"{BULK}:3:50",)


def test_states_are_read_under_the_owner_s_epoch() -> None:
    """What a superseded owner wrote after the claim is passed over; keys of no contact too."""

    def state(number: int, epoch: int, offset: int) -> Record:
        folded = fold(EMPTY, consent(number))
        written = CODEC.encode("noli.ContactState", wire.state_to_record(folded, epoch, 1))
        return Record(STATE, 0, offset, key(1), written, on(1))

    claim = CODEC.encode("noli.Claim", {"epoch": 8, "owner": "w", "at": 0})
    records = [
        state(1, 7, 0), Record(STATE, 0, 1, CLAIM_KEY, claim, 0), state(2, 7, 2), state(3, 8, 3),
    ]  # fmt: skip
    found = [known.state.grants[0].time for known in states.collect(records, CODEC)]
    assert found == [on(1), on(3)]
