"""Answers given lately, so that a retry gets the same one and the log one record less.

Bounded and of this process only: a courtesy. What makes a retry one logical event everywhere is
`fact_id` in the log.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final, NamedTuple

from noli.runtime.kafka import Placed

#: How long an answer is remembered, in ms: what is posted again later is appended again, so that a
#: sender who reuses ids for a new objection is not taken for one who retries.
REMEMBERED_MS: Final = 15 * 60 * 1000


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

    def find(self, key: bytes, now: int) -> Mark | None:
        """The mark of an event that is under way or was answered lately; `now` in ms."""
        mark = self._marks.get(key)
        if mark is None or mark.append.accepted < now - REMEMBERED_MS:
            return None
        self._marks.move_to_end(key)
        return mark

    def remember(self, key: bytes, mark: Mark) -> None:
        """Keep a mark, the newest; nothing under way is dropped before `limit` newer ones came."""
        self._marks[key] = mark
        self._marks.move_to_end(key)
        if len(self._marks) > self._limit:
            self._marks.popitem(last=False)

    def forget(self, key: bytes, append: Appended) -> None:
        """Drop the mark of an append that failed: the retry must append again."""
        mark = self._marks.get(key)
        if mark is not None and mark.append is append:
            del self._marks[key]
