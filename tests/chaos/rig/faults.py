"""What is done to a rig, and how it is undone: each fault a context manager, held by a period.

A fault is named by the row of the matrix it belongs to. `put` draws what it needs (which pair,
which toxic, which process) from the run's own chance, so a seed repeats it.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.rig.lab import Rig
from tests.support.blackbox import until

Chance = random.Random
#: Puts the fault in; what it yields says, for the report, what was drawn.
Put = Callable[[Rig, Chance], AbstractContextManager[str]]

#: A process that is starved runs for this share of each of these stretches, in seconds.
_STARVED_S: Final = 0.2
_STARVED_SHARE: Final = 0.1
#: A process that just ended is started again by then, in seconds.
_RUNS_S: Final = 10.0
#: Bytes that a broker loses of each partition: some seconds of traffic.
_TAIL: Final = 20_000


@dataclass(frozen=True, slots=True)
class Fault:
    """`hold_s`: how long it is held, drawn between the two."""

    row: str
    name: str
    put: Put
    hold_s: tuple[float, float] = (4.0, 8.0)
    #: What else must hold, of those who objected, before all is well.
    well: Callable[[Rig, Collection[str]], bool] = lambda _rig, _objectors: True
    #: What an operator does then.
    mend: Callable[[Rig], None] = lambda _rig: None


def killed(*names: str) -> Put:
    """SIGKILL again and again while it is held: 0.1 to 1 s after each start (Faust's own kit)."""

    @contextmanager
    def put(rig: Rig, chance: Chance) -> Iterator[str]:
        name = chance.choice([n for n in names if n in rig.members])
        stop = threading.Event()

        def go() -> None:
            while not stop.wait(chance.uniform(0.1, 1.0) + 1.5):
                rig.members[name].kill()

        rig.members[name].kill()
        thread = threading.Thread(target=go, daemon=True)
        thread.start()
        try:
            yield name
        finally:
            stop.set()
            thread.join()

    return put


def paused(*names: str) -> Put:
    """SIGSTOP, held, SIGCONT: a process that believes no time has passed."""

    @contextmanager
    def put(rig: Rig, chance: Chance) -> Iterator[str]:
        name = chance.choice([n for n in names if n in rig.members])
        member = rig.members[name]
        member.signal(signal.SIGSTOP)
        try:
            yield name
        finally:
            member.signal(signal.SIGCONT)

    return put


def starved(*names: str) -> Put:
    """A tenth of a CPU: stopped for nine tenths of each fifth of a second."""

    @contextmanager
    def put(rig: Rig, chance: Chance) -> Iterator[str]:
        name = chance.choice([n for n in names if n in rig.members])
        member, stop = rig.members[name], threading.Event()

        def go() -> None:
            while not stop.is_set():
                member.signal(signal.SIGSTOP)
                stop.wait(_STARVED_S * (1 - _STARVED_SHARE))
                member.signal(signal.SIGCONT)
                stop.wait(_STARVED_S * _STARVED_SHARE)

        thread = threading.Thread(target=go, daemon=True)
        thread.start()
        try:
            yield name
        finally:
            stop.set()
            thread.join()

    return put


def short_of(what: int, *names: str) -> Put:
    """A process gets no more of a resource than it has: RLIMIT_NOFILE, RLIMIT_AS.

    One that ends of it is started again without the limit, which then holds for nobody.
    """

    @contextmanager
    def put(rig: Rig, chance: Chance) -> Iterator[str]:
        name = chance.choice([n for n in names if n in rig.members])
        until(lambda: rig.members[name].pid is not None, f"{name} runs", _RUNS_S)
        pid = rig.members[name].pid or 0
        soft, hard = resource.prlimit(pid, what)
        resource.prlimit(pid, what, (_used(pid, what), hard))
        try:
            yield name
        finally:
            with suppress(ProcessLookupError):
                resource.prlimit(pid, what, (soft, hard))

    return put


def _used(pid: int, what: int) -> int:
    """How much of it a process has now; of memory, its addresses in bytes."""
    if what == resource.RLIMIT_NOFILE:
        return max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()) + 1
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[0])
    return pages * resource.getpagesize()


