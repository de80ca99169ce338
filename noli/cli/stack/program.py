"""Starts one process of the stack, knows at once when it ended, stops it by its pid."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from noli.cli.problem import ProblemError
from noli.cli.stack.files import PRIVATE_FILE, last_lines
from noli.runtime import standby

#: Between two looks at a process that is not ready yet; its end is noticed at once all the same.
LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: `env` is laid over this process's own; `log` gets both outputs, appended."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # holds secrets
    #: Whether a second process is kept loaded, to go on at once when the first dies.
    spared: bool = False


class Running:
    """A started program. `gone` is set the moment it ends; `code` is its exit code then."""

    def __init__(self, program: Program, popen: subprocess.Popen[bytes]) -> None:
        """Own `popen`: nobody else may wait for it."""
        self.program = program
        self.pid = popen.pid
        self.started = time.monotonic()
        self.gone = threading.Event()
        self._popen = popen
        self._ended: Callable[[int], None] | None = None
        self._lock = threading.Lock()
        # A thread of its own, so that the end of the process is an event, not a poll.
        threading.Thread(target=self._wait, name=f"wait-{program.name}", daemon=True).start()

    @property
    def code(self) -> int | None:
        """Exit code (negative: the signal), None while it lives."""
        return self._popen.returncode if self.gone.is_set() else None

    def when_gone(self, ended: Callable[[int], None]) -> None:
        """Have `ended(code)` called when the process ends, at once if it has; from any thread."""
        with self._lock:
            if not self.gone.is_set():
                self._ended = ended
                return
        ended(self._popen.returncode)

    def _wait(self) -> None:
        code = self._popen.wait()
        with self._lock:
            if self._popen.stdin is not None:
                self._popen.stdin.close()
            if self._ended is not None:
                self._ended(code)
            self.gone.set()  # last: who waits for it may tear down what `ended` needs

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process has ended."""
        self._popen.send_signal(number)

    def go(self) -> None:
        """Tell a spare to take over; from here on it is the worker."""
        assert self._popen.stdin is not None  # noqa: S101 - a spare was launched with a pipe
        with self._lock, suppress(BrokenPipeError):  # it died just now: `when_gone` tells
            if not self._popen.stdin.closed:
                os.write(self._popen.stdin.fileno(), b"go\n")

    def stop(self, grace_seconds: float) -> None:
        """SIGTERM, then SIGKILL when it has not ended after the grace."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)  # a process that somebody paused cannot obey SIGTERM
        if not self.gone.wait(grace_seconds):
            self.signal(signal.SIGKILL)
            self.gone.wait()

    def end_error(self) -> ProblemError:
        """Why it is over, for a person: exit code and the last lines of its log."""
        return ProblemError(
            f"{self.program.name} ended with exit code {self.code} before it was ready",
            f"the whole log is {self.program.log}",
            last_lines(self.program.log),
        )


def launch(
    program: Program,
    ended: Callable[[int], None] | None = None,
    *,
    with_parent: bool = False,
    spare: bool = False,
) -> Running:
    """Start a program in a process group of its own (Ctrl-C reaches the supervisor only).

    `ended(code)` is called from another thread. `with_parent`: where the system can (Linux), the
    process is told to stop when the calling thread's process dies. `spare`: it loads and then waits
    for `go`; it ends by itself when this process does.
    """
    argv = list(program.argv)
    if with_parent and (setpriv := shutil.which("setpriv")):
        argv = [setpriv, "--pdeathsig", "TERM", *argv]
    program.log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    with os.fdopen(descriptor, "ab") as log:
        popen = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if spare else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **program.env, **({standby.VARIABLE: "1"} if spare else {})},
            process_group=0,
        )
    running = Running(program, popen)
    if ended is not None:
        running.when_gone(ended)
    return running


def until(ready: Callable[[], bool], running: Running, patience_seconds: float) -> None:
    """Block until `ready()`; raise `ProblemError` when the process ends or patience does."""
    end = time.monotonic() + patience_seconds
    while not ready():
        if running.gone.wait(LOOK_SECONDS):
            raise running.end_error()
        if time.monotonic() > end:
            raise ProblemError(
                f"{running.program.name} was not ready after {patience_seconds:.0f} s",
                f"the machine may be short of memory or very busy; log: {running.program.log}",
                last_lines(running.program.log),
            )
    if running.gone.is_set():  # somebody else answered in its place
        raise running.end_error()
