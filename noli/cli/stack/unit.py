"""One supervised process: started, watched, started again when it dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from noli.cli.stack.backoff import Backoff
from noli.cli.stack.files import last_lines
from noli.cli.stack.program import Program, Running, launch

#: Readiness has no notification: asked often until green, then as often as a person looks.
_SOON_SECONDS: Final = 0.1
_CALM_SECONDS: Final = 1.0


class State(StrEnum):
    """What a person is told of a process."""

    STARTING = "starting"
    READY = "ready"
    UNREADY = "not ready"
    WAITING = "waiting"
    STOPPED = "stopped"


#: Whether the process is ready, and a word why not.
Probe = Callable[[], Awaitable[tuple[bool, str]]]


@dataclass(slots=True)
class Unit:
    """A process of the stack. `changed` is called on the loop after every change of its fields."""

    name: str
    log: Path
    program: Program | None = None
    probe: Probe | None = None
    state: State = State.STOPPED
    detail: str = ""
    pid: int | None = None
    restarts: int = 0
    was_ready: bool = False
    since: float = 0.0
    changed: Callable[[Unit], None] = lambda _unit: None
    running: Running | None = None
    spare: Running | None = None
    backoff: Backoff = field(default_factory=Backoff)

    def to(self, state: State, detail: str = "") -> None:
        """Enter a state and tell it, unless nothing changed."""
        if (state, detail) != (self.state, self.detail):
            self.state, self.detail = state, detail
            self.was_ready = self.was_ready or state is State.READY
            self.changed(self)

    async def live(self) -> None:
        """Run the program for ever; ends by cancellation, which leaves the process running."""
        while True:
            code = await self.once()
            lived = time.monotonic() - self.since
            delay = self.backoff.delay(lived)
            self.pid = None
            self.restarts += 1
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            again = f"again in {delay:.1f} s" if delay else "again at once"
            self.to(State.WAITING, f"{how}, {again}{self._last_words(code)}")
            await asyncio.sleep(delay)

    async def once(self) -> int:
        """Start the program, watch its readiness, return its exit code at the moment it ends."""
        ended = self.start()
        watch = asyncio.create_task(self._watch())
        try:
            return await ended
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    def start(self) -> asyncio.Future[int]:
        """Start the program; the future gets the exit code."""
        assert self.program is not None  # noqa: S101 - set before a unit is started
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[int] = loop.create_future()

        def tell(code: int) -> None:
            if not ended.cancelled():
                ended.set_result(code)

        def tell_loop(code: int) -> None:
            loop.call_soon_threadsafe(tell, code)

        self.since = time.monotonic()
        spare, self.spare = self.spare, None
        if spare is not None and not spare.gone.is_set():
            self.running = spare
            spare.when_gone(tell_loop)
            spare.go()
        else:
            self.running = launch(self.program, tell_loop)
        self.pid = self.running.pid
        self.state = State.WAITING  # so that the next line tells a new pid in any case
        self.to(State.STARTING)
        return ended

    def _keep_spare(self) -> None:
        """Once the worker is ready there is time to load the one that would follow it."""
        assert self.program is not None  # noqa: S101 - set before a unit is started
        if self.program.spared and (self.spare is None or self.spare.gone.is_set()):
            self.spare = launch(self.program, spare=True)

    def _last_words(self, code: int) -> str:
        """What a process that failed by itself said last; one that was killed said nothing."""
        return f": {last_lines(self.log, 1)}" if code > 0 else ""

    async def _watch(self) -> None:
        assert self.probe is not None  # noqa: S101 - set with the program
        green = False
        while True:
            ready, why = await self.probe()
            green = green or ready
            if ready:
                self.to(State.READY)
                self._keep_spare()
            else:
                self.to(State.UNREADY if green else State.STARTING, why)
            await asyncio.sleep(_CALM_SECONDS if ready else _SOON_SECONDS)
