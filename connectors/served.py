"""One private text over HTTP, for a target that fetches what it is to know; fetches are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from connectors.protocol import Retry

#: A request that is longer, in bytes, or slower, in seconds, is none of the target's.
_HEAD_MAX: Final = 16 * 1024
_SLOWEST_S: Final = 30.0
_GONE: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# Closed after each answer: a target that kept the connection would meet a dead one some day.
_HEAD: Final = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n"
)


class Served:
    """A text at `path`, which is its secret, on `listen` (host:port); made anew for each fetch."""

    def __init__(self, listen: str, path: str, text: Callable[[], bytes]) -> None:
        host, _, port = listen.rpartition(":")
        self._where = host, int(port)
        self._path = path.encode()
        self._text = text
        self._server: asyncio.Server | None = None
        self._fetching = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._fetched = 0

    async def open(self) -> None:
        """Listen, if it does not yet. Raises `Retry`."""
        if self._server is None:
            try:
                self._server = await asyncio.start_server(
                    self._answer, *self._where, limit=_HEAD_MAX
                )
            except OSError:
                raise Retry("not_listening") from None

    async def fetched(self) -> int:
        """How often it was fetched whole; asked while it is being fetched, counts that too."""
        await self._idle.wait()
        return self._fetched

    async def aclose(self) -> None:
        """Listen no more."""
        if self._server is not None:
            server, self._server = self._server, None
            server.close()
            await server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._fetching += 1
        self._idle.clear()
        try:
            async with asyncio.timeout(_SLOWEST_S):
                head = await reader.readuntil(b"\r\n\r\n")
                if head.split(b" ", 2)[:2] != [b"GET", self._path]:
                    writer.write(_GONE)
                else:
                    text = await asyncio.to_thread(self._text)
                    writer.write(_HEAD.format(len(text)).encode() + text)
                    await writer.drain()
                    writer.write_eof()
                    await reader.read()  # until the other side, which has it all, hangs up
                    self._fetched += 1
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # nobody of ours: who fetched nothing is not counted
        finally:
            writer.close()
            self._fetching -= 1
            if not self._fetching:
                self._idle.set()
