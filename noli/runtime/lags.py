"""How far a reader is behind, in records and in seconds that were measured."""

from __future__ import annotations

from typing import Final, NamedTuple

from noli.runtime.metrics import clients

_MS_PER_S: Final = 1000


class Look(NamedTuple):
    """A partition as it was seen: its end at a moment (ms), and how far the reader is by now."""

    topic: str
    partition: int
    end: int
    at: int
    position: int


class Lags:
    """The lag of one group. No interpolation: an end that is not reached has a known age."""

    def __init__(self, group: str) -> None:
        self._group = group
        #: Per place: an end that was not reached yet, and when the log stood there (ms).
        self._open: dict[tuple[str, int], tuple[int, int]] = {}
        self._told: set[tuple[str, int]] = set()

    def seen(self, look: Look) -> int:
        """Tell the lag; how many records it is."""
        place = look.topic, look.partition
        end, since = self._open.get(place, (look.end, look.at))
        if look.position >= end:
            end, since = look.end, look.at
        behind = max(0, look.end - look.position)
        if behind:
            self._open[place] = end, since
        else:
            self._open.pop(place, None)
        self._told.add(place)
        waits = (look.at - since) / _MS_PER_S if behind else 0.0
        clients.LAG_RECORDS.labels(self._group, *place).set(behind)
        clients.LAG_SECONDS.labels(self._group, *place).set(max(0.0, waits))
        return behind

    def forget(self, partition: int) -> None:
        """A partition is another's: its lag is told there."""
        for place in [place for place in self._told if place[1] == partition]:
            self._told.discard(place)
            self._open.pop(place, None)
            for gauge in (clients.LAG_RECORDS, clients.LAG_SECONDS):
                gauge.remove(self._group, place[0], str(partition))
