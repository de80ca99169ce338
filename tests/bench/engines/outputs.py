"""Reading what an engine wrote: how much, when the log took it, and what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from confluent_kafka import Consumer, Message, TopicPartition

from noli.runtime.kafka import consumer_config
from noli.runtime.settings import Settings
from schemas.codec import Codec

#: Keys of contacts; claims and beacons have shorter ones.
KEY_SIZE: Final = 17
_BATCH: Final = 10_000
_WAIT_S: Final = 5.0
#: Short, so that paced load stays even.
_MOMENT_S: Final = 0.002
#: Output in which the engine is still warming up: compiling, filling caches, first batches.
_WARM_UP: Final = 0.1
#: Fields of a decision that differ by who decides and when, not by what is decided.
_OWN: Final = ("epoch", "version", "decided")


class Output:
    """All partitions of an output topic; nothing is committed."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self.topic = topic
        self._consumer = Consumer(
            consumer_config(settings, None, fetch_wait_max_ms=5, enable_partition_eof=True)
        )
        found = self._consumer.list_topics(topic, timeout=10.0).topics[topic].partitions
        self._places = [TopicPartition(topic, number) for number in sorted(found)]
        self.partitions = len(found)

    def size(self) -> int:
        """Records in the topic, claims and beacons too."""
        return sum(self._consumer.get_watermark_offsets(p, timeout=10.0)[1] for p in self._places)

    def all(self) -> list[Message]:
        """Every record of a contact, in the order of each partition."""
        self._consumer.assign([TopicPartition(p.topic, p.partition, 0) for p in self._places])
        open_ends, found = self.partitions, list[Message]()
        while open_ends:
            batch = self._consumer.consume(_BATCH, _WAIT_S)
            if not batch:
                raise RuntimeError(f"{self.topic} gave nothing for {_WAIT_S:.0f} s")
            open_ends -= sum(message.error() is not None for message in batch)
            found += [message for message in batch if len(message.key() or b"") == KEY_SIZE]
        return found

    def follow(self) -> Iterator[Message | None]:
        """What comes from now on; None where a moment brings nothing."""
        self._consumer.assign(
            [
                TopicPartition(p.topic, p.partition, self._consumer.get_watermark_offsets(p)[1])
                for p in self._places
            ]
        )
        while True:
            yield self._consumer.poll(_MOMENT_S)

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def rate(messages: list[Message], count: int) -> float:
    """Records a second over the first `count`, by the log's own append times, warm-up left out."""
    times = sorted(message.timestamp()[1] for message in messages)[:count]
    start = int(len(times) * _WARM_UP)
    return (len(times) - start) / ((times[-1] - times[start]) / 1_000)


def decisions(codec: Codec, messages: list[Message], keys: set[bytes]) -> dict[bytes, list[str]]:
    """The decisions of each of `keys`, in order, without what differs by engine."""
    found: dict[bytes, list[str]] = {}
    for message in messages:
        key = message.key()
        if key in keys:
            value: dict[str, Any] = codec.decode(message.value())[1]
            said = {name: each for name, each in value.items() if name not in _OWN}
            found.setdefault(key, []).append(json.dumps(said, sort_keys=True, default=str))
    return found
