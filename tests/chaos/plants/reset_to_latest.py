"""Whoever takes over begins at the end of the lanes: `auto.offset.reset=latest`."""

from __future__ import annotations

from confluent_kafka import OFFSET_END, TopicPartition

from noli.runtime.lanes import Lanes


def plant() -> None:
    """Committed offsets are not asked about."""

    def find(self: Lanes, partitions: list[TopicPartition]) -> None:
        self.remembered = {place.partition: [] for place in partitions}
        for topic in self.topics:
            for place in partitions:
                self._starts[topic, place.partition] = OFFSET_END

    Lanes._find_starts = find  # type: ignore[method-assign]
