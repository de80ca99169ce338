"""Topics read on, look after look, to where they end: what a check holds against the law."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

from confluent_kafka import Consumer, Message, TopicPartition

from noli.runtime import broker
from noli.runtime.kafka import consumer_config
from noli.runtime.settings import Settings
from tests.support.recorded import Raw

#: Seconds within which a topic is read to its end, on a machine that does other things too.
PATIENCE_S: Final = 60.0
#: Records taken at once, and how long one look waits for them, in seconds.
_BATCH: Final = 10_000
_WAIT_S: Final = 0.05


class LogReader:
    """Topics read on from where the last look ended, to where they end now; for any thread."""

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        self._topics = topics
        self._admin = broker.admin(settings)
        self._cluster = broker.look(self._admin)
        self._next: dict[tuple[str, int], int] = {}
        self._consumer = Consumer(consumer_config(settings, None))
        self._found: dict[str, list[Raw]] = {topic: [] for topic in topics}
        self._lock = threading.Lock()

    def read(self) -> None:
        """Everything that stands there now."""
        with self._lock:
            self._read()

    def _read(self) -> None:
        ends = broker.ends(self._admin, self._cluster, self._topics)
        wanted = {(topic, n): end for topic in ends for n, end in ends[topic].items()}
        if not self._next:
            self._next = dict.fromkeys(wanted, 0)
            self._consumer.assign([TopicPartition(*place, 0) for place in wanted])
        deadline = time.monotonic() + PATIENCE_S
        while any(self._next[place] < end for place, end in wanted.items()):
            assert time.monotonic() < deadline, "the log does not end"
            for message in self._consumer.consume(_BATCH, _WAIT_S):
                assert message.error() is None, message.error()
                self._take(message)

    def since(self, topic: str, count: int) -> list[Raw]:
        """What was read of a topic behind the first `count` records, as it came."""
        return self._found[topic][count:]

    def of(self, topic: str) -> list[Raw]:
        """What was read of a topic, partition by partition in the order of the log."""
        return sorted(self._found[topic], key=lambda each: (each.partition, each.offset))

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _take(self, message: Message) -> None:
        topic, number = message.topic() or "", message.partition() or 0
        offset, at = message.offset() or 0, message.timestamp()[1]
        self._next[topic, number] = offset + 1
        self._found[topic].append(Raw(topic, number, offset, at, message.key(), message.value()))
