"""Topics followed whole beside a process's own work: no group, nothing committed, known to be read.

A thread reads; the records come out on the event loop, in the order of each partition. Whoever
must not act on old news awaits `caught_up`: what stood in the log before the call was then taken.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from noli.runtime import broker
from noli.runtime.kafka import consumer_config, mends_itself
from noli.runtime.logging import get_logger
from noli.runtime.part import Record
from noli.runtime.process import die

if TYPE_CHECKING:
    from noli.runtime.settings import Settings

#: Records taken at once, and seconds to wait for the first of them.
_BATCH: Final = 1_000
_WAIT_S: Final = 0.1

Place = tuple[str, int]


class Behind(Exception):
    """The broker did not say where its topics end, or the reader did not get there in time."""


class Beside:
    """Reads the topics from their beginning until closed. Made and used on one event loop."""

    def __init__(
        self, settings: Settings, topics: Sequence[str], take: Callable[[Record], object]
    ) -> None:
        """`take` gets every record. Raises `BrokerUnavailable`, also where a topic is missing."""
        self._settings = settings
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._admin = broker.admin(settings)
        cluster = broker.look(self._admin)
        missing = [topic for topic in topics if topic not in cluster.topics]
        if missing:
            raise broker.BrokerUnavailable(f"no topic {', '.join(missing)}; `noli topics apply`")
        #: Partitions of every topic of the cluster, as it was at the start.
        self.partitions = {name: size for name, (size, _) in cluster.topics.items()}
        self._cluster = cluster
        self._at: dict[Place, int] = {}
        self._moved = asyncio.Event()
        self._closed = threading.Event()
        self._consumer = Consumer(consumer_config(settings, None, enable_partition_eof=True))
        self._consumer.assign(
            [
                TopicPartition(topic, number, OFFSET_BEGINNING)
                for topic in topics
                for number in range(self.partitions[topic])
            ]
        )
        self._thread = threading.Thread(target=self._read, name="beside", daemon=True)
        self._thread.start()

    async def caught_up(self, topics: Sequence[str], timeout_s: float) -> None:
        """Return once everything that these topics hold now was taken. Raises `Behind`."""
        try:
            async with asyncio.timeout(timeout_s):
                ends = await self.ends(topics)
                while not self._reached(ends):
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            raise Behind(f"{', '.join(topics)} not read to the end in {timeout_s} s") from None

    async def ends(self, topics: Sequence[str]) -> Mapping[str, Mapping[int, int]]:
        """Where topics end now, by partition; any of the cluster. Raises `Behind`."""
        try:
            return await asyncio.to_thread(broker.ends, self._admin, self._cluster, topics)
        except broker.BrokerUnavailable as error:
            # A restarted broker is asked by the old leader epoch for ever by a client that knew it.
            self._admin = broker.admin(self._settings)
            raise Behind(str(error)) from error

    async def aclose(self) -> None:
        """Stop reading."""
        self._closed.set()
        await asyncio.to_thread(self._thread.join)

    def _reached(self, ends: Mapping[str, Mapping[int, int]]) -> bool:
        return all(
            end == 0 or self._at.get((topic, number), -1) >= end
            for topic, each in ends.items()
            for number, end in each.items()
        )

    def _read(self) -> None:
        try:
            while not self._closed.is_set():
                first = self._consumer.poll(_WAIT_S)
                if first is not None:
                    batch = [first, *self._consumer.consume(_BATCH, 0)]
                    self._loop.call_soon_threadsafe(self._taken, batch)
        except BaseException as error:  # noqa: BLE001 - the thread's edge: what is not read is not known
            if not self._loop.is_closed():
                die(self._settings.instance, error)
        finally:
            self._consumer.close()

    def _taken(self, batch: Sequence[Message]) -> None:
        try:
            for message in batch:
                self._one(message)
        except Exception as error:  # noqa: BLE001 - a callback cannot raise to anybody
            die(self._settings.instance, error)
        self._moved.set()

    def _one(self, message: Message) -> None:
        place = message.topic() or "", message.partition() or 0
        error = message.error()
        if error is None:
            offset = message.offset() or 0
            stood = Record(*place, offset, message.key(), message.value(), message.timestamp()[1])
            self._take(stood)
            self._at[place] = offset + 1
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - confluent's name for it
            self._at[place] = max(self._at.get(place, 0), message.offset() or 0)
        elif mends_itself(error):
            get_logger().warning("beside.retried", topic=place[0], error=error.name())
        else:
            raise KafkaException(error)
