"""Server-sent events (WHATWG HTML, 9.2): their form, and a client that is not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from noli.runtime.clock import steady
from noli.runtime.logging import get_logger

log = get_logger()

#: What browsers' EventSource waits before it comes back, in ms.
RETRY: Final = b"retry: 1000\n\n"


def event(name: str, at: str, data: object) -> bytes:
    """One event; with `at` as Last-Event-ID a client goes on after it."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (at.encode(), name.encode(), orjson.dumps(data))


def _unwatched(_seconds: float) -> None:
    """However long it took."""


class Events(StreamingResponse):
    """A stream of events; `over` is called at its end, however it comes.

    `waited` is told how many seconds the client took for each piece. One that takes nothing for
    `cut_s` is cut off.
    """

    def __init__(
        self,
        content: AsyncIterator[bytes],
        *,
        over: Callable[[], None],
        cut_s: float,
        waited: Callable[[float], object] = _unwatched,
    ) -> None:
        super().__init__(content, media_type="text/event-stream")
        self.headers["Cache-Control"] = "no-store"
        self._waited = waited
        self._over = over
        self._cut_s = cut_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the content ends, the client leaves or is cut off."""

        async def timed(message: Message) -> None:
            began = steady()
            async with asyncio.timeout(self._cut_s):
                await send(message)
            self._waited(steady() - began)

        try:
            await super().__call__(scope, receive, timed)
        except TimeoutError:
            log.warning("stream.cut", reason="the client took nothing", seconds=self._cut_s)
            raise
        finally:
            self._over()
