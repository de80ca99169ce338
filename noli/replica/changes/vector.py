"""A place in noli.decisions that a client can come back to: one text, all partitions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from noli.replica.follow import Source
from noli.replica.head import Head, Position

#: `topic id @ frontier.epoch, …`, a pair for each partition.
_FORM: Final = re.compile(r"([\w-]{1,64})@(\d{1,19}\.\d{1,19}(?:,\d{1,19}\.\d{1,19})*)", re.ASCII)


class Vector(NamedTuple):
    """The place: everything below each frontier was told; `epoch` is the highest claim there."""

    topic_id: str
    positions: tuple[Position, ...]

    def text(self) -> str:
        """As an event's `id`."""
        places = (f"{position.frontier}.{position.epoch}" for position in self.positions)
        return f"{self.topic_id}@{','.join(places)}"

    def lost(self, source: Source) -> str | None:
        """Why the log cannot be read on from here; None where it can."""
        if self.topic_id != _safe(source.topic_id):
            return "the position is of another topic"
        if len(self.positions) != len(source.first):
            return "the topic has other partitions now"
        for number, (position, first, end) in enumerate(
            zip(self.positions, source.first, source.end, strict=True)
        ):
            if not first <= position.frontier <= end:
                return f"partition {number}: the log has no such position any more"
        return None


def parse(text: str) -> Vector:
    """A vector from its text. Raises ValueError."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("not a position")
    places = (place.partition(".") for place in found[2].split(","))
    return Vector(found[1], tuple(Position(int(at), int(epoch)) for at, _, epoch in places))


def of_head(head: Head) -> Vector:
    """Where a copy stands."""
    return Vector(_safe(head.topic_id), _plain(head.positions))


def beginning(source: Source) -> Vector:
    """The first records that the log holds."""
    return Vector(_safe(source.topic_id), tuple(Position(first) for first in source.first))


def _plain(positions: Sequence[Position]) -> tuple[Position, ...]:
    return tuple(Position(each.frontier, each.epoch) for each in positions)


def _safe(topic_id: str) -> str:
    """Kafka writes ids in Base64, whose `+` would be a blank in a query."""
    return topic_id.replace("+", "-").replace("/", "_").rstrip("=")
