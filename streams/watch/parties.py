"""How far the facts of persons have come into the lanes of their contacts. Pure.

A beacon `as_of` written `at` says: whatever a partition of noli.parties took before `as_of` stood
in the contacts' lanes by `at`. Whoever holds the decisions of a moment after `at` holds those too.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

#: The clocks of two machines may differ so much, in ms.
MARGIN_MS: Final = 1_000
#: Every beacon of the last hour is kept, then one a minute of the last week, in ms. An application
#: further behind has its alignment of persons from what was published of it before.
_FINE_MS: Final = 3_600_000
_COARSE_MS: Final = 60_000
_WEEK_MS: Final = 7 * 24 * _FINE_MS
#: Beacons of a partition between two times of thinning out.
_THIN_EVERY: Final = 600


class Parties:
    """The beacons of every partition."""

    def __init__(self, partitions: int) -> None:
        #: By partition, ascending both ways: (at, as_of).
        self._beacons: list[list[tuple[int, int]]] = [[] for _ in range(partitions)]
        self._added = 0

    def add(self, partition: int, at: int, as_of: int) -> None:
        """One more beacon, in the order of the log; one that says no more is passed over."""
        if partition >= len(self._beacons):
            self._beacons += [[] for _ in range(partition + 1 - len(self._beacons))]
        known = self._beacons[partition]
        if known and (as_of <= known[-1][1] or at < known[-1][0]):
            return
        known.append((at, as_of))
        self._added += 1
        if self._added % _THIN_EVERY == 0:
            self._beacons = [_thinned(each) for each in self._beacons]

    def as_of(self, decisions: int) -> int | None:
        """What is held of persons by whoever holds the decisions up to `decisions` (ms).

        None: not known of some partition.
        """
        found = [_newest(each, decisions - MARGIN_MS) for each in self._beacons]
        known = [as_of for as_of in found if as_of is not None]
        return min(known) if known and len(known) == len(found) else None

    def newest(self) -> int | None:
        """The newest `as_of` that every partition has reached; None: one never spoke."""
        if not self._beacons or not all(self._beacons):
            return None
        return min(each[-1][1] for each in self._beacons)


def _newest(beacons: list[tuple[int, int]], until: int) -> int | None:
    place = bisect_right(beacons, until, key=lambda beacon: beacon[0])
    return beacons[place - 1][1] if place else None


def _thinned(beacons: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Fewer of the old ones; leaving one out can only hold an alignment back."""
    if not beacons:
        return beacons
    newest, kept = beacons[-1][0], list[tuple[int, int]]()
    for at, as_of in beacons:
        if at < newest - _WEEK_MS:
            continue
        if at < newest - _FINE_MS and kept and at - kept[-1][0] < _COARSE_MS:
            continue
        kept.append((at, as_of))
    return kept
