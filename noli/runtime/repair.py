"""Self-repair: what somebody else wrote into an owned partition is found, read and written over.

Compaction keeps the record of the highest offset, so a late write of a paused owner would, in time,
delete the true one. The owner therefore writes its own value again behind every foreign record. A
foreign claim of a higher epoch means the partition has a new owner: this process ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, TopicPartition

from noli.runtime import violations
from noli.runtime.clock import steady
from noli.runtime.kafka import consumer_config
from noli.runtime.metrics.process import Invariant
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


class Repairs:
    """Turns gaps into the keys to write again."""

    def __init__(self, settings: Settings, outputs: Outputs) -> None:
        self._settings = settings
        self._outputs = outputs

    def look(self) -> dict[int, set[bytes]]:
        """Keys to restate, per partition. Raises `Superseded`, `RuntimeError` when unreadable."""
        keys: dict[int, set[bytes]] = {}
        for gap in self._outputs.take_gaps():
            found = self._read(gap)
            violations.note(Invariant.FOREIGN_RECORD, gap.end - gap.start)
            keys.setdefault(gap.partition, set()).update(found)
        return keys

    def _read(self, gap: Gap) -> set[bytes]:
        consumer = Consumer(consumer_config(self._settings, None))
        keys: set[bytes] = set()
        deadline = steady() + _READ_TIMEOUT_S
        try:
            consumer.assign([TopicPartition(gap.topic, gap.partition, gap.start)])
            while steady() < deadline:
                message = consumer.poll(_POLL_S)
                if message is None or message.error() is not None:
                    continue
                if (message.offset() or 0) >= gap.end:
                    return keys
                key = self._foreign_key(message, gap)
                if key is not None:
                    keys.add(key)
        finally:
            consumer.close()
        place = f"{gap.topic}[{gap.partition}] {gap.start}..{gap.end}"
        raise RuntimeError(f"foreign records in {place} could not be read")

    def _foreign_key(self, message: Message, gap: Gap) -> bytes | None:
        """The contact's key a foreign record overwrote; None for what needs no repair."""
        key, value = message.key(), message.value()
        if key == CLAIM_KEY:
            self._check_claim(value, gap)
            return None
        return None if key == BEACON_KEY else key

    def _check_claim(self, value: bytes | None, gap: Gap) -> None:
        try:
            epoch = leading_long(value or b"")
        except UnreadableError:
            return  # not a claim anybody would honour
        if epoch > self._outputs.epoch(gap.partition):
            violations.note(Invariant.SUPERSEDED_OWNER)
            raise Superseded(f"{gap.topic}[{gap.partition}] was claimed by another worker")
