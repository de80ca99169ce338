"""What may be offered to an application again, beside what is new: the runner's side of a survey.

A contact the log has news of since the survey began is the runner's alone: its word is newer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from connectors.protocol import Change
from connectors.tracks import Track
from connectors.waiting import Waiting

#: Denials, and allowances, remembered after they were applied, to be read back: a look's cost.
_RECENT: Final = 50


class Again:
    """Shares the runner's tracks and queue; for its event loop only."""

    def __init__(self, tracks: Mapping[int, Track], waiting: Waiting, wake: asyncio.Event) -> None:
        self._tracks = tracks
        self._waiting = waiting
        self._wake = wake
        self._settled = asyncio.Event()
        self._denied: dict[str, tuple[Change, bool]] = {}
        self._allowed: dict[str, tuple[Change, bool]] = {}
        #: Nothing is offered to the application, old or new.
        self.held = False

    def hold(self, *, held: bool) -> None:
        """Stop offering, or go on. What is in flight is settled either way."""
        if held != self.held:
            self.held = held
            self._wake.set()

    def owned(self) -> frozenset[int]:
        """Partitions that are ours."""
        return frozenset(self._tracks)

    def watch(self, partition: int) -> bool:
        """Note from now on which contacts the log has news of; whether the partition is ours.

        Who waits just now is one of them: else what was read back before the runner had told it
        would be compared with what it was told meanwhile.
        """
        if track := self._tracks.get(partition):
            track.touched = self._waiting.tokens(partition)
        return track is not None

    def unwatch(self, partition: int) -> None:
        """Forget what was noted."""
        if track := self._tracks.get(partition):
            track.touched = None

    def watched(self, partition: int) -> bool:
        """Whether it is still the partition that `watch` was told of: not lost meanwhile."""
        track = self._tracks.get(partition)
        return track is not None and track.touched is not None

    def is_news(self, change: Change) -> bool:
        """Whether the runner has, or had since `watch`, a word of this contact to say itself.

        Or will have: a survey may be ahead of the runner in the log.
        """
        track = self._tracks.get(change.partition)
        if track is None or track.touched is None or change.offset >= track.frontier.position:
            return True
        return change.token in track.touched or change.token in self._waiting

    def is_waiting(self, change: Change) -> bool:
        """Whether a change of this contact waits or is in flight, or its partition is not ours."""
        return change.token in self._waiting or change.partition not in self._tracks

    def offer(self, change: Change, *, recent: bool = False) -> bool:
        """Queue it behind the restrictions that wait, unless the runner has news; whether it is.

        `recent`: no survey goes on that would know of all news; what waits is all there is.
        """
        if self.is_waiting(change) if recent else self.is_news(change):
            return False
        self._waiting.add(change, again=True)
        self._wake.set()
        return True

    async def settle(self, tokens: Collection[str], most: int) -> set[str]:
        """Wait until at most so many of these contacts wait; which ones do."""
        while len(left := {token for token in tokens if token in self._waiting}) > most:
            self._settled.clear()
            await self._settled.wait()
        return left

    def applied(self, change: Change, *, rounded: bool) -> None:
        """The application confirmed a change; `rounded`: it denies more than was decided."""
        for kept in (self._denied, self._allowed):
            kept.pop(change.token, None)
        allows = any(verdict.allowed for verdict in change.verdicts)
        kept = self._allowed if allows else self._denied
        kept[change.token] = change, rounded
        if len(kept) > _RECENT:
            del kept[next(iter(kept))]

    def restricted_as_of(self) -> int | None:
        """Whatever takes somebody away and was accepted before this (ms) is applied.

        None: something of the kind waits, or may. Allowances that wait do not count.
        """
        tracks = self._tracks.values()
        doubt = any(track.catching_up or track.unreadable for track in tracks)
        if doubt or self.held or self._waiting.restricts():
            return None
        beacons = [track.frontier.newest_beacon() for track in tracks]
        known = [as_of for as_of in beacons if as_of is not None]
        return min(known) if known and len(known) == len(beacons) else None

    def news(self) -> None:
        """Something was settled, or a partition was lost."""
        self._settled.set()

    def recent(self) -> list[Change]:
        """What was confirmed last, and stands in the log unchanged as far as we read.

        Denials and allowances: a target that forgot everything shows it by the one or the other.
        """
        kept = {**self._denied, **self._allowed}
        return [change for change, _ in kept.values() if not self.is_waiting(change)]

    def lost(self, partition: int) -> None:
        """The partition is another one's: what it is told now we do not know."""
        for kept in (self._denied, self._allowed):
            for token in [t for t, (change, _) in kept.items() if change.partition == partition]:
                del kept[token]

    def is_rounded(self, change: Change) -> bool:
        """Whether the application said that it denies more than this change."""
        return (self._allowed.get(change.token) or (None, False))[1]
