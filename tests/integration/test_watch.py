"""A watcher on a real broker: as of when each application is aligned, and what holds it back."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from noli.wire.alignment import OVERALL, Aligned
from noli.wire.apps import Verb
from tests.support.stack import Stack
from tests.support.watched import Watched


@pytest.fixture(scope="module")
def watched(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The catalogue's own topics, a watcher on them, and whoever reports to it."""
    with Watched(stack, tmp_path_factory.mktemp("watched")) as found:
        yield found


def test_an_application_that_reports_is_aligned_as_of_its_beacons(watched: Watched) -> None:
    """Everything known and fresh: as of the oldest partition's beacon, and nothing holds it."""
    watched.act("calm", Verb.ADDED)
    as_of = watched.report("calm")
    found = watched.until("calm", lambda one: one.as_of is not None and not one.held_by)
    assert found.as_of == as_of - 2_000  # what persons said, a second before that
    watched.act("calm", Verb.REMOVED)


def test_what_is_not_known_is_not_claimed(watched: Watched) -> None:
    """A partition that never reported: no time at all; and none of all applications together."""
    watched.act("partial", Verb.ADDED)
    watched.report("partial", partitions=range(7))
    found = watched.until("partial", lambda one: bool(one.points))
    assert found.as_of is None
    assert "partition_unknown" in {hold.why for hold in found.held_by}
    assert watched.until(OVERALL, lambda one: "partial" in told(one)).as_of is None
    watched.act("partial", Verb.REMOVED)


def test_a_removed_application_holds_nobody_back(watched: Watched) -> None:
    """Registered and silent it holds the number of all; removed it does not."""
    watched.act("silent", Verb.ADDED)
    watched.until(OVERALL, lambda one: one.as_of is None and "silent" in told(one))
    watched.act("silent", Verb.REMOVED)
    watched.until(OVERALL, lambda one: "silent" not in told(one))


def test_a_connector_that_says_no_more_is_dead(watched: Watched) -> None:
    """Ten seconds after its last word the application is held as dead, and its time stands.

    Nobody ever registered it; it holds the number of all together none the less.
    """
    watched.report("dying", ago_ms=9_000)
    before = watched.until("dying", lambda one: one.as_of is not None)
    after = watched.until("dying", lambda one: "dead" in {hold.why for hold in one.held_by})
    assert after.as_of == before.as_of
    assert (watched.until(OVERALL, lambda one: "dying" in told(one)).as_of or 0) <= (
        after.as_of or 0
    )
    watched.act("dying", Verb.REMOVED)


def test_a_false_confirmation_takes_the_time_back(watched: Watched) -> None:
    """Confirmed, then read back and found otherwise: not aligned past that verdict, until verified.

    A watcher that is killed meanwhile knows it still.
    """
    watched.act("liar", Verb.ADDED)
    accepted = watched.report("liar")
    watched.receipt("liar", "applied", accepted)
    watched.until("liar", lambda one: one.as_of is not None)
    watched.report("liar", later_ms=5_000)
    watched.until("liar", lambda one: (one.as_of or 0) > accepted - 5_000)
    watched.receipt("liar", "drifted", accepted - 60_000)
    watched.until("liar", lambda one: one.as_of == accepted - 60_000)
    watched.receipt("liar", "applied", accepted - 60_000)
    watched.restart(signal.SIGKILL)
    watched.report("liar")
    found = watched.until("liar", lambda one: one.watcher == watched.name and one.at > accepted)
    assert found.as_of == accepted - 60_000
    assert [(one.outcome, one.accepted) for one in found.wrong] == [("drifted", accepted - 60_000)]
    watched.receipt("liar", "verified", accepted - 60_000)
    watched.until("liar", lambda one: (one.as_of or 0) > accepted - 60_000 and not one.wrong)
    watched.act("liar", Verb.REMOVED)


def told(overall: Aligned) -> str:
    """The names of those that hold the number of all."""
    return " ".join(hold.detail or "" for hold in overall.held_by)
