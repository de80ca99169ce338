"""Self-repair: what somebody else wrote into an owned partition is found, read and written over.

Compaction keeps the record of the highest offset, so a late write of a paused owner would, in time,
delete the true one. The owner therefore writes its own value again behind every foreign record. A
foreign claim of a higher epoch means the partition has a new owner: this process ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaError, TopicPartition

from noli.runtime import violations
from noli.runtime.clock import steady
from noli.runtime.kafka import consumer_config
from noli.runtime.metrics.process import Invariant
from noli.runtime.trail import version_in
from schemas.codec import UnreadableError, leading_long
from schemas.names import BEACON_KEY, CLAIM_KEY

if TYPE_CHECKING:
    from confluent_kafka import Message

    from noli.runtime.outputs import Gap, Outputs
    from noli.runtime.settings import Settings

_READ_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.1


class Superseded(Exception):
    """Another worker claimed this partition after us; ours must write no more."""


@dataclass(slots=True)
class Foreign:
    """What stands in a gap: contacts to write again, above the highest version found there."""

    gap: Gap
    keys: set[bytes] = field(default_factory=set)
    version: int = 0


class Repairs:
    """Reads what stands in gaps."""

    def __init__(self, settings: Settings, outputs: Outputs, decisions: str) -> None:
        self._settings = settings
        self._outputs = outputs
        self._decisions = decisions

    def look(self) -> list[Foreign]:
        """What is to be written over. Raises `Superseded`, `RuntimeError` when unreadable."""
        found = []
        for gap in self._outputs.gaps():
            found.append(self._read(gap))
            violations.note(Invariant.FOREIGN_RECORD, gap.end - gap.start)
        return found

    def _read(self, gap: Gap) -> Foreign:
        # The gap may reach to the end of the partition: nothing then comes behind it.
        consumer = Consumer(consumer_config(self._settings, None, enable_partition_eof=True))
        foreign = Foreign(gap)
        deadline = steady() + _READ_TIMEOUT_S
        try:
            consumer.assign([TopicPartition(gap.topic, gap.partition, gap.start)])
            while steady() < deadline:
                message = consumer.poll(_POLL_S)
                if message is None or _failed(message):
                    continue
                offset = message.offset() or 0
                if offset < gap.end and message.error() is None:
                    self._take(message, foreign)
                if offset >= gap.end - 1:
                    return foreign
        finally:
            consumer.close()
        place = f"{gap.topic}[{gap.partition}] {gap.start}..{gap.end}"
        raise RuntimeError(f"foreign records in {place} could not be read")

    def _take(self, message: Message, foreign: Foreign) -> None:
        key, value = message.key(), message.value()
        if key == CLAIM_KEY:
            self._check_claim(value, foreign.gap)
        elif key is not None and key != BEACON_KEY:
            foreign.keys.add(key)
            if foreign.gap.topic == self._decisions:
                foreign.version = max(foreign.version, version_in(value))

    def _check_claim(self, value: bytes | None, gap: Gap) -> None:
        try:
            epoch = leading_long(value or b"")
        except UnreadableError:
            return  # not a claim anybody would honour
        if epoch > self._outputs.epoch(gap.partition):
            violations.note(Invariant.SUPERSEDED_OWNER)
            raise Superseded(f"{gap.topic}[{gap.partition}] was claimed by another worker")


def _failed(message: Message) -> bool:
    """Whether it is an error, and not the word that the partition ends here."""
    error = message.error()
    return error is not None and error.code() != KafkaError._PARTITION_EOF  # noqa: SLF001 - public
