"""Kafka client factories: the settings that must not be left at librdkafka's defaults.

librdkafka's defaults differ from Java's where it hurts: idempotence off, CRC32 partitioner, offsets
stored before the application has seen the record, an out-of-range offset silently reset to the end.
"""

from __future__ import annotations

import asyncio
import threading
import tomllib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    KafkaError,
    KafkaException,
    Producer,
)
from confluent_kafka.admin import AdminClient

from noli.runtime.clientstats import observed
from noli.runtime.clock import now_ms, steady
from noli.runtime.failpoints import Failpoint, failpoint
from noli.runtime.logging import librdkafka
from noli.runtime.metrics import clients
from noli.runtime.process import die

if TYPE_CHECKING:
    from collections.abc import Sequence

    from confluent_kafka import Consumer, Message, TopicPartition

    from noli.runtime.settings import Settings

Config = dict[str, Any]

#: A record that the broker has not acknowledged by then is reported as not durable, in ms.
DELIVERY_TIMEOUT_MS: Final = 10_000

#: A worker silent for this long loses its partitions (measured: ADR 0001), in ms.
SESSION_TIMEOUT_MS: Final = 6_000


def _common(settings: Settings, kind: str | None = None) -> Config:
    """`kind`: of a client that is polled for ever, under which its statistics are told."""
    extra: Config = {}
    if settings.kafka_config_file is not None:
        extra = tomllib.loads(settings.kafka_config_file.read_text("utf-8"))
    return {
        "bootstrap.servers": settings.kafka,
        "client.id": settings.instance,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "allow.auto.create.topics": False,
        "logger": librdkafka(),
        **(observed(kind) if kind else {}),
        **extra,
    }


def admin(settings: Settings, *, silent: bool = False) -> AdminClient:
    """A client for topics, offsets and groups; `silent`: librdkafka's own log lines are dropped."""
    return AdminClient(_common(settings) | ({"log_level": 0} if silent else {}))


#: Errors that librdkafka mends by itself.
_TRANSIENT: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - the library's public error codes
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
    }
)


def is_transient(error: KafkaError) -> bool:
    """Whether librdkafka goes on by itself: a broker away, an answer late."""
    return error.code() in _TRANSIENT


def mends_itself(error: KafkaError) -> bool:
    """Whether a fetch that failed so is simply tried again."""
    return is_transient(error) or (error.retriable() and not error.fatal())


#: Answers of a broker that does not lead the partition now, or does not know yet that it does.
_MOVING: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - what a broker that came back just told
    }
)


def watermarks(consumer: Consumer, place: TopicPartition, timeout_s: float) -> tuple[int, int]:
    """First offset and end, asked until somebody leads the partition. Raises `KafkaException`."""
    deadline = steady() + timeout_s
    while True:
        try:
            return watermarks_now(consumer, place, timeout_s)
        except KafkaException as error:
            if error.args[0].code() not in _MOVING or steady() >= deadline:
                raise
            consumer.list_topics(place.topic, timeout=timeout_s)  # asks who leads now


def watermarks_now(consumer: Consumer, place: TopicPartition, timeout_s: float) -> tuple[int, int]:
    """First offset and end, by the leader that is known. Raises `KafkaException`.

    Asks nobody who leads, so a callback may call it (ADR 20).
    """
    found = consumer.get_watermark_offsets(place, timeout=timeout_s, cached=False)
    if found is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - a public error code
    return found


def _properties(over: Config) -> Config:
    """Keyword arguments as librdkafka properties: `_` for `.`."""
    return {name.replace("_", "."): value for name, value in over.items()}


def consumer_config(settings: Settings, group: str | None, **over: Any) -> Config:  # noqa: ANN401
    """Settings of a consumer that never commits or resets by itself.

    `group` None is for readers that assign partitions and keep their own frontier. `over` holds
    librdkafka properties with `_` for `.`.
    """
    return {
        **_common(settings, "member" if group else "reader"),
        # librdkafka wants a group id even where none is ever joined or committed to.
        "group.id": group or f"noli.reader.{settings.instance}",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # An offset that is gone means lost input: an error, never a silent reset.
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "check.crcs": True,
        "fetch.wait.max.ms": 100,
        "session.timeout.ms": SESSION_TIMEOUT_MS,
        "heartbeat.interval.ms": 1_000,
        "partition.assignment.strategy": "range",
        **_properties(over),
    }


def producer_config(settings: Settings, **over: Any) -> Config:  # noqa: ANN401
    """Settings of a producer whose delivery reports can be believed."""
    return {
        **_common(settings, "producer"),
        "enable.idempotence": True,
        "acks": "all",
        # Java's and aiokafka's: one contact, one partition, whoever writes.
        "partitioner": "murmur2_random",
        "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
        "linger.ms": 1,
        "compression.type": "lz4",
        "queue.buffering.max.messages": 200_000,
        **_properties(over),
    }


class Placed(NamedTuple):
    """Where a durable record stands. `timestamp_ms` is the log's own append or create time."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


class NotDurable(Exception):
    """The log did not confirm the record. `indeterminate`: it may stand there all the same."""

    def __init__(self, reason: str, *, indeterminate: bool) -> None:
        super().__init__(reason)
        self.indeterminate = indeterminate


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to append. `partition` None lets the key decide."""

    topic: str
    key: bytes | None
    value: bytes
    partition: int | None = None


