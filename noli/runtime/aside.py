"""A blocking call beside a loop that a stop does not wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def aside(call: Callable[[], T]) -> T:
    """What `call` returns or raises, from a thread of its own.

    Not `asyncio.to_thread`: the end of a loop waits for its threads, and a broker that is away is
    asked for many seconds. This thread ends with the process.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(error: BaseException | None, result: T | None) -> None:
        if answer.done():
            return  # whoever asked has gone
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]  # T, where there is no error

    def work() -> None:
        outcome: tuple[BaseException | None, T | None]
        try:
            outcome = None, call()
        except Exception as error:  # noqa: BLE001 - raised again where it was asked for
            outcome = error, None
        with suppress(RuntimeError):  # the loop has ended, and with it whoever asked
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=work, name="aside", daemon=True).start()
    return await answer
