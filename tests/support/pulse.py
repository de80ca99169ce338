"""When decisions came out of the log: what a reader would have waited."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Final, NamedTuple

from noli.runtime.settings import Settings
from noli.runtime.tail import Reading
from schemas.names import CLAIM_KEY

#: Bytes of a contact token; the keys of claims and beacons are shorter.
_TOKEN: Final = 17
_WAIT_S: Final = 0.05


class Beat(NamedTuple):
    """A decision: when a reader had it (steady seconds, and ms UTC), and its bytes."""

    steady: float
    at: int
    value: bytes


class Pulse:
    """Decisions in the order a reader gets them; those without `marker` are only counted."""

    def __init__(self, marker: bytes = b"") -> None:
        self.beats: list[Beat] = []
        self.others = 0
        self._marker = marker
        #: When an owner claimed a partition (steady seconds).
        self.claims: list[float] = []

    def longest_gap(self, since: float, to: float) -> float:
        """Longest time without a decision between two steady moments, in seconds."""
        seen = [beat.steady for beat in self.beats if since <= beat.steady <= to]
        return max((b - a for a, b in pairwise([since, *seen, to])), default=to - since)

    def follow(self, reading: Reading, stop: threading.Event) -> None:
        """Read until told to stop."""
        while not stop.is_set():
            for record in reading.take(_WAIT_S):
                if record.key == CLAIM_KEY:
                    self.claims.append(time.monotonic())
                elif record.key is not None and len(record.key) == _TOKEN and record.value:
                    if self._marker not in record.value:
                        self.others += 1
                        continue
                    now = time.time_ns() // 1_000_000
                    self.beats.append(Beat(time.monotonic(), now, record.value))
        reading.close()


@contextmanager
def felt(settings: Settings, marker: bytes = b"") -> Iterator[Pulse]:
    """The pulse of noli.decisions while the block runs."""
    pulse, stop = Pulse(marker), threading.Event()
    reading = Reading(settings, "noli.decisions")
    thread = threading.Thread(target=pulse.follow, args=(reading, stop), name="pulse")
    thread.start()
    try:
        yield pulse
    finally:
        stop.set()
        thread.join()