@dataclass(slots=True)
class _Pending:
    future: asyncio.Future[list[Placed]]
    placed: list[Placed | None]
    missing: int
    failure: NotDurable | None = None
    #: When the records were handed over, ms.
    sent: int = 0


#: `partition` value by which librdkafka applies the partitioner (RD_KAFKA_PARTITION_UA).
BY_KEY: Final = -1

#: How long the delivery thread sleeps in librdkafka when nothing happens, in seconds.
_POLL_S: Final = 0.1
_MS_PER_S: Final = 1000


#: Errors by which a broker, or the client before it asked one, says that the record is not there.
_NOT_PERSISTED: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.POLICY_VIOLATION,
        KafkaError.INVALID_RECORD,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError._PURGE_QUEUE,  # noqa: SLF001 - as above
    }
)


def count_failure(topic: str, error: KafkaError) -> None:
    """A delivery report was an error; what may stand in the log all the same is counted apart."""
    certain = error.code() in _NOT_PERSISTED
    outcome = "not_persisted" if certain else "possibly_persisted"
    clients.PRODUCE_FAILURES.labels(topic, outcome).inc()


def tell_skew(message: Message, sent: int, reported: int) -> None:
    """What the log's own append time proves of the broker's clock: it lay between two of ours."""
    kind, appended = message.timestamp()
    if kind == TIMESTAMP_LOG_APPEND_TIME:
        skew = max(0, appended - reported) or min(0, appended - sent)
        clients.CLOCK_SKEW.labels("broker").set(skew / _MS_PER_S)


class Acked:
    """An asyncio producer: `send` returns once the broker has acknowledged, or raises `NotDurable`.

    One thread serves librdkafka's delivery reports and hands them to the loop in batches. A fatal
    client error ends the process: an idempotent producer that lost its sequence cannot be trusted.
    """

    def __init__(self, settings: Settings, **over: Any) -> None:  # noqa: ANN401
        self._name = settings.instance
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(producer_config(settings, **over) | {"error_cb": self._on_error})
        self._reports: deque[tuple[_Pending, int, KafkaError | None, Placed | None]] = deque()
        self._wake_sent = False
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="delivery", daemon=True)
        self._thread.start()

    async def send(
        self, topic: str, key: bytes | None, value: bytes, partition: int | None = None
    ) -> Placed:
        """Append one record; its place. Raises `NotDurable`."""
        return (await self.send_many([Outgoing(topic, key, value, partition)]))[0]

    async def send_many(self, records: Sequence[Outgoing]) -> list[Placed]:
        """Append all; their places in order. Raises `NotDurable` if any one is not confirmed."""
        if not records:
            return []
        count = len(records)
        pending = _Pending(self._loop.create_future(), [None] * count, count, sent=now_ms())
        for index, record in enumerate(records):
            self._produce(pending, index, record)
        failpoint(Failpoint.ACKED_QUEUED)
        return await pending.future

    async def close(self) -> None:
        """Wait for what is in flight, then stop the delivery thread."""
        await asyncio.to_thread(self._producer.flush, DELIVERY_TIMEOUT_MS / 1000)
        self._closed.set()
        await asyncio.to_thread(self._thread.join)

    def _produce(self, pending: _Pending, index: int, record: Outgoing) -> None:
        def report(error: KafkaError | None, message: Message) -> None:
            placed = None
            if error is not None:
                count_failure(record.topic, error)
            else:
                if index == 0:
                    tell_skew(message, pending.sent, now_ms())
                placed = Placed(
                    record.topic,
                    message.partition() or 0,
                    message.offset() or 0,
                    message.timestamp()[1],
                )
            self._reports.append((pending, index, error, placed))
            with self._lock:
                if self._wake_sent:
                    return
                self._wake_sent = True
            self._loop.call_soon_threadsafe(self._drain)

        try:
            self._producer.produce(
                record.topic,
                record.value,
                record.key,
                BY_KEY if record.partition is None else record.partition,
                on_delivery=report,
            )
        except (BufferError, KafkaException) as error:
            clients.PRODUCE_FAILURES.labels(record.topic, "not_persisted").inc()
            self._settle(pending, index, None, NotDurable(_reason(error), indeterminate=False))

    def _drain(self) -> None:
        with self._lock:
            self._wake_sent = False
        failpoint(Failpoint.ACKED_CONFIRMED)
        while self._reports:
            pending, index, error, placed = self._reports.popleft()
            failure = None
            if error is not None:
                # Handed over and not confirmed: the broker may hold it all the same.
                failure = NotDurable(error.name(), indeterminate=True)
            self._settle(pending, index, placed, failure)

    def _settle(
        self, pending: _Pending, index: int, placed: Placed | None, failure: NotDurable | None
    ) -> None:
        pending.placed[index] = placed
        pending.failure = pending.failure or failure
        pending.missing -= 1
        if pending.missing or pending.future.done():
            return
        if pending.failure is not None:
            pending.future.set_exception(pending.failure)
        else:
            pending.future.set_result([place for place in pending.placed if place is not None])

    def _serve(self) -> None:
        while not self._closed.is_set():
            self._producer.poll(_POLL_S)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            die(self._name, f"Kafka client is beyond repair: {error.str()}")


def _reason(error: BaseException) -> str:
    if isinstance(error, BufferError):
        return "the local queue is full: the broker does not keep up"
    cause = error.args[0] if error.args else None
    return cause.name() if isinstance(cause, KafkaError) else type(error).__name__
