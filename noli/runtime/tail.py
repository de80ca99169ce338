"""A topic read from its beginning by hand: no group, nothing committed. For reports and screens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from noli.runtime.kafka import admin, consumer_config
from noli.runtime.settings import Settings

#: Records taken at once; more would only wait in memory.
_BATCH: Final = 10_000
_TIMEOUT_S: Final = 15.0


class Stood(NamedTuple):
    """A record as it stands in the log; `timestamp_ms` is when it was produced."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int


class Reading:
    """Every partition of a topic, each in its order."""

    def __init__(self, settings: Settings, topic: str) -> None:
        """Find the partitions. Raises `KafkaException` when the brokers do not answer."""
        found = admin(settings).list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
        self._consumer = Consumer(consumer_config(settings, None))
        self._consumer.assign([TopicPartition(topic, number, 0) for number in found.partitions])

    def take(self, wait_s: float) -> Sequence[Stood]:
        """What is new, waiting at most `wait_s` seconds for a first record.

        Raises `KafkaException` for what cannot be read on.
        """
        first = self._consumer.poll(wait_s)
        if first is None:
            return ()
        return [_stood(message) for message in (first, *self._consumer.consume(_BATCH, 0))]

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()


def _stood(message: Message) -> Stood:
    if (error := message.error()) is not None:
        raise KafkaException(error)
    return Stood(
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value(),
        message.timestamp()[1],
    )
