"""What former owners left in the decisions: the highest version, and who is to be written over."""

from __future__ import annotations

import pytest

from noli.runtime.clock import now_us
from noli.runtime.trail import Mark, Owes, Trail, version_in
from schemas.names import BEACON_KEY, CLAIM_KEY
from tests.support.decisions import CODEC, decision, token

DAY_US = 86_400_000_000


def claim(epoch: int) -> bytes:
    """A new owner's first record."""
    return CODEC.encode("noli.Claim", {"epoch": epoch, "owner": "w", "at": 0})


def decided(number: int, epoch: int, version: int) -> tuple[bytes, bytes]:
    """Key and value of a decision."""
    return token(number), CODEC.encode("noli.Decision", decision(number, version, epoch=epoch))


def test_the_highest_version_counts_whoever_gave_it() -> None:
    """An owner that died, and one that woke up late: what is decided next stands above both."""
    trail = Trail.after(Mark(7, epoch=5))
    trail.take(*decided(1, 5, 1_000), 7)
    trail.take(CLAIM_KEY, claim(9), 8)
    trail.take(*decided(2, 5, 3_000), 9)
    trail.take(*decided(3, 9, 2_000), 10)
    assert (trail.frontier, trail.epoch, trail.version) == (11, 9, 3_000)


def test_late_records_that_stand_last_are_to_be_written_over() -> None:
    """Not where the owner did so itself, nor claims and beacons; garbage is late too."""
    trail = Trail.after(Mark(0, epoch=9))
    for offset, (key, value) in enumerate(
        [
            decided(1, 8, 1),
            decided(2, 8, 1),
            decided(1, 9, 2),
            (token(3), b"?"),
            (token(4), b""),
            (BEACON_KEY, CODEC.encode("noli.Beacon", {"epoch": 8, "as_of": 1})),
            (CLAIM_KEY, claim(8)),
        ]
    ):
        trail.take(key, value, offset)
    trail.take(None, b"?", 7)
    assert trail.late == {token(2), token(3), token(4)}
    assert (trail.epoch, trail.frontier) == (9, 8)


def test_a_version_from_another_world_is_none() -> None:
    """Garbage that reads as a clock far ahead must not carry every version with it."""
    for version, counts in ((now_us(), True), (now_us() + 2 * DAY_US, False), (2**62, False)):
        assert version_in(decided(1, 1, version)[1]) == (version if counts else 0)
    assert version_in(None) == version_in(b"\x00\x00") == 0


@pytest.mark.parametrize("text", [None, "", "epoch=3", "decisions=x epoch=3", "as_of=1"])
def test_what_says_nothing_is_no_mark(text: str | None) -> None:
    """Then the decisions are read from their beginning."""
    assert Mark.read(text) is None
    assert Trail.after(None).frontier == 0


def test_a_mark_is_read_as_it_was_written() -> None:
    """It travels as the metadata of a commit."""
    assert Mark.read(Mark(12, 34).text()) == Mark(12, 34)


def test_a_mark_says_what_is_owed_and_of_which_topic() -> None:
    """As text and back; a mark of a build that knew of neither owes nothing, of any topic."""
    mark = Mark(7, 5, 3, Owes.FOLD, "Ab+/9_-==")
    assert Mark.read(mark.text()) == mark
    assert Mark.read(Mark(7, 5).text()) == Mark(7, 5)
    assert Mark.read("decisions=7 epoch=5 state=3") == Mark(7, 5, 3)
    assert Mark.read("decisions=7 epoch=5") is None
    assert Mark.read("decisions=7 epoch=5 state=3 owes=9") is None


def test_a_mark_of_another_topic_is_of_nothing() -> None:
    """Its offset means nothing here: the decisions are read from their beginning, and are gone."""
    mark = Mark(7, 5, 3, Owes.NOTHING, "old")
    assert Trail.after(mark, "new") == Trail(0, 0, gone=True)
    assert Trail.after(mark, "old") == Trail(7, 5)
    assert Trail.after(mark._replace(topic=""), "new") == Trail(7, 5)
    assert Trail.after(None, "new") == Trail(0, 0)
