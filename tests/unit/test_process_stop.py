"""How a process that runs an event loop is asked to stop."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

#: Asked to stop, it says so, and then its loop stands still for ever.
_STUBBORN: Final = """
import asyncio, threading
from noli.runtime.process import Stop, heard

async def main():
    stop = Stop()
    asked = heard(stop, 0.05)
    stop.request()
    await asked.wait()
    print("heard", flush=True)
    threading.Event().wait()

asyncio.run(main())
"""
_PATIENCE_S: Final = 30.0


def test_a_process_that_was_asked_to_stop_hears_it_and_ends_in_time_whatever_it_does() -> None:
    """The loop is told; what still hangs when the time is over is left, without a failure."""
    done = subprocess.run(
        [sys.executable, "-c", _STUBBORN], capture_output=True, timeout=_PATIENCE_S, check=False
    )
    assert (done.stdout, done.returncode) == (b"heard\n", 0)
