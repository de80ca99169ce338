"""The room that follows `noli.receipts`, and what it publishes once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from noli.runtime.clock import now_ms
from noli.wire.alignment import OVERALL, Aligned, Origin
from schemas.names import ALIGNMENT, RECEIPTS
from streams.watch.alignment import Signature, overall
from streams.watch.book import Book
from streams.watch.hands import Hands
from streams.watch.rhythm import DELIVERY_S, Rhythm
from streams.watch.telling import Telling
from streams.watch.world import Surroundings

if TYPE_CHECKING:
    import faust

    from noli.runtime.settings import Settings
    from schemas.codec import Codec

#: Whoever owns this partition publishes the number of all applications together.
_FIRST: Final = 0


#: What is published, by the partition whose owner does.
Found = dict[int, list[Aligned]]


class Room(Protocol):
    """Something the watcher does: an agent and what belongs to it."""

    def enter(self, app: faust.App) -> None:
        """Add agents and tasks to an app that is not started yet."""

    async def aclose(self) -> None:
        """Give connections back, once the app has stopped."""

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """Whether it is up to date; from any thread."""


class AlignmentRoom:
    """Follows the receipts of its partitions; publishes the alignment of their applications."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._settings = settings
        self._codec = codec
        self._hands = Hands(settings, RECEIPTS, self._book)
        self._around = Surroundings(settings, codec)
        self._telling = Telling()
        self._rhythm = Rhythm("alignment", settings.instance, self._hands, self)
        self._target: Any = None

    def enter(self, app: faust.App) -> None:
        """One agent on the receipts, one task that publishes."""
        self._target = app.topic(ALIGNMENT, key_type=bytes, value_type=bytes)
        self._hands.enter(app, "alignment")
        app.task(self._rhythm.run)

    async def aclose(self) -> None:
        """Follow no longer."""
        self._rhythm.close()
        await self._around.aclose()

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """Ready once what is owned was published, and lately."""
        ready, late = self._rhythm.ready()
        return ready, {"partitions": len(self._hands.owned), "published_s_ago": late}

    def _book(self, partition: int) -> Book:
        return Book(partition, self._codec, self._around.aligned, self._around.world)

    async def known(self) -> None:
        """Return once whatever may hold an application back was read whole."""
        await self._around.known_whole()

    async def found(self) -> Found:
        """Everything owned, as it stands."""
        await self._hands.overtake(await self._around.ends())
        await self._around.known()  # last: what holds back and stands before is then read
        return self._standing()

    def _standing(self) -> Found:
        now, world, watcher = now_ms(), self._around.world, self._settings.instance
        found = {
            partition: book.publishable(world, watcher, now)
            for partition, book in self._hands.books.items()
        }
        if _FIRST in self._hands.books:
            origin = Origin(_FIRST, self._hands.books[_FIRST].position)
            sign = Signature(watcher, now, origin)
            latest = {**self._around.aligned}
            latest |= {one.app: one for each in found.values() for one in each}
            found.setdefault(_FIRST, []).append(overall(latest, world.apps, sign))
        return found

    async def deliver(self, found: Found, upto: Mapping[int, int]) -> None:
        """Return once the broker has all; anything else ends the process."""
        sent = [
            await self._target.send(
                key=one.app.encode(), value=self._codec.encode("noli.Alignment", one.datum())
            )
            for each in found.values()
            for one in each
        ]
        async with asyncio.timeout(DELIVERY_S):
            await asyncio.gather(*sent)
        for partition in upto:
            if (book := self._hands.books.get(partition)) is not None:
                book.published(one for one in found[partition] if one.app != OVERALL)

    def tell(self) -> None:
        """For Prometheus."""
        self._telling.tell(self._around.aligned, self._around.world)