@contextmanager
def broker_paused(rig: Rig, chance: Chance) -> Iterator[str]:
    """SIGSTOP of a broker."""
    node = chance.choice(rig.cluster.brokers)
    node.signal(signal.SIGSTOP)
    try:
        yield f"broker {node.number}"
    finally:
        node.signal(signal.SIGCONT)


@contextmanager
def broker_killed(rig: Rig, chance: Chance) -> Iterator[str]:
    """SIGKILL of a broker; it is away while held, then started."""
    node = chance.choice(rig.cluster.brokers)
    node.kill()
    try:
        yield f"broker {node.number}"
    finally:
        node.start()
        rig.cluster.wait()


@contextmanager
def chased(rig: Rig, _chance: Chance) -> Iterator[str]:
    """Every broker in turn, clean: a rolling restart."""
    for node in rig.cluster.brokers:
        node.stop()
        node.start()
        rig.cluster.wait()
    yield "every broker, one after the other"


@contextmanager
def last_standing(rig: Rig, chance: Chance) -> Iterator[str]:
    """All brokers but one stopped; the one left alone is killed and loses its newest records.

    What it had acknowledged stands on another one too; and it must not lead what it no longer has.
    """
    *others, last = chance.sample(rig.cluster.brokers, len(rig.cluster.brokers))
    for node in others:
        node.stop()
    try:
        yield f"broker {last.number} alone, killed, its segments cut"
    finally:
        last.kill()
        for segments in last.log.glob("noli.*"):
            _cut(max(segments.glob("*.log")))
        for node in rig.cluster.brokers:
            node.start()
        rig.cluster.wait()


def _cut(segment: Path) -> None:
    """The end of a segment, in the middle of a batch as a rule."""
    os.truncate(segment, max(0, segment.stat().st_size - _TAIL))


@contextmanager
def storm(rig: Rig, chance: Chance) -> Iterator[str]:
    """Workers join and leave all the time: the group is never at rest."""
    names = [name for name in rig.members if name.startswith("suppress-")]
    stop = threading.Event()

    def go() -> None:
        while not stop.wait(chance.uniform(0.5, 2.0)):
            member = rig.members[chance.choice(names)]
            if chance.random() < 0.5:
                member.stop()
                stop.wait(chance.uniform(0.1, 1.5))
            else:
                member.kill(back=False)
            member.start()

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    try:
        yield ", ".join(names)
    finally:
        stop.set()
        thread.join()
        for name in names:
            rig.members[name].start()


@contextmanager
def conflict(rig: Rig, chance: Chance) -> Iterator[str]:
    """A second process under the name of a static member: one of the two is fenced."""
    name = chance.choice([name for name in rig.members if name.startswith("suppress-")])
    twin = rig.twin(name)
    twin.start()
    try:
        yield f"a second {name}"
    finally:
        twin.stop()


def full(name: str, *, restarted: bool = False) -> Put:
    """The disk under a directory is full; given back at the end.

    `restarted`: the process that writes there is killed meanwhile, and has to start on it.
    """

    @contextmanager
    def put(rig: Rig, _chance: Chance) -> Iterator[str]:
        disk = rig.disks[name]
        disk.fill()
        if restarted:
            rig.members[name].kill()
        try:
            yield name
        finally:
            disk.free()
            for node in rig.cluster.brokers:
                if node.process is not None and node.process.gone.is_set():
                    node.start()
            rig.cluster.wait()

    return put


def skewed(seconds: float) -> Put:
    """The clocks of the skewed processes go wrong, and right again."""

    @contextmanager
    def put(rig: Rig, _chance: Chance) -> Iterator[str]:
        rig.skew.set(seconds, *rig.plan.skewed)
        try:
            yield f"{', '.join(sorted(rig.plan.skewed))}: {seconds:+.0f} s"
        finally:
            rig.skew.set(0, *rig.plan.skewed)

    return put
