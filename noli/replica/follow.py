"""The log as the copy's writer reads it: every partition, in big batches, from where it stands.

No consumer group: the frontier lives with the data, and a group could only disagree with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)

from noli.replica.head import Position, Refused
from noli.runtime.kafka import admin, consumer_config
from noli.runtime.settings import Settings

#: Records a batch may hold: enough to spread the cost of a transaction, little enough to hold.
_BATCH: Final = 50_000

#: How long one call waits for a first record; bounds how fast a stop is seen, in seconds.
_WAIT_S: Final = 0.25

#: How long a batch is gathered once it has begun: at a trickle, one transaction instead of many.
_GATHER_S: Final = 0.01

#: Bytes fetched per partition and request: a build is bound by us, not by round trips.
_FETCH_BYTES: Final = 4 * 1024 * 1024
_QUEUED: Final = 200_000
_QUEUED_KB: Final = 16 * 1024

_TIMEOUT_S: Final = 15.0


class LogUnavailable(Exception):
    """The brokers did not answer, or not as they should; the process ends."""


class Source(NamedTuple):
    """The topic as it is now. Per partition: the first offset held, and the next to be written."""

    topic_id: str
    first: tuple[int, ...]
    end: tuple[int, ...]


class Batch(NamedTuple):
    """`records` in the order of each partition; `ends`: (number, end) of partitions read up."""

    records: Sequence[Message]
    ends: Sequence[tuple[int, int]]


class Follower:
    """A consumer of every partition of one topic; holds at most `queued_kb` that nobody took.

    The topic is that of the decisions unless another is named.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        topic: str | None = None,
        batch: int = _BATCH,
        queued_kb: int = _QUEUED_KB,
    ) -> None:
        self._batch = batch
        self._topic = topic or settings.decisions_topic
        self._admin = admin(settings)
        self._consumer = Consumer(
            consumer_config(
                settings,
                None,
                enable_partition_eof=True,
                fetch_message_max_bytes=_FETCH_BYTES,
                queued_min_messages=min(_QUEUED, 4 * batch),
                queued_max_messages_kbytes=queued_kb,
            )
        )

    def source(self) -> Source:
        """Ask the brokers. Raises `LogUnavailable`."""
        try:
            described = self._admin.describe_topics(
                TopicCollection([self._topic]), request_timeout=_TIMEOUT_S
            )[self._topic].result()
            bounds = [self._bounds(number) for number in range(len(described.partitions))]
        except KafkaException as error:
            raise LogUnavailable(f"{self._topic}: {error.args[0].str()}") from error
        firsts, ends = zip(*bounds, strict=True)
        return Source(str(described.topic_id), firsts, ends)

    def start(self, positions: Sequence[Position]) -> None:
        """Read every partition from its frontier."""
        self._consumer.assign(
            [
                TopicPartition(self._topic, number, position.frontier)
                for number, position in enumerate(positions)
            ]
        )

    def batch(self, wait_s: float = _WAIT_S) -> Batch:
        """What the log has for us; empty after `wait_s` without anything. With 0, it never waits.

        Raises `Refused` when our offsets are gone from the log, `LogUnavailable` otherwise.
        """
        first = self._consumer.poll(wait_s)
        if first is None:
            return Batch((), ())
        messages = [first, *self._consumer.consume(self._batch, _GATHER_S if wait_s else 0)]
        if all(message.error() is None for message in messages):
            return Batch(messages, ())
        records, ends = [], []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - public error code
                ends.append((message.partition() or 0, message.offset() or 0))
            else:
                _raise(error)
        return Batch(records, ends)

    def lag(self, positions: Sequence[Position]) -> list[int]:
        """Records behind the end, per partition, as far as the consumer knows."""
        return [
            max(0, self._bounds(number, cached=True)[1] - position.frontier)
            for number, position in enumerate(positions)
        ]

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()

    def _bounds(self, number: int, *, cached: bool = False) -> tuple[int, int]:
        found = self._consumer.get_watermark_offsets(
            TopicPartition(self._topic, number), timeout=_TIMEOUT_S, cached=cached
        )
        if found is None:
            raise LogUnavailable(f"{self._topic}[{number}]: no offsets within {_TIMEOUT_S:.0f} s")
        return found


def _raise(error: KafkaError) -> None:
    # A frontier that the log no longer has: what stood between is lost to this copy.
    gone = {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET}  # noqa: SLF001
    if error.code() in gone:
        raise Refused("its frontier is outside of the log")
    if error.fatal() or not error.retriable():
        raise LogUnavailable(error.str())
