"""Life of a process: signals become an event, an unexpected end becomes one clear last line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Final, NoReturn

from noli.runtime import failpoints
from noli.runtime.logging import redact
from noli.runtime.ownership import refuse_intruders

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

#: Said by what needs no memory itself.
_NO_MEMORY: Final = b"MemoryError: a thread ended of it; the process ends to be started anew\n"


class Stop:
    """Set by SIGTERM or SIGINT; loops look at `requested`, waiters use `wait`."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def requested(self) -> bool:
        """Whether the process was asked to stop."""
        return self._event.is_set()

    def request(self) -> None:
        """Ask the process to stop, as a signal would."""
        self._event.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until asked to stop, at most `timeout` seconds; whether it was."""
        return self._event.wait(timeout)

    def install(self) -> Stop:
        """Take over SIGTERM and SIGINT (main thread only)."""

        def handle(_signal: int, _frame: FrameType | None) -> None:
            self._event.set()

        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGINT, handle)
        return self


def heard(stop: Stop, limit_s: float) -> asyncio.Event:
    """The request to stop as an event of the running loop; from then on the process has `limit_s`.

    In seconds: whatever it still waits for then, it ends with exit code 0.
    """
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def hear() -> None:
        stop.wait()
        limit = threading.Timer(limit_s, os._exit, [0])
        limit.daemon = True
        limit.start()
        loop.call_soon_threadsafe(asked.set)

    threading.Thread(target=hear, name="stop", daemon=True).start()
    return asked


def die(name: str, error: BaseException | str) -> NoReturn:
    """End the process at once with exit code 1; its last line says why.

    For threads and callbacks that cannot raise into the main loop: nothing after the failure may
    run, since an offset committed now could pass over an objection.
    """
    if isinstance(error, BaseException):
        sys.stderr.write(redact("".join(traceback.format_exception(error))))
    sys.stderr.write(f"{name}: {redact(last_line(error))}\n")
    sys.stderr.flush()
    os._exit(1)


def _unraisable(left: sys.UnraisableHookArgs) -> None:
    """What could be raised nowhere.

    Whoever started a thread that had no memory to begin waits for it, and for ever
    (https://github.com/python/cpython/issues/140746): the process ends instead.
    """
    _end_without_memory(left.exc_type)
    sys.__unraisablehook__(left)


def _in_thread(left: threading.ExceptHookArgs) -> None:
    """What ended a thread; its others do not know that it is gone.

    What is no exception went past everybody who would have told them (noli.runtime.callbacks).
    """
    _end_without_memory(left.exc_type)
    kind: type[object] = left.exc_type
    if not issubclass(kind, BaseException):
        name = left.thread.name if left.thread else "thread"
        die(name, f"ended by what is no exception: {left.exc_value}")
    threading.__excepthook__(left)


def _end_without_memory(error: type[BaseException]) -> None:
    if issubclass(error, MemoryError):
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, _NO_MEMORY)
        os._exit(1)


def last_line(error: BaseException | str) -> str:
    """One line that names the error."""
    if isinstance(error, str):
        return error
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def run(main: Callable[[Stop], None], name: str) -> None:
    """Run `main` until it returns or a signal stops it; an exception ends in exit code 1."""
    stop = Stop().install()
    sys.unraisablehook, threading.excepthook = _unraisable, _in_thread
    try:
        refuse_intruders()
        failpoints.arm()
        main(stop)
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the process ends here
        die(name, error)
