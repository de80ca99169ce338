"""What a survey and a lease are told of an application's queue."""

from __future__ import annotations

import asyncio

from connectors.again import Again
from connectors.frontier import Frontier
from connectors.protocol import Change
from connectors.testing import a_change, a_verdict
from connectors.tracks import Track
from connectors.waiting import Waiting


class Desk:
    """Two partitions read to the end of the log, each with a beacon."""

    def __init__(self) -> None:
        self.waiting = Waiting()
        self.tracks = {number: Track(number, Frontier(10), 1, 10, 0) for number in (0, 1)}
        for number, track in self.tracks.items():
            track.frontier.beacon(10, 1_000 + number)
        self.again = Again(self.tracks, self.waiting, asyncio.Event())

    def read(self, change: Change) -> Change:
        """A record of the log, as the runner takes it."""
        track = self.tracks[change.partition]
        if track.touched is not None:
            track.touched.add(change.token)
        self.waiting.add(change)
        return change


def test_what_the_log_has_news_of_is_not_offered_again() -> None:
    """Neither while it waits nor after it was applied; without a survey nothing is."""
    desk = Desk()
    old, other = a_change(None, 1), a_change(None, 1)
    assert not desk.again.offer(old)
    assert desk.again.watch(0)
    desk.read(a_change(old.token, 2))
    (entry,) = desk.waiting.take(10, now=0)
    assert not desk.again.offer(old)
    desk.waiting.done(entry)
    assert not desk.again.offer(old)
    assert desk.again.offer(other)
    assert [entry.again for entry in desk.waiting.take(10, now=0)] == [True]


def test_a_partition_that_was_lost_and_came_back_is_not_the_one_surveyed() -> None:
    """Whoever had it meanwhile may have said newer things."""
    desk = Desk()
    assert desk.again.watch(0)
    desk.tracks[0] = Track(0, Frontier(20), 1, 20, 0)
    assert not desk.again.watched(0)
    assert not desk.again.offer(a_change())
    assert not desk.again.watch(7)


def test_a_lease_is_as_old_as_the_oldest_partition() -> None:
    """Nobody may wait to be refused; who waits to be allowed may."""
    desk = Desk()
    assert desk.again.restricted_as_of() == 1_000
    desk.read(a_change(None, 1, a_verdict(allowed=True)))
    assert desk.again.restricted_as_of() == 1_000
    desk.read(a_change(None, 1, a_verdict()))
    assert desk.again.restricted_as_of() is None


def test_doubt_renews_no_lease() -> None:
    """Not read to the end, unreadable, paused, no beacon, no partition: the target's lease ends."""
    for doubt in range(5):
        desk = Desk()
        track = desk.tracks[0]
        match doubt:
            case 0:
                track.caught_up_at = 99
            case 1:
                track.unreadable[b"who"] = [10]
            case 2:
                desk.again.hold(held=True)
            case 3:
                desk.tracks[0] = Track(0, Frontier(10), 1, 10, 0)
            case 4:
                desk.tracks.clear()
        assert desk.again.restricted_as_of() is None, doubt


def test_the_last_denials_and_allowances_are_remembered_apart() -> None:
    """A target that forgot its few allowances shows it, however many denials came since."""
    desk = Desk()
    allowed = a_change(None, 1, a_verdict(allowed=True))
    desk.again.applied(allowed, rounded=True)
    for _ in range(200):
        desk.again.applied(a_change(), rounded=False)
    assert allowed in desk.again.recent()
    assert len(desk.again.recent()) == 51
    assert desk.again.is_rounded(allowed)
    desk.again.applied(a_change(allowed.token, 2), rounded=False)
    assert allowed not in desk.again.recent()
    assert not desk.again.is_rounded(allowed)
