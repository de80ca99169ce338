"""A reader of noli.decisions by the documented rule, while things happen; and what it was told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from schemas.names import DECISIONS
from tests.support import recorded
from tests.support.checker import Decided, Told
from tests.support.dwellers import beside
from tests.support.household import Household

NAME: Final = "follower"
#: Between two looks at the log, in seconds: far below what a wrong record may stand unmended.
_PAUSE_S: Final = 0.02


@dataclass
class Follower:
    """Passes over a record whose epoch is below the highest claim seen before it (ADR 3)."""

    house: Household
    told: list[Told] = field(default_factory=list)
    #: Records passed over: a late one was met.
    passed: list[Decided] = field(default_factory=list)
    _claims: dict[int, int] = field(default_factory=dict)
    _seen: int = 0

    def look(self) -> None:
        """Take what is new."""
        self.house.log_reader.read()
        fresh = self.house.log_reader.since(DECISIONS, self._seen)
        self._seen += len(fresh)
        for one in recorded.decided(self.house.codec, fresh):
            claim = self._claims.get(one.partition, 0)
            if one.contact is None:
                self._claims[one.partition] = max(claim, one.epoch)
            elif one.epoch < claim:
                self.passed.append(one)
            else:
                self.told.append(
                    Told(NAME, one.at, one.contact, one.version, one.allowed, one.objected)
                )


@contextmanager
def following(house: Household) -> Iterator[Follower]:
    """It looks all the time until the block ends, and once more; what broke it is raised then.

    Nothing that is decided meanwhile is compacted unseen.
    """
    follower, stop = Follower(house), threading.Event()

    def run() -> None:
        while not stop.wait(_PAUSE_S):
            follower.look()

    with beside(run):
        try:
            yield follower
        finally:
            stop.set()
    follower.look()
