"""Taking over partitions: read the state topic, claim, read up to the claim.

A claim is a record of a higher epoch than any before it. Once it stands in the log, whatever an
older owner still writes comes after it with a lower epoch, and every reader passes over it.
Source: blueprint, "One writer per partition"; docs/adr/0003-one-writer-per-partition.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaError, TopicCollection, TopicPartition

from noli.runtime.clock import now_ms, now_us, steady
from noli.runtime.failpoints import Failpoint, failpoint
from noli.runtime.kafka import admin, consumer_config
from noli.runtime.logging import get_logger
from noli.runtime.metrics import loop
from noli.runtime.outputs import Claim
from noli.runtime.store import PartitionStore
from schemas.codec import UnreadableError, lead, leading_long
from schemas.names import CLAIM_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from confluent_kafka import Message

    from noli.runtime.outputs import Outputs
    from noli.runtime.settings import Settings
    from schemas.codec import Codec

_READ_BATCH: Final = 10_000
_READ_WAIT_S: Final = 0.1
#: Without a record or an end-of-partition for this long, the broker is not answering, in seconds.
_STALL_S: Final = 30.0
_ADMIN_TIMEOUT_S: Final = 10.0


class RestoreError(Exception):
    """The state could not be read to its end; the worker must not start on less."""


@dataclass(slots=True)
class Tail:
    """Reading one partition of the state topic: what is to be stored, and how far."""

    store: PartitionStore
    frontier: int
    epoch: int
    items: dict[bytes, bytes] = field(default_factory=dict)
    stale: int = 0

    def take(self, key: bytes | None, value: bytes | None, offset: int) -> None:
        """One record: a claim raises the epoch, a value of a lower epoch is passed over."""
        self.frontier = offset + 1
        if key is None or value is None:
            # Nothing of ours: we write neither keyless records nor tombstones.
            self.stale += 1
            return
        if key == CLAIM_KEY:
            self.epoch = max(self.epoch, leading_long(value))
        elif lead(value).epoch < self.epoch:
            self.stale += 1
        else:
            self.items[key] = value

    def flush(self) -> None:
        """Store what was read."""
        loop.RESTORED_KEYS.inc(len(self.items))
        self.store.write(self.items.items(), self.frontier, self.epoch)
        self.items.clear()


@dataclass(frozen=True, slots=True)
class Taken:
    """A partition taken over: its store, and the epoch under which we write."""

    store: PartitionStore
    epoch: int


class Takeover:
    """Restores and claims partitions of `topics[0]` (state); claims those of the others too."""

    def __init__(
        self, settings: Settings, codec: Codec, outputs: Outputs, topics: tuple[str, ...]
    ) -> None:
        self._settings = settings
        self._codec = codec
        self._outputs = outputs
        self._topics = topics
        self._log = get_logger()

    def take(self, partitions: Iterable[int]) -> dict[int, Taken]:
        """Own `partitions`. Raises `RestoreError`, `LostDelivery`."""
        numbers = sorted(partitions)
        started = steady()
        topic_id = self._topic_id()
        tails = {
            number: self._open(self._settings.data / "state" / str(number), topic_id)
            for number in numbers
        }
        taken = self._read_and_claim(tails)
        loop.RESTORE_SECONDS.set(steady() - started)
        failpoint(Failpoint.TAKEOVER_DONE)
        self._log.info(
            "partitions.claimed",
            partitions=numbers,
            seconds=round(steady() - started, 3),
            stale=sum(tail.stale for tail in tails.values()),
        )
        return taken

    def _open(self, path: Path, topic_id: str) -> Tail:
        store = PartitionStore(path, topic_id)
        return Tail(store, store.meta.frontier, store.meta.epoch)

    def _read_and_claim(self, tails: dict[int, Tail]) -> dict[int, Taken]:
        consumer = Consumer(
            consumer_config(
                self._settings,
                None,
                enable_partition_eof=True,
                fetch_message_max_bytes=4 * 1024 * 1024,
            )
        )
        try:
            consumer.assign(
                [TopicPartition(self._topics[0], n, tail.frontier) for n, tail in tails.items()]
            )
            self._read(consumer, tails, None)
            taken: dict[int, Taken] = {}
            open_claims = dict(tails)
            while open_claims:
                epochs, ends = self._claim(open_claims)
                failpoint(Failpoint.TAKEOVER_CLAIMED)
                self._read(consumer, tails, ends)
                for number, tail in list(open_claims.items()):
                    if tail.epoch == epochs[number]:
                        taken[number] = Taken(tail.store, tail.epoch)
                        del open_claims[number]
            return taken
        finally:
            consumer.close()

    def _claim(self, tails: dict[int, Tail]) -> tuple[dict[int, int], dict[int, int]]:
        """Write claims above every epoch seen; (epochs, offset after each claim in state)."""
        epochs = {number: max(tail.epoch + 1, now_us()) for number, tail in tails.items()}
        ends: dict[int, int] = {}
        for topic in self._topics:
            placed = self._outputs.claim(topic, {n: self._record(e) for n, e in epochs.items()})
            ends = ends or {number: offset + 1 for number, offset in placed.items()}
            failpoint(Failpoint.TAKEOVER_MID_CLAIM)
        return epochs, ends

    def _record(self, epoch: int) -> Claim:
        claim = {"epoch": epoch, "owner": self._settings.instance, "at": now_ms()}
        return Claim(epoch, CLAIM_KEY, self._codec.encode("noli.Claim", claim))

    def _read(
        self, consumer: Consumer, tails: dict[int, Tail], ends: dict[int, int] | None
    ) -> None:
        """Read every tail to its end: to `ends`, or where None to the end of the partition."""
        open_ends = set(tails if ends is None else ends)
        quiet_since = steady()
        while open_ends:
            first = consumer.poll(_READ_WAIT_S)
            if first is None:
                if steady() - quiet_since > _STALL_S:
                    raise RestoreError(f"{self._topics[0]} gave nothing for {_STALL_S:.0f} s")
                continue
            quiet_since = steady()
            for message in [first, *consumer.consume(_READ_BATCH, 0)]:
                number = self._take(message, tails)
                at_end = message.error() is not None
                if at_end if ends is None else tails[number].frontier >= ends.get(number, 0):
                    open_ends.discard(number)
            for tail in tails.values():
                tail.flush()
            self._tell_remaining(consumer, tails)
            failpoint(Failpoint.TAKEOVER_MID_RESTORE)

    def _tell_remaining(self, consumer: Consumer, tails: dict[int, Tail]) -> None:
        """As far as the consumer knows the ends; it asks nobody."""
        left = 0
        for number, tail in tails.items():
            place = TopicPartition(self._topics[0], number)
            _, end = consumer.get_watermark_offsets(place, cached=True)
            left += max(0, end - tail.frontier)
        loop.RESTORE_REMAINING.set(left)

    def _take(self, message: Message, tails: dict[int, Tail]) -> int:
        number = message.partition()
        assert number is not None  # noqa: S101 - every message and end-of-partition has one
        error = message.error()
        if error is None:
            try:
                tails[number].take(message.key(), message.value(), message.offset() or 0)
            except UnreadableError as unreadable:
                place = f"{self._topics[0]}[{number}]@{message.offset()}"
                raise RestoreError(f"{place} is not a state record: {unreadable}") from unreadable
        elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - public error code
            raise RestoreError(f"{self._topics[0]}[{number}]: {error.str()}")
        return number

    def _topic_id(self) -> str:
        topic = self._topics[0]
        client = admin(self._settings)  # must outlive its futures
        described = client.describe_topics(
            TopicCollection([topic]), request_timeout=_ADMIN_TIMEOUT_S
        )
        try:
            return str(described[topic].result().topic_id)
        except Exception as error:
            raise RestoreError(f"{topic} cannot be described: {error}") from error
