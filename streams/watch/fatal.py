"""What is unexpected ends the process: it is started again, and reads from the log what it missed.

Faust would acknowledge the event and go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from noli.runtime.process import die


@contextmanager
def fatal(name: str) -> Iterator[None]:
    """Whatever is raised inside, but for a cancellation, ends the process named `name`."""
    try:
        yield
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - the edge, as in noli.runtime.process.run
        die(name, error)
