"""Targets in memory, for tests of the loop around a sink; they do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from connectors.protocol import Applied, Change, Held, Problem, Result, Subject, Traits

#: A test that waits longer than this for the runner has found a bug, in seconds.
DEADLINE_S = 20.0


@dataclass
class Target:
    """Keeps what it is given, in order. `answer` may raise, or decide on each batch."""

    traits: Traits = field(default_factory=Traits)
    answer: Callable[[Sequence[Change]], Sequence[Result]] | None = None
    #: Applications wait here while it is not set.
    open: asyncio.Event = field(default_factory=asyncio.Event)
    offered: list[list[Change]] = field(default_factory=list)
    applied: list[Change] = field(default_factory=list)
    closed: bool = False
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        """Open from the start."""
        self.open.set()

    async def check(self) -> Sequence[Problem]:
        """Always fine."""
        return []

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Note the batch, wait for `open`, answer."""
        self.offered.append(list(changes))
        await self._tell()
        await self.open.wait()
        results = self.answer(changes) if self.answer else [Applied()] * len(changes)
        for change, result in zip(changes, results, strict=False):
            if isinstance(result, Applied):
                self.applied.append(change)
        await self._tell()
        return results

    async def read_back(self, subjects: Sequence[Subject]) -> Mapping[str, Held]:
        """Nothing."""
        return {}

    async def aclose(self) -> None:
        """Remember it."""
        self.closed = True

    async def until(self, enough: Callable[[Target], bool]) -> None:
        """Wait until `enough(self)`, looked at after each batch. Raises TimeoutError."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: enough(self))

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
