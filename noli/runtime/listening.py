"""Topics read from their beginnings on, for screens: no group, nothing committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from noli.runtime import scan
from noli.runtime.kafka import consumer_config, mends_itself
from noli.runtime.part import Record
from noli.runtime.settings import Settings

#: Records taken at once; more would only wait in memory.
_BATCH: Final = 10_000
#: Kilobytes fetched ahead of whoever listens: a topic is read at the speed of its reader.
_QUEUED_KB: Final = 16_384


class Listener:
    """Every partition of some topics, each in its order. For one thread."""

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        """Find the partitions. Raises `noli.runtime.scan.LogUnavailable`."""
        counts = scan.partitions(settings, topics)
        places = [(topic, number) for topic in topics for number in range(counts[topic])]
        #: Where the end was not reached yet.
        self._behind = {*places}
        self._consumer = Consumer(
            consumer_config(
                settings,
                None,
                enable_partition_eof=True,
                queued_max_messages_kbytes=_QUEUED_KB,
            )
        )
        self._consumer.assign([TopicPartition(t, p, OFFSET_BEGINNING) for t, p in places])

    @property
    def caught_up(self) -> bool:
        """Whether all that stood in the topics at some moment since the start was taken."""
        return not self._behind

    def take(self, wait_s: float) -> list[Record]:
        """What is new, waiting at most `wait_s` seconds for a first record.

        A broker that is away is no news. Raises `KafkaException` for what cannot be read on.
        """
        first = self._consumer.poll(wait_s)
        if first is None:
            return []
        found = []
        for message in (first, *self._consumer.consume(_BATCH, 0)):
            place = (message.topic() or "", message.partition() or 0)
            if (error := message.error()) is not None:
                self._heard(error, place)
                continue
            offset, at = message.offset() or 0, message.timestamp()[1]
            found.append(Record(*place, offset, message.key(), message.value(), at))
        return found

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()

    def _heard(self, error: KafkaError, place: tuple[str, int]) -> None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - confluent's name for it
            self._behind.discard(place)
        elif not mends_itself(error):
            raise KafkaException(error)
