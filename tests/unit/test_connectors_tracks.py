"""One partition of decisions: what a record asks for, who may speak, what is held open."""

from __future__ import annotations

from typing import Any, cast

import pytest
from confluent_kafka import Message

from connectors.frontier import Point
from connectors.inlet import Gained, Mark
from connectors.lens import Lens
from connectors.tracks import Taken, Track
from schemas.codec import UnreadableError
from tests.support.decisions import BEACON, CLAIM, CODEC, CONTROLLER, decision, token
from tests.support.step import state_record

LENS = Lens([CONTROLLER], purposes=["marketing"])


class Stands:
    """A record as it stands in the log."""

    def __init__(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        self._parts = offset, key, value

    def offset(self) -> int:
        """Where."""
        return self._parts[0]

    def key(self) -> bytes | None:
        """Of whom."""
        return self._parts[1]

    def value(self) -> bytes | None:
        """What."""
        return self._parts[2]


class Reading:
    """A track, and the next offset."""

    def __init__(self, gained: Gained) -> None:
        self.track = Track.start(gained)
        self.offset = gained.start

    def take(self, key: bytes | None, value: bytes | None) -> Taken:
        """The next record."""
        self.offset += 1
        record = Stands(self.offset - 1, key, value)
        return self.track.take(cast("Message", record), CODEC, LENS)

    def claim(self, epoch: int) -> Taken:
        """A new owner."""
        value = CODEC.encode("noli.Claim", {"epoch": epoch, "owner": "w", "at": 0})
        return self.take(CLAIM, value)

    def beacon(self, epoch: int, as_of: int) -> Taken:
        """A sign of life."""
        return self.take(BEACON, CODEC.encode("noli.Beacon", {"epoch": epoch, "as_of": as_of}))

    def decide(self, number: int, version: int, **over: Any) -> Taken:  # noqa: ANN401 - as there
        """A decision about somebody."""
        datum = decision(number, version, **over)
        return self.take(token(number), CODEC.encode("noli.Decision", datum))


def gained(start: int = 10, end: int = 12, epoch: int = 5, *, first: bool = False) -> Gained:
    """A partition that was just gained."""
    return Gained(3, start, end, Mark(epoch, 77), first)


@pytest.fixture
def reading() -> Reading:
    """A track from offset 10, committed under epoch 5."""
    return Reading(gained())


def test_a_track_begins_where_its_last_owner_committed() -> None:
    """Offset, beacon and fence; what is older than a new application counts as no delay."""
    track = Track.start(gained())
    assert (track.partition, track.epoch, track.mark()) == (3, 5, (10, Mark(5, 77)))
    assert (track.caught_up_at, track.backfill_until, track.touched) == (12, 0, None)
    assert Track.start(gained(first=True)).backfill_until == 12


def test_it_catches_up_to_where_the_log_ended(reading: Reading) -> None:
    """Until then a record may still be replaced by one that the log already holds."""
    assert reading.track.catching_up
    reading.decide(1, 1, epoch=5)
    assert reading.track.catching_up
    reading.decide(2, 1, epoch=5)
    assert not reading.track.catching_up


def test_a_decision_asks_for_a_change_and_is_held_open(reading: Reading) -> None:
    """Nothing is committed past it until it is settled."""
    taken = reading.decide(1, 9, epoch=5)
    assert taken.change is not None
    assert (taken.change.token, taken.change.version) == (token(1).hex(), 9)
    assert (taken.change.partition, taken.change.offset, taken.change.as_of) == (3, 10, 77)
    assert taken.replaced == []
    assert reading.track.frontier.open == 1
    assert reading.track.mark() == (10, Mark(5, 77))
    reading.track.frontier.settle({10})
    assert reading.track.mark() == (11, Mark(5, 77))


def test_whoever_lost_the_partition_is_passed_over(reading: Reading) -> None:
    """A record of a lower epoch asks for nothing, beacons too; one of the owner's epoch does."""
    reading.claim(9)
    assert reading.decide(1, 99, epoch=8) == Taken(None, [])
    reading.beacon(8, 1_000)
    assert reading.track.frontier.point() == Point(13, 77)
    assert reading.decide(1, 3, epoch=9).change is not None
    assert reading.track.epoch == 9


def test_a_higher_epoch_proves_a_claim_that_was_not_read(reading: Reading) -> None:
    """We started behind it, or it was compacted."""
    assert reading.decide(1, 1, epoch=9).change is not None
    assert reading.track.epoch == 9
    assert reading.decide(2, 1, epoch=8).change is None


def test_a_beacon_moves_the_time_and_asks_for_nothing(reading: Reading) -> None:
    """It is the projection of the frontier."""
    assert reading.beacon(5, 1_000) == Taken(None, [])
    assert reading.track.mark() == (11, Mark(5, 1_000))
    taken = reading.decide(1, 1, epoch=5)
    assert taken.change is not None
    assert taken.change.as_of == 1_000


def test_a_claim_is_passed(reading: Reading) -> None:
    """The frontier moves on, the fence rises."""
    assert reading.claim(7) == Taken(None, [])
    assert reading.track.mark() == (11, Mark(7, 77))


def test_who_is_somebody_elses_is_passed(reading: Reading) -> None:
    """The application does not serve that controller."""
    reading.track.touched = set()
    assert reading.decide(1, 1, epoch=5, controller="other") == Taken(None, [])
    assert reading.track.mark()[0] == 11
    assert reading.track.touched == set()


def test_a_survey_learns_of_whom_there_is_news(reading: Reading) -> None:
    """By token; only while there is one."""
    reading.decide(1, 1, epoch=5)
    reading.track.touched = set()
    reading.decide(2, 1, epoch=5)
    assert reading.track.touched == {token(2).hex()}


@pytest.mark.parametrize(
    "key, value, why",
    [
        (token(1), b"\x00garbage", "schema id"),
        (token(1), None, "no value"),
        (None, CODEC.encode("noli.Beacon", {"epoch": 5, "as_of": 1}), "no key"),
        (token(1), b"", "no header"),
    ],
)
def test_what_nobody_can_read_is_held_open(
    reading: Reading, key: bytes | None, value: bytes | None, why: str
) -> None:
    """The application is not aligned past it, and the error says why."""
    with pytest.raises(UnreadableError, match=why):
        reading.take(key, value)
    assert reading.track.unreadable == {key: [10]}
    reading.beacon(5, 9_999)
    assert reading.track.mark() == (10, Mark(5, 77))


def test_a_record_of_another_topic_does_not_belong(reading: Reading) -> None:
    """Readable, and yet nothing that may be passed over."""
    with pytest.raises(UnreadableError, match="does not belong here"):
        reading.take(token(1), state_record(5))
    assert reading.track.frontier.open == 1


def test_a_newer_decision_settles_what_could_not_be_read(reading: Reading) -> None:
    """Of the same contact, every one of them; others stay held."""
    for number in (1, 1, 2):
        with pytest.raises(UnreadableError):
            reading.take(token(number), b"?")
    taken = reading.decide(1, 5, epoch=5)
    assert taken.replaced == [10, 11]
    assert reading.track.unreadable == {token(2): [12]}
    assert reading.track.frontier.open == 4
    assert reading.decide(1, 6, epoch=5).replaced == []


def test_what_could_not_be_read_was_nobody_of_ours(reading: Reading) -> None:
    """A newer decision that asks for nothing lets the application go on."""
    with pytest.raises(UnreadableError):
        reading.take(token(1), b"?")
    reading.decide(1, 5, epoch=5, controller="other")
    assert reading.track.unreadable == {}
    assert reading.track.mark()[0] == 12
