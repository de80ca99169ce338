"""Once a second a room publishes what it owns, and then acknowledges what that rests on.

A process that was stopped may have lost its partitions without having heard of it: what it knew
before is forgotten, and what took too long between knowing and sending is not sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Generic, Protocol, TypeVar

from noli.runtime import scan
from noli.runtime.beside import Behind
from noli.runtime.clock import steady
from noli.runtime.logging import get_logger
from streams.watch.fatal import fatal
from streams.watch.hands import Hands

#: Between two times of publishing, in seconds: as often as connectors report.
EVERY_S: Final = 1.0
#: A publication that took longer between knowing and sending is not sent, in seconds: the process
#: was stopped meanwhile, and another one may own the partition by now (session: 6 s).
STALE_S: Final = 4.0
#: A record that the broker has not taken by then will not be taken, in seconds.
DELIVERY_S: Final = 15.0

F = TypeVar("F")


class Publisher(Protocol[F]):
    """What a room does each second."""

    async def known(self) -> None:
        """Return once what stands beside the room's topic was read whole."""

    async def found(self) -> F:
        """What to publish of `hands.books`, as of now; none of them moves meanwhile.

        Raises `Behind`, `LogUnavailable` where that cannot be told now.
        """

    async def deliver(self, found: F, upto: Mapping[int, int], /) -> None:
        """Return once the broker has all of it; anything else ends the process."""

    def tell(self) -> None:
        """For Prometheus."""


class Rhythm(Generic[F]):
    """`name` of the room, for its log. `hands`: the partitions it owns."""

    def __init__(
        self, name: str, instance: str, hands: Hands[Any], publisher: Publisher[F]
    ) -> None:
        self._name = name
        self._instance = instance
        self._hands = hands
        self._publisher = publisher
        self._log = get_logger()
        self._closing = asyncio.Event()
        self._told_at = steady()
        self._told = False

    def close(self) -> None:
        """Publish no more."""
        self._closing.set()

    def ready(self) -> tuple[bool, float]:
        """Whether what is owned was published, and lately; seconds since."""
        late = steady() - self._told_at
        return self._told and self._hands.opened and late < 5 * EVERY_S, round(late, 1)

    async def run(self) -> None:
        """Publish each second until closed."""
        with fatal(self._instance):
            await self._publisher.known()
            while not self._closing.is_set():
                began = steady()
                await self._publish()
                with suppress(TimeoutError):  # it is time again
                    async with asyncio.timeout(max(0.0, began + EVERY_S - steady())):
                        await self._closing.wait()

    async def _publish(self) -> None:
        if steady() - self._told_at > STALE_S:
            # We were stopped, perhaps: nothing of ours is believed.
            self._hands.forget(self._hands.books)
        try:
            if not self._hands.opened:
                await self._open()
            began = steady()
            async with self._hands.lock:
                found = await self._publisher.found()
                upto = self._hands.positions()
        except (Behind, scan.LogUnavailable) as error:
            self._log.warning(f"{self._name}.not_known", why=str(error))
            return
        if steady() - began > STALE_S:
            self._hands.forget(self._hands.books)
            return
        await self._publisher.deliver(found, upto)
        self._told_at, self._told = steady(), True
        self._hands.acknowledge(upto)
        self._publisher.tell()

    async def _open(self) -> None:
        """Take up what came to us; that may take long, and is no sign of having been stopped."""
        await self._publisher.known()
        async with self._hands.lock:
            await self._hands.open()
        self._told_at = steady()
