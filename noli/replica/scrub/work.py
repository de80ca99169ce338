"""A file of any size through the gate: several processes, rows in order, memory flat.

Pieces go to the processes and come back in the order of the file; there are never more under way
than `_AHEAD` a process, so neither a slow disk nor a slow process fills memory.
"""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Final, Protocol

from noli.domain.token import Pepper
from noli.replica.gate import Gate
from noli.replica.scrub.asked import Asked, Flaw, Result, Scrubbed, Tally
from noli.replica.scrub.cut import Piece
from noli.replica.scrub.reading import Opening, Reading

#: Bytes of a piece: 10,000 to 20,000 rows, some 0.1 s of work.
PIECE: Final = 512 << 10

#: Bytes read at once.
_READ: Final = 256 << 10

#: Allocations between two looks for garbage: rows are tuples, and none of them is in a cycle.
_GC_EVERY: Final = 200_000

#: Pieces under way per process.
_AHEAD: Final = 3


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy to answer from."""

    path: Path
    pepper: Pepper
    lease_s: float

    def open(self) -> Gate:
        """A gate over it."""
        return Gate.open(self.path, pepper=self.pepper, lease_seconds=self.lease_s)


class Scrubber(Protocol):
    """Scrubs pieces of one list."""

    def scrub(self, piece: Piece) -> Scrubbed:
        """The piece with its verdicts."""


class Plan(Protocol):
    """What a process must know of a list."""

    def scrubber(self, gate: Gate) -> Scrubber:
        """What scrubs pieces of it."""


@dataclass(slots=True)
class _Worker:
    """What one process keeps from piece to piece."""

    gate: Gate
    scrubber: Scrubber


_worker: list[_Worker] = []


@dataclass(slots=True)
class Job:
    """One file. `flawed` is told each unparsable row, `moved` each number of bytes read."""

    copy: Copy
    asked: Asked
    form: str
    processes: int
    flawed: Callable[[Flaw], None]
    moved: Callable[[int], None]
    tally: Tally = field(default_factory=Tally)

    def run(self, source: IO[bytes], out: IO[bytes]) -> Result:
        """Read, ask, write. Raises `Unusable`, OSError."""
        came, went = hashlib.sha256(), hashlib.sha256()

        def write(data: bytes) -> None:
            went.update(data)
            out.write(data)

        def pieces() -> Iterator[Opening | Piece]:
            reading = Reading(self.form, self.asked, PIECE)
            while data := source.read(_READ):
                came.update(data)
                yield from reading.feed(data)
                self.moved(len(data))
            yield from reading.finish()

        parts = pieces()
        opening = next(parts, None)
        if isinstance(opening, Opening):
            write(opening.lead)
            rest = (part for part in parts if isinstance(part, Piece))
            for done in self.scrubbed(opening.plan, rest):
                write(done.out)
        return Result(self.tally, came.hexdigest(), went.hexdigest())

    def scrubbed(self, plan: Plan, pieces: Iterator[Piece]) -> Iterator[Scrubbed]:
        """Pieces done, in order; they are counted and their flaws told."""
        for done in self._scrubbed(plan, pieces):
            self.tally.add([done.tally])
            for flaw in done.flaws:
                self.flawed(flaw)
            yield done

    def _scrubbed(self, plan: Plan, pieces: Iterator[Piece]) -> Iterator[Scrubbed]:
        first, second = next(pieces, None), next(pieces, None)
        known = [piece for piece in (first, second) if piece is not None]
        if self.processes == 1 or second is None:
            with self.copy.open() as gate:
                yield from map(plan.scrubber(gate).scrub, chain(known, pieces))
            return
        yield from self._shared(plan, chain(known, pieces))

    def _shared(self, plan: Plan, pieces: Iterator[Piece]) -> Iterator[Scrubbed]:
        """Pieces worked on by several processes, in order."""
        waiting: deque[Future[Scrubbed]] = deque()
        with ProcessPoolExecutor(
            self.processes,
            # A process made from scratch: the caller may have threads, and LMDB must not be forked.
            multiprocessing.get_context("spawn"),
            initializer=partial(_start, self.copy, plan),
        ) as pool:
            for piece in pieces:
                waiting.append(pool.submit(_scrub, piece))
                if len(waiting) > _AHEAD * self.processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def _start(copy: Copy, plan: Plan) -> None:
    gc.set_threshold(_GC_EVERY)
    gate = copy.open()
    _worker.append(_Worker(gate, plan.scrubber(gate)))


def _scrub(piece: Piece) -> Scrubbed:
    return _worker[0].scrubber.scrub(piece)
