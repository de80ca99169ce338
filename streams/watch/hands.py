"""The partitions of a topic in a watcher's hands: what came, what is missing, what is done.

Safe by its own bookkeeping, not by Faust's commits (docs/adr/0010): an event is acknowledged once
what it led to is in the log, in the order of its offsets; whatever Faust skips or repeats is seen
by its offset, and read from the log.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from noli.runtime import scan
from noli.runtime.logging import get_logger
from streams.watch.fatal import fatal

if TYPE_CHECKING:
    import faust

    from noli.runtime.part import Record
    from noli.runtime.settings import Settings

#: Records of a partition from an offset to its end.
Read = Callable[[int], Iterable["Record"]]


class Pages(Protocol):
    """One partition. `position`: the next record to take; all below it is accounted for."""

    position: int

    def catch_up(self, read: Read) -> None:
        """Take everything from `position` to the end of the log. Blocks."""

    def take(self, offset: int, value: bytes | None, key: bytes | None) -> None:
        """Take the record at `offset`, the next one or a later one; an earlier one was taken."""


P = TypeVar("P", bound=Pages)


class Hands(Generic[P]):
    """The partitions, by number. Whoever acts on `books` holds `lock`, so that none moves on."""

    def __init__(self, settings: Settings, topic: str, make: Callable[[int], P]) -> None:
        """`make` takes a partition up as it was published last."""
        self._settings = settings
        self._topic = topic
        self._make = make
        self._log = get_logger()
        self.lock = asyncio.Lock()
        self.owned: set[int] = set()
        self.books: dict[int, P] = {}
        #: Positions as they were at the last `overtake`.
        self._before: dict[int, int] = {}
        #: Events not acknowledged yet, by partition, in order.
        self._waiting: dict[int, deque[Any]] = {}

    def enter(self, app: faust.App, name: str) -> None:
        """Add the agent of that name to an app that is not started yet."""
        topic = app.topic(self._topic, key_type=bytes, value_type=bytes, allow_empty=True)
        app.on_partitions_assigned.connect(self._assigned)
        app.on_partitions_revoked.connect(self._revoked)

        async def follow(stream: Any) -> None:  # noqa: ANN401 - a faust.Stream
            async for event in stream.noack().events():
                with fatal(self._settings.instance):
                    await self._take(event)

        app.agent(topic, name=name)(follow)

    @property
    def opened(self) -> bool:
        """Whether all that is owned was taken up."""
        return self.owned <= self.books.keys()

    def positions(self) -> dict[int, int]:
        """By partition: everything below is accounted for."""
        return {number: book.position for number, book in self.books.items()}

    async def open(self) -> None:
        """Take up the partitions that came. Raises `noli.runtime.scan.LogUnavailable`."""
        for number in sorted(self.owned - self.books.keys()):
            book = self._make(number)
            await self._catch_up(number, book)
            self.books[number] = book
            self._log.info(
                "watch.opened", topic=self._topic, partition=number, position=book.position
            )

    async def overtake(self, ends: Mapping[int, int]) -> None:
        """Read on by ourselves where Faust brings nothing new since the last call, and there is.

        It goes through what piled up record by record, or stands still. Raises `LogUnavailable`.
        """
        for number, book in self.books.items():
            if ends.get(number, 0) > book.position == self._before.get(number):
                self._log.warning("watch.overtaken", topic=self._topic, partition=number)
                await self._catch_up(number, book)
            self._before[number] = book.position

    def acknowledge(self, upto: Mapping[int, int]) -> None:
        """What was taken below these positions led to what is in the log."""
        for number, position in upto.items():
            waiting = self._waiting.get(number, deque())
            while waiting and waiting[0].message.offset < position:
                waiting.popleft().ack()

    def forget(self, numbers: Iterable[int]) -> None:
        """Nothing known of these is believed any longer; what is owned is taken up again."""
        for number in [*numbers]:
            self.books.pop(number, None)
            self._waiting.pop(number, None)

    async def _assigned(self, *said: Any, **_: Any) -> None:  # noqa: ANN401 - faust's signal
        self.owned = self._ours(said[1])
        self._log.info("watch.assigned", topic=self._topic, partitions=sorted(self.owned))

    async def _revoked(self, *said: Any, **_: Any) -> None:  # noqa: ANN401 - as above
        self.owned -= self._ours(said[1])
        self.forget(self._ours(said[1]))

    async def _take(self, event: Any) -> None:  # noqa: ANN401 - faust's Event
        message = event.message
        number = message.partition
        async with self.lock:
            book = self.books.get(number)
            if book is not None:
                if message.offset > book.position:
                    self._log.warning(
                        "watch.skipped", topic=self._topic, partition=number, first=book.position
                    )
                    await self._catch_up(number, book)
                book.take(message.offset, message.value, message.key)
            self._waiting.setdefault(number, deque()).append(event)

    async def _catch_up(self, number: int, book: P) -> None:
        def read(since: int) -> Iterable[Record]:
            return scan.records(self._settings, {self._topic: number}, since={self._topic: since})

        await asyncio.to_thread(book.catch_up, read)

    def _ours(self, places: Iterable[Any]) -> set[int]:
        """Partitions of the topic among those that were assigned or revoked."""
        return {place.partition for place in places if place.topic == self._topic}
