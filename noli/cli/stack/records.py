"""DATA/processes.json: who was started, by pid and start time, so that `down` never hits another.

A pid is used again by the system; a pid with its start time is not.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from noli.cli.problem import ProblemError
from noli.cli.stack.files import read_json, write_atomic

FILE: Final = "processes.json"
LOCK: Final = "lock"
SUPERVISOR: Final = "supervisor"
#: What the workers stand on: started before them, stopped after them.
GROUND: Final = ("kafka", "registry")
#: The system derives start times from its boot time, which a clock correction may move a little.
_SAME_START_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Identity:
    """A process: its pid and when it started, in seconds since the epoch."""

    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """The living process that this is; None when it ended, also when its pid is reused."""
        with suppress(psutil.Error):
            found = psutil.Process(self.pid)
            close = abs(found.create_time() - self.started) < _SAME_START_SECONDS
            if close and found.status() != psutil.STATUS_ZOMBIE:
                return found
        return None


def identify(pid: int) -> Identity | None:
    """The identity of a running process, None when it has ended meanwhile."""
    try:
        return Identity(pid, psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def write(data: Path, processes: Mapping[str, Identity]) -> None:
    """Replace the record."""
    found = {name: asdict(identity) for name, identity in processes.items()}
    write_atomic(data / FILE, json.dumps(found, indent=2) + "\n")


def read(data: Path) -> dict[str, Identity]:
    """Every recorded process, living or not; empty where nothing was started."""
    raw = read_json(data / FILE) or {}
    return {name: Identity(**identity) for name, identity in raw.items()}


def forget(data: Path) -> None:
    """Nothing of it runs any more."""
    (data / FILE).unlink(missing_ok=True)


def living(data: Path) -> dict[str, psutil.Process]:
    """Those recorded processes that still are the ones that were started."""
    return {name: found for name, identity in read(data).items() if (found := identity.process())}


@contextmanager
def supervised(data: Path) -> Iterator[None]:
    """Hold the directory: one supervisor at a time. Raises `ProblemError` for the second."""
    with (data / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = read(data).get(SUPERVISOR)
            who = f" (supervisor pid {owner.pid})" if owner else ""
            raise ProblemError(
                f"a stack already runs in {data}{who}",
                f"look at it with `noli status --data {data}`, stop it with "
                f"`noli down --data {data}`, or start a second one with another --data",
            ) from error
        os.set_inheritable(lock.fileno(), False)  # a worker that outlives us must not hold it
        yield
