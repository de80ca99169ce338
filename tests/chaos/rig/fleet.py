"""The processes of a rig: each its own, with its own environment, started again when it dies.

A member is killed, paused, given another clock or more environment by hand; what it did by itself
(an end that nobody asked for) is noted with its exit code, because a worker that dies is a finding
only where it does not come back.
"""

from __future__ import annotations

import signal
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from noli.cli.stack import ports
from noli.cli.stack.program import Program, Running, launch

#: As the local supervisor's first back-off: long enough not to spin, short enough to be a restart.
BACK_S: Final = 0.4
#: A process that dies again and again is started more and more slowly, at most so slowly.
BACK_MOST_S: Final = 5.0
_STOP_S: Final = 6.0
_LOOK_S: Final = 2.0


class Death(NamedTuple):
    """An end nobody asked for: steady seconds, exit code (negative: a signal)."""

    at: float
    code: int


@dataclass
class Member:
    """One worker. Use it from the test's thread; restarts happen in a thread of their own."""

    name: str
    program: Program
    port: int
    running: Running | None = None
    starts: int = 0
    deaths: list[Death] = field(default_factory=list)
    #: Variables laid over the program's own from the next start on.
    extra: dict[str, str] = field(default_factory=dict)
    #: Whether it is kept running.
    wanted: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _back_s: float = BACK_S
    #: Set when it is told to stop: nobody waits out a back-off then.
    _changed: threading.Event = field(default_factory=threading.Event)
    #: All starts are its own: the system ends a process when the thread that started it ends.
    _starter: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    @property
    def pid(self) -> int | None:
        """Of the process that runs now, None between two."""
        running = self.running
        return None if running is None or running.gone.is_set() else running.pid

    def start(self) -> None:
        """Start it, and keep it running from here on."""
        with self._lock:
            self.wanted = True
            self._changed.clear()
        self._starter.submit(self._launch).result()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL; it stays down."""
        with self._lock:
            self.wanted = False
            self._changed.set()
            running = self.running
        if running is not None:
            running.stop(_STOP_S)

    def kill(self, *, back: bool = True) -> None:
        """SIGKILL; started again at once unless `back` is false."""
        with self._lock:
            self.wanted = False
            running = self.running
        if running is not None:
            running.signal(signal.SIGKILL)
            running.gone.wait()
        if back:
            self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to what runs now."""
        running = self.running
        if running is not None:
            running.signal(number)

    def again(self, **extra: str) -> None:
        """Stop it and start it with more environment."""
        self.stop()
        self.extra |= extra
        self.start()

    def ready(self) -> bool:
        """Whether its `/readyz` says so."""
        try:
            url = f"http://{ports.HOST}:{self.port}/readyz"
            with urllib.request.urlopen(url, timeout=_LOOK_S) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def said(self) -> str:
        """What it wrote, over all its lives."""
        return self.program.log.read_text("utf-8", errors="replace")

    def _launch(self) -> None:
        if self.pid is not None:
            return  # it came back by itself meanwhile
        base = self.program
        program = Program(base.name, base.argv, base.log, {**base.env, **self.extra})
        self.starts += 1
        began = time.monotonic()
        running = launch(program, with_parent=True)
        with self._lock:
            self.running = running
        running.when_gone(lambda code: self._ended(running, began, code))

    def _ended(self, running: Running, began: float, code: int) -> None:
        with self._lock:
            if running is not self.running or not self.wanted:
                return
            self.deaths.append(Death(time.monotonic(), code))
            lived = time.monotonic() - began
            self._back_s = BACK_S if lived > BACK_MOST_S else min(self._back_s * 2, BACK_MOST_S)
            self._starter.submit(self._return, running, self._back_s)

    def _return(self, gone: Running, after_s: float) -> None:
        self._changed.wait(after_s)
        with self._lock:
            wanted = self.wanted and self.running is gone
        if wanted:
            self._launch()
