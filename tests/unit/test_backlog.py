"""Whether a lane has been processed up to where it ended at the takeover."""

from __future__ import annotations

import pytest

from noli.runtime.backlog import Backlog

PLACE = ("lane", 3)


@pytest.fixture
def backlog() -> Backlog:
    """One place was just assigned."""
    found = Backlog()
    found.begin(PLACE)
    return found


def test_nothing_is_known_before_a_first_fetch(backlog: Backlog) -> None:
    """However far it was processed before: what the log holds by now nobody has said."""
    assert not backlog.reached(PLACE, 1_000)
    assert backlog


def test_the_first_record_tells_where_its_log_ended(backlog: Backlog) -> None:
    """What was appended later is waited for by nobody: a stream that never pauses starves none."""
    backlog.record(PLACE, 10, lambda: 20)
    backlog.record(PLACE, 11, lambda: 500)
    assert not backlog.reached(PLACE, 19)
    assert backlog.reached(PLACE, 20)
    assert not backlog


def test_an_end_that_is_not_known_is_asked_for_again(backlog: Backlog) -> None:
    """Negative, or before the very record: it says nothing."""
    for offset, end in ((10, -1001), (11, 5)):
        backlog.record(PLACE, offset, lambda end=end: end)  # type: ignore[misc]
        assert not backlog.reached(PLACE, 1_000)
    backlog.record(PLACE, 12, lambda: 13)
    assert backlog.reached(PLACE, 13)


@pytest.mark.parametrize("handed", [None, 7])
def test_an_end_of_partition_ends_it(backlog: Backlog, handed: int | None) -> None:
    """An empty or trimmed lane, or one that ends in what is no record: all that came is done."""
    if handed is not None:
        backlog.record(PLACE, handed, lambda: 100)
        assert not backlog.reached(PLACE, handed + 1)
    backlog.ended(PLACE)
    assert backlog.reached(PLACE, 0 if handed is None else handed + 1)


def test_what_was_handed_out_must_be_processed(backlog: Backlog) -> None:
    """The partition ended behind records that are not done yet: it is not reached before."""
    backlog.record(PLACE, 7, lambda: 8)
    backlog.ended(PLACE)
    assert not backlog.reached(PLACE, 7)
    assert backlog.reached(PLACE, 8)


def test_a_partition_that_is_given_away_is_forgotten(backlog: Backlog) -> None:
    """And what comes of a place that nobody waits for changes nothing."""
    backlog.forget(3)
    backlog.record(PLACE, 7, lambda: 8)
    backlog.ended(PLACE)
    assert not backlog
    assert backlog.reached(PLACE, 0)
