"""One writer per copy: whoever puts anything into its directory holds this lock."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LOCK: Final = "writer.lock"


class SecondWriter(Exception):
    """Another process writes this copy."""


@contextmanager
def only_writer(copy: Path) -> Iterator[None]:
    """Hold the writer's lock; the kernel frees it when the process ends, however it ends."""
    copy.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (copy / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            remedy = "stop it, or set NOLI_REPLICA to a directory of its own"
            raise SecondWriter(f"another process writes {copy}: {remedy}") from error
        yield
