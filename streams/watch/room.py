"""The room that follows `noli.receipts`, and what it publishes once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from noli.runtime import scan
from noli.runtime.beside import Behind
from noli.runtime.clock import now_ms, steady
from noli.runtime.logging import get_logger
from noli.wire.alignment import OVERALL, Aligned, Origin
from schemas.names import ALIGNMENT, RECEIPTS
from streams.watch.alignment import Signature, overall
from streams.watch.book import Book
from streams.watch.fatal import fatal
from streams.watch.hands import Hands
from streams.watch.telling import Telling
from streams.watch.world import Surroundings

if TYPE_CHECKING:
    import faust

    from noli.runtime.settings import Settings
    from schemas.codec import Codec

#: Between two times of publishing, in seconds: as often as connectors report.
EVERY_S: Final = 1.0
#: A publication that took longer between knowing and sending is not sent, in seconds: the process
#: was stopped meanwhile, and another one may own the partition by now (session: 6 s).
STALE_S: Final = 4.0
#: A record that the broker has not taken by then will not be taken, in seconds.
_DELIVERY_S: Final = 15.0
#: Whoever owns this partition publishes the number of all applications together.
_FIRST: Final = 0


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
        self._log = get_logger()
        self._closing = asyncio.Event()
        self._hands = Hands(settings, RECEIPTS, self._book)
        self._around = Surroundings(settings, codec)
        self._telling = Telling()
        self._told_at = steady()
        self._began = False
        self._target: Any = None

    def enter(self, app: faust.App) -> None:
        """One agent on the receipts, one task that publishes."""
        self._target = app.topic(ALIGNMENT, key_type=bytes, value_type=bytes)
        self._hands.enter(app, "alignment")
        app.task(self._publish_often)

    async def aclose(self) -> None:
        """Follow no longer."""
        self._closing.set()
        await self._around.aclose()

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """Ready once what is owned was published, and lately."""
        late = steady() - self._told_at
        ok = self._began and self._hands.opened and late < 5 * EVERY_S
        return ok, {"partitions": len(self._hands.owned), "published_s_ago": round(late, 1)}

    def _book(self, partition: int) -> Book:
        return Book(partition, self._codec, self._around.aligned, self._around.world)

    async def _publish_often(self) -> None:
        with fatal(self._settings.instance):
            await self._around.known_whole()
            while not self._closing.is_set():
                began = steady()
                await self._publish()
                with suppress(TimeoutError):  # it is time again
                    async with asyncio.timeout(max(0.0, began + EVERY_S - steady())):
                        await self._closing.wait()

    async def _publish(self) -> None:
        """Everything owned, as it stands; then acknowledge what that rests on."""
        if steady() - self._told_at > STALE_S:
            # We were stopped, perhaps: nothing of ours is believed.
            self._hands.forget(self._hands.books)
        try:
            if not self._hands.opened:
                await self._open()
            began = steady()
            async with self._hands.lock:
                await self._hands.overtake(await self._around.ends())
                await self._around.known()  # last: what holds back and stands before is then read
                found = self._found()
                upto = self._hands.positions()
        except (Behind, scan.LogUnavailable) as error:
            self._log.warning("alignment.not_known", why=str(error))
            return
        if steady() - began > STALE_S:
            return
        await self._deliver([one for each in found.values() for one in each])
        self._told_at, self._began = steady(), True
        self._acknowledge(found, upto)
        self._telling.tell(self._around.aligned, self._around.world)

    async def _open(self) -> None:
        """Take up what came to us; that may take long, and is no sign of having been stopped."""
        await self._around.known_whole()
        async with self._hands.lock:
            await self._hands.open()
        self._told_at = steady()

    def _found(self) -> dict[int, list[Aligned]]:
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

    async def _deliver(self, found: list[Aligned]) -> None:
        """Return once the broker has all; anything else ends the process."""
        sent = [
            await self._target.send(
                key=one.app.encode(), value=self._codec.encode("noli.Alignment", one.datum())
            )
            for one in found
        ]
        async with asyncio.timeout(_DELIVERY_S):
            await asyncio.gather(*sent)

    def _acknowledge(self, found: Mapping[int, list[Aligned]], upto: Mapping[int, int]) -> None:
        for partition in upto:
            if (book := self._hands.books.get(partition)) is not None:
                book.published(one for one in found[partition] if one.app != OVERALL)
        self._hands.acknowledge(upto)
