"""The producing client: queue, delivery reports, acknowledgements that get lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError

from noli.runtime.partition import partition_of
from tests.support.memlog.log import LOGS, Log
from tests.support.memlog.messages import Message, error_of

_MS_PER_S: Final = 1_000
Report = Callable[[KafkaError | None, Any], None]


class _Queued(NamedTuple):
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    report: Report | None
    created: int


class Producer:
    """Records wait in a queue until `poll` or `flush` sends them."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._log: Log = LOGS[config["bootstrap.servers"]]
        self._client: str = config["client.id"]
        self._timeout_s = config.get("delivery.timeout.ms", 300_000) / _MS_PER_S
        self._most = config.get("queue.buffering.max.messages", 100_000)
        self._queue: list[_Queued] = []
        self._log.register(self._client, self)

    def produce(
        self, topic: str, value: bytes | None = None, key: bytes | None = None,
        partition: int = -1, on_delivery: Report | None = None,
    ) -> None:  # fmt: skip
        """Queue one record. Raises BufferError when the queue is full."""
        if self._log.dead(self):
            return
        self._log.interrupt(self._client, "produce")
        if len(self._queue) >= self._most:
            raise BufferError("Local: Queue full")
        count = len(self._log.topics[topic].partitions) if topic in self._log.topics else 1
        if partition < 0:
            partition = partition_of(key or b"", count)
        self._queue.append(_Queued(topic, partition, key, value, on_delivery, self._log.clock.ms))

    def poll(self, timeout: float = 0) -> int:
        """Send what is queued and serve its reports; how many."""
        before = len(self._queue)
        self._send(timeout)
        return before - len(self._queue)

    def flush(self, timeout: float = -1) -> int:
        """Wait until nothing is queued; how many still are after `timeout` seconds."""
        self._send(timeout)
        return len(self._queue)

    def __len__(self) -> int:
        """Records not reported yet."""
        return len(self._queue)

    def sent(self) -> list[tuple[str, int, bytes | None, bytes | None]]:
        """What a client that dies now may have sent."""
        return [queued[:4] for queued in self._queue]

    def _send(self, timeout: float) -> None:
        if self._log.dead(self):
            return
        self._log.interrupt(self._client, "flush")
        if not self._log.reachable(self._client):
            self._log.pass_time(min(timeout, self._timeout_s))
            if timeout >= self._timeout_s:
                self._report_all(KafkaError._MSG_TIMED_OUT)
            return
        while self._queue:
            queued = self._queue.pop(0)
            if queued.topic not in self._log.topics:
                _report(queued, KafkaError._UNKNOWN_TOPIC)
                continue
            if self._client in self._log.unheard:
                if self._log.chance.random() < 1 / 2:
                    self._log.append(*queued[:4], queued.created)
                _report(queued, KafkaError._MSG_TIMED_OUT)
                continue
            entry = self._log.append(*queued[:4], queued.created)
            if queued.report is not None:
                place = (queued.topic, queued.partition, entry.offset)
                queued.report(None, Message(place, entry.created, queued.key, queued.value))
            self._log.interrupt(self._client, "appended")

    def _report_all(self, code: int) -> None:
        queue, self._queue = self._queue, []
        for queued in queue:
            _report(queued, code)


def _report(queued: _Queued, code: int) -> None:
    if queued.report is not None:
        message = Message((queued.topic, queued.partition, -1001), 0, queued.key, queued.value)
        queued.report(error_of(code), message)
