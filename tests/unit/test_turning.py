"""What hangs, or lost a thread, ends its process; what is only slow does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Final

import pytest

from noli.runtime import process
from noli.runtime.turning import guarded

_LOOK_S: Final = 0.01
_PATIENCE_S: Final = 10.0
#: A thread that has no memory: to begin, or later.
_STARVED: Final = """
import sys, threading
from noli.runtime.process import run

class Starved(threading.Thread):
    def {}(self):
        raise MemoryError

def main(stop):
    Starved().start()
    stop.wait()

run(main, "starved")
"""


def test_a_loop_that_stands_still_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that never returns is not waited for: the supervisor starts the process anew."""
    ended, said = threading.Event(), []

    def die(name: str, error: str) -> None:
        said.append(f"{name}: {error}")
        ended.set()

    monkeypatch.setattr(process, "die", die)

    async def hangs() -> None:
        assert ended.wait(_PATIENCE_S)

    asyncio.run(guarded(hangs(), look_s=_LOOK_S, looks=3))
    assert said[0].startswith("loop: stood still")


def test_a_loop_that_turns_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it runs, and whatever raised is raised."""
    monkeypatch.setattr(process, "die", lambda *_: pytest.fail("it was ended"))
    looked = threading.Event()

    async def turns() -> None:
        loop = asyncio.get_running_loop()
        real = loop.call_soon_threadsafe
        looks: list[object] = []

        def counted(callback: object, *arguments: object, **more: object) -> object:
            looks.append(callback)
            if len(looks) > 5:
                looked.set()
            return real(callback, *arguments, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        async with asyncio.timeout(_PATIENCE_S):
            while not looked.is_set():
                await asyncio.to_thread(looked.wait, _LOOK_S)
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(guarded(turns(), look_s=_LOOK_S, looks=200))


@pytest.mark.parametrize("where", ["_bootstrap", "run"])
def test_a_thread_without_memory_ends_the_process(where: str) -> None:
    """Who started it would wait for ever where it never began, and not know where it ended."""
    ran = subprocess.run(
        [sys.executable, "-c", _STARVED.format(where)],
        capture_output=True, text=True, check=False, timeout=_PATIENCE_S,
    )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr.endswith("the process ends to be started anew\n")
