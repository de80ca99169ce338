"""A real Chromium, and a board to look at: the whole service over HTTP, its log in this process."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from noli.board.archive import Looking
from noli.board.hub import TICK_S
from noli.board.news import read
from noli.runtime import httpserver
from noli.runtime.clock import now_ms
from noli.runtime.part import Record
from tests.support.board import CODEC, Log, Service

CHROMIUM: Final = shutil.which("chromium")
#: No sandbox: tests run as root in a container. The rest: ask nobody else for anything.
_FLAGS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP: Final = (1280, 900)
PHONE: Final = (390, 844)
#: Milliseconds that anything on a page may take, on a crowded machine.
PATIENCE_MS: Final = 20_000
_START_S: Final = 30.0


class LiveBoard:
    """The service on a port of its own, ticking by the clock. `log`: what it knows at first."""

    def __init__(
        self, folder: Path, log: Log, *, open_: bool = True, archive: Looking | None = None
    ) -> None:
        self._service = Service(folder, log, open_=open_, archive=archive)
        self.keys = self._service.keys
        self._listener = httpserver.bind("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        config = uvicorn.Config(
            self._service.app, lifespan="off", log_config=None, access_log=False, ws="none",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(_START_S)

    def say(self, *records: Record) -> None:
        """The log holds more; whoever follows is told with the next tick."""
        news = read(records, CODEC, 0)
        self._loop.call_soon_threadsafe(self._service.known.take, news)

    def stop(self) -> None:
        """Hang up on everybody, a second later at the latest."""
        self._server.should_exit = True
        self._thread.join(_START_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with self._listener, asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            self._started.set()
            runner.run(self._serve())

    async def _serve(self) -> None:
        over = asyncio.Event()
        ticking = asyncio.create_task(self._tick(over))
        await self._server.serve(sockets=[self._listener])
        over.set()
        await ticking

    async def _tick(self, over: asyncio.Event) -> None:
        while not over.is_set():
            self._service.hub.tick(now_ms())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await over.wait()


class Watched:
    """A page, what it complained of, and whom it asked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: set[str] = set()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._went)

    def until(self, script: str) -> None:
        """Wait until an expression of the page is true."""
        self.page.wait_for_function(script)

    def violations(self) -> list[str]:
        """What axe-core finds wrong, each rule with the elements it names."""
        found: Sequence[dict[str, Any]] = Axe().run(self.page).response["violations"]
        return [f"{each['id']}: {[n['target'] for n in each['nodes']]}" for each in found]

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _went(self, request: Request) -> None:
        self.asked.add(request.url.split("/", 3)[2])


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's, without a window."""
    assert CHROMIUM is not None
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=[*_FLAGS])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(
    browser: Browser,
    url: str,
    size: tuple[int, int] = DESKTOP,
    **context: Any,  # noqa: ANN401
) -> Iterator[Watched]:
    """A page in a browser profile of its own; `context`: colours, time zone, motion."""
    width, height = size
    made = browser.new_context(viewport={"width": width, "height": height}, **context)
    try:
        watched = Watched(made.new_page())
        watched.page.goto(url)
        yield watched
    finally:
        made.close()
