"""The copy's writer and readers killed at any instruction: no wrong answer, no torn one, no end."""

from __future__ import annotations

import os
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from ctypes import c_longlong
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any, Final

import pytest

from noli.replica import store as copies
from noli.runtime.clock import now_ms
from tests.support import copywriter
from tests.support.copywriter import WRONG, Seen

LONG: Final = os.environ.get("NOLI_CHAOS") == "long"
SEED: Final = int(os.environ.get("NOLI_CHAOS_SEED") or secrets.randbelow(100_000))
KILLS: Final = 300 if LONG else 30
CROWD: Final = 100
#: A life of a writer or reader before it is killed, at most, in seconds.
LIFE_S: Final = 0.12
DEADLINE_S: Final = 30.0
#: Far above what the few people take, far below what pages kept for dead readers would.
BYTES_MAX: Final = 8 << 20

pause: Final = threading.Event()


@dataclass
class Ward:
    """A copy, and the processes around it."""

    copy: Path
    began: int
    seen: Seen
    chance: random.Random
    running: list[BaseProcess] = field(default_factory=list)

    def start(self, what: Callable[..., None], *arguments: Any) -> BaseProcess:  # noqa: ANN401
        """A process of its own."""
        process = copywriter.processes().Process(
            target=what, args=(self.copy, self.began, *arguments)
        )
        process.start()
        self.running.append(process)
        return process

    def writer(self) -> BaseProcess:
        """One that writes until killed."""
        return self.start(copywriter.write, self.chance.randrange(1 << 30))

    def reader(self, slot: int, most: int = 0) -> BaseProcess:
        """One that asks and judges."""
        return self.start(copywriter.read, self.seen, slot, most)

    def kill(self, process: BaseProcess) -> None:
        """SIGKILL at a random moment of its life; it must have been alive until then."""
        pause.wait(self.chance.random() * LIFE_S)
        process.kill()
        process.join(DEADLINE_S)
        assert process.exitcode == -signal.SIGKILL, "ended by itself: a wrong answer, or a failure"

    def until(self, what: Callable[[], bool]) -> None:
        """Look until it is so."""
        end = time.monotonic() + DEADLINE_S
        while not what():
            assert time.monotonic() < end, "did not come to that in time"
            pause.wait(0.01)


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """No copy yet; at the end no process is left."""
    print(f"NOLI_CHAOS_SEED={SEED}")
    seen = Seen(*(RawArray(c_longlong, CROWD) for _ in range(3)))
    made = Ward(tmp_path / "copy", now_ms(), seen, random.Random(SEED))
    yield made
    for process in made.running:
        process.kill()
        process.join(DEADLINE_S)


def test_killed_at_any_point_nobody_is_told_wrong(ward: Ward) -> None:
    """Writers and readers die by turns, some while they rebuild: each answer fits its `as_of`."""
    readers = [ward.reader(slot) for slot in range(4)]
    for _ in range(KILLS):
        writer = ward.writer()
        victim = ward.chance.randrange(2 * len(readers))
        if victim < len(readers):
            ward.kill(readers[victim])
            readers[victim] = ward.reader(victim)
        ward.kill(writer)
        assert all(reader.exitcode is None for reader in readers), "a reader was told wrong"
    died = now_ms()
    last = ward.writer()
    ward.until(lambda: min(ward.seen.newest[:4]) > died)
    assert last.exitcode is None
    assert sum(ward.seen.allowed) > 0, "nobody was ever allowed: nothing was tested"
    generation = copies.current(ward.copy)
    assert generation is not None
    assert (generation / "data.mdb").stat().st_size < BYTES_MAX


def test_a_hundred_processes_read_at_once(ward: Ward) -> None:
    """While a writer writes, each of them is answered right, every time."""
    writer = ward.writer()
    ward.until(lambda: copywriter.has_copy(ward.copy))
    readers = [ward.reader(slot, most=30) for slot in range(CROWD)]
    for reader in readers:
        reader.join(DEADLINE_S)
    assert {reader.exitcode for reader in readers} == {0}, f"{WRONG}: told wrong"
    assert min(ward.seen.answers) == 30 * copywriter.PEOPLE
    assert sum(each > 0 for each in ward.seen.allowed) == CROWD
    assert writer.exitcode is None
