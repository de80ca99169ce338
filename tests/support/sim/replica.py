"""A dialer's replica without its file: the follower, the taker, the interner and the gate are real.

What LMDB does is done by a dictionary: entries and positions change together, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from noli.domain.contact import Contact
from noli.domain.question import Question
from noli.domain.token import Pepper
from noli.replica.follow import Follower
from noli.replica.gate import Answer, Gate
from noli.replica.head import Position, Refused, as_of
from noli.replica.intern import Interner
from noli.replica.shape import Shape
from noli.replica.take import Taker
from noli.runtime.settings import Settings
from tests.support.step import CODEC

#: Shorter than in production: a run has few seconds.
LEASE_S: Final = 3.0


class Copy:
    """What is on disk."""

    def __init__(self) -> None:
        self.topic_id = ""
        self.entries: dict[bytes, bytes] = {}
        self.shapes: list[bytes] = []
        self.positions: tuple[Position, ...] = ()

    def fetch(self, tokens: Sequence[bytes]) -> tuple[int | None, list[Any]]:
        """As `noli.replica.reader.Reader` does."""
        if not self.positions:
            raise Refused("no copy yet")
        found = [self.entries.get(token) for token in tokens]
        items = [value and (Shape(self.shapes[_shape(value)]), value) for value in found]
        return as_of(self.positions), items

    def version(self, token: bytes) -> int | None:
        """The version it answers from; None: it knows nobody of that token."""
        value = self.entries.get(token)
        if value is None:
            return None
        return Interner(CODEC, self.shapes)._order(value)[1]


class Writer:
    """The process that follows the log."""

    def __init__(self, settings: Settings, copy: Copy, pepper: Pepper) -> None:
        self._copy = copy
        self._follower = Follower(settings)
        source = self._follower.source()
        if copy.topic_id != source.topic_id:
            copy.topic_id, copy.entries, copy.shapes = source.topic_id, {}, []
            copy.positions = tuple(Position(first) for first in source.first)
        self._interner = Interner(CODEC, list(copy.shapes))
        self._taker = Taker(CODEC, self._interner, pepper.version, copy.positions)
        self._follower.start(copy.positions)

    def turn(self) -> None:
        """One batch: taken, and kept with the positions."""
        batch = self._follower.batch()
        taken = self._taker.take(batch.records)
        for partition, offset in batch.ends:
            self._taker.reached(partition, offset)
        entries = dict(self._copy.entries)
        for token, value in taken.entries:
            there = entries.get(token)
            if there is None or self._interner.supersedes(value, there):
                entries[token] = value
        first, shapes = self._interner.unsaved()
        self._copy.shapes = self._copy.shapes[:first] + shapes
        self._copy.entries, self._copy.positions = entries, self._taker.positions()
        self._interner.saved(len(shapes))

    @property
    def positions(self) -> list[int]:
        """Next offset to read, by partition."""
        return [position.frontier for position in self._copy.positions]


class Asker:
    """The gate over a copy."""

    def __init__(self, copy: Copy, pepper: Pepper) -> None:
        self._gate = Gate(Path("nowhere"), pepper, LEASE_S)
        self._gate._reader = copy  # type: ignore[assignment] # its one method that is used

    def ask(self, controller: str, contact: Contact, channel: str, purpose: str) -> Answer:
        """May this contact be reached now?"""
        return self._gate.check_many([Question(controller, contact, channel, purpose)])[0]


def _shape(value: bytes) -> int:
    return int.from_bytes(value[4:8], "big")
