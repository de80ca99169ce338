"""An event loop that stands still ends its process: whoever hangs looks alive to everybody else.

A call that never returns (`Thread.start` where memory has run out: noli.runtime.process) stops all
that the loop does; probes are answered by another thread meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final

from noli.runtime import process

if TYPE_CHECKING:
    from collections.abc import Coroutine

#: How long one look waits for the loop, and how many in a row it may miss: a minute. Looks are
#: counted, not time, so that a process which was stopped and continued has missed one.
LOOK_S: Final = 1.0
LOOKS: Final = 60


async def guarded(
    main: Coroutine[Any, Any, None], *, look_s: float = LOOK_S, looks: int = LOOKS
) -> None:
    """`main`, on a loop that is looked at from outside until it ends."""
    loop, over = asyncio.get_running_loop(), threading.Event()

    def watch() -> None:
        while not over.is_set():
            turned = threading.Event()
            try:
                loop.call_soon_threadsafe(turned.set)
            except RuntimeError:
                return  # closed: there is nothing left to stand still
            if not any(turned.wait(look_s) or over.is_set() for _ in range(looks)):
                process.die("loop", f"stood still for {looks * look_s:.0f} s; ends to start anew")
            over.wait(look_s)

    threading.Thread(target=watch, name="turning", daemon=True).start()
    try:
        await main
    finally:
        over.set()
