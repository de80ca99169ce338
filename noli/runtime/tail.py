"""A topic read from its beginning by hand: no group, nothing committed. For reports and screens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from noli.runtime.kafka import admin, consumer_config, mends_itself, watermarks
from noli.runtime.settings import Settings

#: Records taken at once; more would only wait in memory.
BATCH: Final = 10_000
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

    def __init__(
        self, settings: Settings, topic: str, since: Mapping[int, int] | None = None
    ) -> None:
        """Find the partitions. Raises `KafkaException` when the brokers do not answer.

        Read from the beginning; with `since`, each partition from its offset there, or from what is
        left of the log, and one that is not in it from its end.
        """
        found = admin(settings).list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
        self._consumer = Consumer(consumer_config(settings, None))
        places = [TopicPartition(topic, number, 0) for number in found.partitions]
        if since is not None:
            for place in places:
                low, end = watermarks(self._consumer, place, _TIMEOUT_S)
                place.offset = max(low, min(end, since.get(place.partition, end)))
        self._consumer.assign(places)

    def take(self, wait_s: float) -> Sequence[Stood]:
        """What is new, waiting at most `wait_s` seconds for a first record.

        Raises `KafkaException` for what cannot be read on.
        """
        first = self._consumer.poll(wait_s)
        if first is None:
            return ()
        return [_stood(message) for message in (first, *self._consumer.consume(BATCH, 0))]

    def take_patiently(self, wait_s: float) -> Sequence[Stood]:
        """The same; a broker that is away is no news. Raises `KafkaException` for the rest."""
        try:
            return self.take(wait_s)
        except KafkaException as error:
            if mends_itself(error.args[0]):
                return ()
            raise

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
