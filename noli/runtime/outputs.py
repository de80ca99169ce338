"""Outputs of a processor: every record is known to be in the log, and nobody else's is overlooked.

The delivery reports give the offset of each own record. In a partition with one writer they are
contiguous, so a gap is, exactly, what somebody else wrote: a paused owner that woke up, or a new
one. Gaps are found without reading a byte (docs/adr/0003-one-writer-per-partition.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from confluent_kafka import KafkaError, Producer

from noli.runtime import violations
from noli.runtime.kafka import BY_KEY, DELIVERY_TIMEOUT_MS, count_failure, producer_config
from noli.runtime.metrics.process import Invariant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from confluent_kafka import Message

    from noli.runtime.settings import Settings

#: Beyond librdkafka's own limit there is nothing more to wait for, in seconds.
_FLUSH_S: Final = DELIVERY_TIMEOUT_MS / 1000 + 5.0


#: The offset before a claim is confirmed: whatever it turns out to be is no gap.
_NEW: Final = -1


class LostDelivery(Exception):
    """An output is not durable. Its input must not be committed: the process ends."""


class Gap(NamedTuple):
    """Offsets `start` <= o < `end` of an owned partition that are not ours."""

    topic: str
    partition: int
    start: int
    end: int


class Claim(NamedTuple):
    """A claim about to be written: its epoch and its record."""

    epoch: int
    key: bytes
    value: bytes


class _Place:
    """Where the next own record of an owned partition will stand, if nobody else writes."""

    __slots__ = ("_otherwise", "next")

    def __init__(self, otherwise: Callable[[KafkaError | None, Message], None]) -> None:
        self.next = _NEW
        self._otherwise = otherwise

    def report(self, error: KafkaError | None, message: Message) -> None:
        """A delivery report; nearly every one confirms what was expected."""
        if error is None and message.offset() == self.next:
            self.next += 1
        else:
            self._otherwise(error, message)


class Outputs:
    """The one idempotent producer of a worker. Single-threaded: reports are served by `deliver`."""

    def __init__(self, settings: Settings) -> None:
        self._failure: str | None = None
        self._places: dict[tuple[str, int | None], _Place] = {}
        self._gaps: list[Gap] = []
        self._epochs: dict[int, int] = {}
        self._producer = Producer(
            producer_config(settings, linger_ms=5, batch_size=512 * 1024)
            | {"error_cb": self._on_error}
        )

    def send(self, topic: str, partition: int | None, key: bytes | None, value: bytes) -> None:
        """Queue one record; `deliver` waits for it. `partition` None lets the key decide."""
        number = BY_KEY if partition is None else partition
        place = self._places.get((topic, partition))
        report = self._report if place is None else place.report
        while True:
            try:
                self._producer.produce(topic, value, key, number, on_delivery=report)
            except BufferError:
                self._producer.poll(0.1)
                self._raise_if_failed()
            else:
                return

    def deliver(self) -> None:
        """Wait until everything queued is in the log. Raises `LostDelivery`."""
        left = self._producer.flush(_FLUSH_S)
        self._raise_if_failed()
        if left:
            raise LostDelivery(f"{left} outputs unconfirmed after {_FLUSH_S:.0f} s")

    def claim(self, topic: str, claims: Mapping[int, Claim]) -> dict[int, int]:
        """Append one claim per partition and own what follows; the offsets of the claims."""
        for partition, claim in claims.items():
            self._places[topic, partition] = _Place(self._report)
            self._epochs[partition] = claim.epoch
            self.send(topic, partition, claim.key, claim.value)
        self.deliver()
        return {partition: self.next_offset(topic, partition) - 1 for partition in claims}

    def epoch(self, partition: int) -> int:
        """The epoch under which we own a partition."""
        return self._epochs[partition]

    def disown(self, partition: int) -> None:
        """Watch a partition no longer."""
        self._places = {at: place for at, place in self._places.items() if at[1] != partition}
        self._gaps = [gap for gap in self._gaps if gap.partition != partition]

    def next_offset(self, topic: str, partition: int) -> int:
        """The offset after our last delivered record of an owned partition."""
        return self._places[topic, partition].next

    def gaps(self) -> list[Gap]:
        """Foreign ranges nobody wrote over yet, as they were found."""
        return list(self._gaps)

    def mended(self, gap: Gap) -> None:
        """What stands in a gap was written over, and that is delivered."""
        if gap in self._gaps:
            self._gaps.remove(gap)

    def sound(self, topic: str, partition: int) -> int:
        """Below this offset of an owned partition all is ours, or was written over.

        A successor that begins there misses nothing that is left to mend.
        """
        here = topic, partition
        starts = [gap.start for gap in self._gaps if (gap.topic, gap.partition) == here]
        return min(starts, default=self.next_offset(topic, partition))

    def ends_at(self, topic: str, partition: int, end: int) -> None:
        """The broker told where a partition ends; of ours nothing is under way.

        So a foreign write is found also where we have nothing to write ourselves.
        """
        place = self._places.get((topic, partition))
        if place is not None and end > place.next != _NEW:
            self._gaps.append(Gap(topic, partition, place.next, end))
            place.next = end

    def _report(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failure = self._failure or f"{message.topic()}: {error.str()}"
            count_failure(message.topic() or "", error)
            return
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None and partition is not None and offset is not None  # noqa: S101, PT018 - confirmed
        place = self._places.get((topic, partition))
        if place is None:
            return
        expected = place.next
        if offset > expected != _NEW:
            self._gaps.append(Gap(topic, partition, expected, offset))
        elif offset < expected:
            self._failure = f"{topic}[{partition}] went back from {expected} to {offset}"
            violations.note(Invariant.LOG_WENT_BACK)
            return
        place.next = offset + 1

    def _raise_if_failed(self) -> None:
        if self._failure is not None:
            raise LostDelivery(self._failure)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._failure = self._failure or f"fatal: {error.str()}"
