"""Keeps a board current: listens to the log on a thread, ticks once a second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from noli.board import news
from noli.board.hub import TICK_S, Hub
from noli.board.known import Known
from noli.board.news import News
from noli.runtime import clock
from noli.runtime.part import Record
from noli.runtime.process import die
from schemas.codec import Codec

#: Seconds one look at the log waits for news; a stop waits for it.
_WAIT_S: Final = 0.25


class Listening(Protocol):
    """What is used of `noli.runtime.listening.Listener`; its calls block."""

    @property
    def caught_up(self) -> bool:
        """Whether all was read once."""

    def take(self, wait_s: float) -> list[Record]:
        """What is new."""

    def close(self) -> None:
        """Leave."""


class Watch:
    """Listens and ticks until told to stop. For one event loop."""

    def __init__(
        self, listen: Callable[[], Listening], codec: Codec, known: Known, hub: Hub
    ) -> None:
        """`listen` connects; it blocks, and is called on the thread that listens."""
        self._listen = listen
        self._codec = codec
        self._known = known
        self._hub = hub
        self._caught_up = False
        self._stopped = asyncio.Event()

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """For `/readyz`: whether all that stood in the log at the start is known."""
        if not self._caught_up:
            return False, {"why": "the log is being read"}
        return True, {"apps": len(self._known.apps)}

    def stop(self) -> None:
        """End `run` soon."""
        self._stopped.set()

    async def run(self) -> None:
        """Until `stop`. What the log cannot give any more ends the process: it starts anew."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._tick())

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "listen") as thread:
            try:
                listener = await loop.run_in_executor(thread, self._listen)
                while not self._stopped.is_set():
                    self._known.take(await loop.run_in_executor(thread, self._take, listener))
                    if listener.caught_up and not self._caught_up:
                        self._hub.tick(clock.now_ms())  # whoever asks from now on gets all of it
                        self._caught_up = True
                await loop.run_in_executor(thread, listener.close)
            except Exception as error:  # noqa: BLE001 - whatever it is, the board would show history
                die("noli.board", error)

    def _take(self, listener: Listening) -> list[News]:
        return news.read(listener.take(_WAIT_S), self._codec, clock.now_ms())

    async def _tick(self) -> None:
        while not self._stopped.is_set():
            if self._caught_up:
                self._hub.tick(clock.now_ms())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._stopped.wait()
