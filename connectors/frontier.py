"""How far an application is, on one partition of `noli.decisions`. Pure.

Truth is the offset below which everything is applied; time is its projection by beacons. Both only
move forward, and neither passes a record that the application does not hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Point(NamedTuple):
    """Everything below `offset` is settled; so is all that was accepted before `as_of` (ms)."""

    offset: int
    as_of: int | None


@dataclass(slots=True)
class Frontier:
    """Offsets held open between reading them and the delivery of their receipts."""

    #: Next offset to read.
    position: int
    #: Newest beacon known to stand below every open offset.
    as_of: int | None = None
    _open: dict[int, None] = field(default_factory=dict)  # in the order read: ascending
    _beacons: deque[tuple[int, int]] = field(default_factory=deque)

    def passed(self, offset: int) -> None:
        """A record that asks nothing of the application was read."""
        self.position = offset + 1

    def beacon(self, offset: int, as_of: int) -> None:
        """A beacon was read."""
        self.position = offset + 1
        if self._beacons and self._newest_open() < self._beacons[-1][0]:
            self._beacons.pop()  # nothing stands between the two: the newer one says more
        self._beacons.append((offset, as_of))
        self._settle_beacons()

    def hold(self, offset: int) -> None:
        """A record was read that the application must confirm."""
        self.position = offset + 1
        self._open[offset] = None

    def settle(self, offsets: Collection[int]) -> None:
        """These are applied, or superseded by one that is, and their receipts are delivered."""
        for offset in offsets:
            self._open.pop(offset, None)
        self._settle_beacons()

    def point(self, without: Collection[int] = ()) -> Point:
        """Where the frontier stands, or would once the offsets `without` are settled."""
        offset = next((o for o in self._open if o not in without), self.position)
        below = (as_of for at, as_of in reversed(self._beacons) if at < offset)
        return Point(offset, next(below, self.as_of))

    def newest_beacon(self) -> int | None:
        """`as_of` of the last beacon read, whatever is still open below it."""
        return self._beacons[-1][1] if self._beacons else self.as_of

    @property
    def open(self) -> int:
        """How many records wait for their receipt."""
        return len(self._open)

    def _newest_open(self) -> int:
        return next(reversed(self._open), -1)

    def _settle_beacons(self) -> None:
        lowest = next(iter(self._open), self.position)
        while self._beacons and self._beacons[0][0] < lowest:
            self.as_of = self._beacons.popleft()[1]


def aligned_as_of(frontiers: Mapping[int, Frontier]) -> int | None:
    """All accepted before this (ms) stands in the application; None: a partition does not know."""
    known = [frontier.point().as_of for frontier in frontiers.values()]
    if not known or any(as_of is None for as_of in known):
        return None
    return min(as_of for as_of in known if as_of is not None)
