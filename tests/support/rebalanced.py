"""An inlet in a process of its own whose brokers are always just moving: who calls wrongly, aborts.

`python -m tests.support.rebalanced KAFKA GROUP TOPIC` tells what it gains and loses until SIGTERM.
Each first question how far a partition is gets "somebody else leads it", as of a broker that was
restarted, and statistics are due every millisecond: a callback waits wherever one can.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from connectors import inlet
from noli.runtime.settings import Settings


class Moving:
    """A consumer, but for what it says of leaders."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Tell statistics all the time."""
        self._consumer = Consumer(config | {"statistics.interval.ms": 1})
        self._moved: set[int] = set()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a consumer can do
        """As the consumer."""
        return getattr(self._consumer, name)

    def subscribe(self, topics: list[str], **callbacks: Callable[..., None]) -> None:
        """As the consumer; callbacks are given this one."""
        self._consumer.subscribe(
            topics, **{name: _given(self, each) for name, each in callbacks.items()}
        )

    def get_watermark_offsets(self, place: TopicPartition, **how: Any) -> tuple[int, int]:  # noqa: ANN401
        """As the consumer, every second time."""
        self._moved ^= {place.partition}
        if place.partition in self._moved:
            raise KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION))
        return self._consumer.get_watermark_offsets(place, **how)


def _given(consumer: Moving, callback: Callable[..., None]) -> Callable[..., None]:
    return lambda _, partitions: callback(consumer, partitions)


async def main(kafka: str, group: str, topic: str) -> None:
    """Read until asked to stop."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    inlet.Consumer = Moving  # type: ignore[assignment, attr-defined]
    with tempfile.TemporaryDirectory() as data:
        settings = Settings.model_validate(
            {"kafka": kafka, "data": Path(data), "instance": "moved"}
        )
        reader = inlet.Inlet(settings, group, topic)
        while not asked.is_set():
            for each in await reader.read():
                sys.stdout.write(f"{type(each).__name__}\n")
                sys.stdout.flush()
        await reader.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
