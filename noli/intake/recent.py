"""Answers given lately, so that a retry gets the same one and the log one record less.

Bounded and of this process only: a courtesy. What makes a retry one logical event everywhere is
`fact_id` in the log.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final, NamedTuple

from noli.runtime.kafka import Placed

#: Bytes of a `fact_id`, or of another digest of what was posted.
KEY_BYTES: Final = 16


class Appended(NamedTuple):
    """One append of several records: under way, then settled; a failed one is forgotten."""

    accepted: int
    places: asyncio.Future[list[Placed]]


class Mark(NamedTuple):
    """Where one event stands in an append: `first` is the index of its first record."""

    append: Appended
    first: int


class Recent:
    """Marks by digest of the event, at most `limit`, least recently used ones dropped first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._marks: OrderedDict[bytes, Mark] = OrderedDict()

    def find(self, key: bytes) -> Mark | None:
        """The mark of an event that is under way or was answered lately."""
        mark = self._marks.get(key)
        if mark is not None:
            self._marks.move_to_end(key)
        return mark

    def remember(self, key: bytes, mark: Mark) -> None:
        """Keep a mark; nothing under way is dropped before `limit` newer ones came."""
        self._marks[key] = mark
        if len(self._marks) > self._limit:
            self._marks.popitem(last=False)

    def forget(self, key: bytes) -> None:
        """Drop a mark whose append failed: the retry must append again."""
        self._marks.pop(key, None)
