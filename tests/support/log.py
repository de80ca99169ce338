"""Reading and writing the real log in tests: everything of a topic, until it satisfies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from noli.runtime.kafka import admin, consumer_config, producer_config
from noli.runtime.settings import Settings

#: A test that waits longer than this for the log has found a bug, in seconds.
DEADLINE_S = 30.0


class Stored(NamedTuple):
    """One record as it stands in the log."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass
class Reader:
    """Follows every partition of a topic from its beginning; what was read stays in `records`."""

    settings: Settings
    topic: str

    def __post_init__(self) -> None:
        """Assign all partitions."""
        self.records: list[Stored] = []
        self._consumer = Consumer(consumer_config(self.settings, None))
        topics = admin(self.settings).list_topics(self.topic, timeout=DEADLINE_S).topics
        partitions = len(topics[self.topic].partitions)
        self._consumer.assign([TopicPartition(self.topic, n, 0) for n in range(partitions)])

    def until(
        self, enough: Callable[[list[Stored]], bool], deadline_s: float = DEADLINE_S
    ) -> list[Stored]:
        """All records once `enough` says so. Raises TimeoutError with what was there."""
        end = time.monotonic() + deadline_s
        while not enough(self.records):
            if time.monotonic() > end:
                raise TimeoutError(f"{self.topic}: {len(self.records)} records were not enough")
            message = self._consumer.poll(0.1)
            if message is not None:
                self.records.append(_stored(message))
        return self.records

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def append(settings: Settings, topic: str, items: Iterable[tuple[int, bytes | None, bytes]]) -> int:
    """Append (partition, key, value) records durably; how many."""
    producer = Producer(producer_config(settings))
    failed: list[str] = []
    count = 0
    for partition, key, value in items:
        producer.produce(
            topic,
            value,
            key,
            partition,
            on_delivery=lambda error, _: failed.append(error.str()) if error else None,
        )
        count += 1
    assert producer.flush(DEADLINE_S) == 0, "the broker did not confirm"
    assert failed == []
    return count


def _stored(message: Message) -> Stored:
    error = message.error()
    assert error is None, error
    return Stored(message.partition() or 0, message.offset() or 0, message.key(), message.value())
