"""Sends the canaries and follows them: one cadence for each perch, one ear, one book-keeper.

On each perch a consent, then a stop, on one contact after the other, a period apart. The next post
waits for the lookup to hold the one before, not for the applications: each is followed by itself.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol

from noli.canary import flock, saying
from noli.canary.aviary import Aviary
from noli.canary.flock import Bird
from noli.canary.journal import Journal
from noli.canary.listening import Listener
from noli.canary.probe import LATE_MS, LOST_MS, Flight
from noli.domain.canary import Perch
from noli.domain.token import Pepper
from noli.runtime.apps import Following
from noli.runtime.clock import now_ms, steady

#: Between two looks at who there is, and at what has ended, in seconds.
_KEEP_S: Final = 0.5
#: Between two records of an application, in seconds: a crash forgets the posts of that long.
_WRITE_S: Final = 1.0
#: Between two questions to the lookup, at first and at most, in seconds.
_ASK_S: Final = 0.05
_ASK_MOST_S: Final = 1.0
#: What intake and lookup may take to become ready when all start together, in seconds.
_OPEN_S: Final = 60.0
#: Before a post that was not taken is offered again, in seconds.
_AGAIN_S: Final = 0.5
_S: Final = 1_000  # ms in a second


class Public(Protocol):
    """The public doors: `noli.canary.doors.Doors`."""

    async def ready(self) -> bool:
        """Whether both doors are."""

    async def offer(self, event: Mapping[str, Any]) -> int | None:
        """Post; when it was accepted."""

    async def verdict(self, question: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Ask."""


class Offered(NamedTuple):
    """When a post was accepted, ms, if it was; and how often it was offered."""

    accepted: int | None
    times: int


class Parts(NamedTuple):
    """What a prober works with. `partitions`: of the decisions; `period_s`: between two posts."""

    doors: Public
    following: Following
    listener: Listener
    journal: Journal
    pepper: Pepper
    partitions: int
    period_s: float


class Prober:
    """One for a whole deployment."""

    def __init__(self, parts: Parts, aviary: Aviary) -> None:
        self._p = parts
        self._aviary = aviary
        self._on: dict[Perch, frozenset[str]] = {}
        self._flights: dict[Perch, asyncio.Task[None]] = {}
        self._flocks: dict[Perch, tuple[Bird, ...]] = {}
        #: A consumer is read by one thread.
        self._threads = ThreadPoolExecutor(2, "canary")
        self._opened = asyncio.Event()
        self._stopped = asyncio.Event()

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """For /readyz; for any thread."""
        return bool(self._p.listener.read_until), {
            "perches": len(self._flights),
            "applications": sum(len(names) for names in list(self._on.values())),
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; raises what broke."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._keep(tasks))
                opening = tasks.create_task(self._open())
                await stop.wait()
                self._stopped.set()
                for task in (opening, *self._flights.values()):
                    task.cancel()
            await self._p.journal.write(self._aviary.probes.values())
        finally:
            await asyncio.to_thread(self._threads.shutdown)
            self._p.listener.close()
            self._p.following.close()

    # --- the ear and the book -------------------------------------------------------------------

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopped.is_set():
            heard = await loop.run_in_executor(self._threads, self._p.listener.listen)
            self._aviary.heard(heard)

    async def _keep(self, tasks: asyncio.TaskGroup) -> None:
        loop, looked, written = asyncio.get_running_loop(), steady(), 0.0
        while not self._stopped.is_set():
            await loop.run_in_executor(self._threads, self._p.following.read, _KEEP_S)
            if steady() - looked > LATE_MS / _S:
                self._aviary.unwatched()  # this process slept: paused, or a machine that stood
            looked = steady()
            self._perch(tasks)
            self._aviary.settle(self._p.listener.read_until)
            if steady() - written >= _WRITE_S:
                written = steady()
                await self._p.journal.write(self._aviary.probes.values())

    def _perch(self, tasks: asyncio.TaskGroup) -> None:
        """Follow who came, went, paused or changed."""
        perched = flock.perches(self._p.following.apps.values())
        self._aviary.house(itertools.chain.from_iterable(perched.values()))
        for perch in perched.keys() - self._flocks.keys():
            self._flocks[perch] = flock.birds(self._p.pepper, perch, self._p.partitions)
        self._p.listener.tokens = flock.told(perched, self._flocks)
        running = self._aviary.running
        self._on = {
            perch: names
            for perch, apps in perched.items()
            if (names := frozenset(app.name for app in apps) & running)
        }
        for perch in self._flights.keys() - self._on.keys():
            self._flights.pop(perch).cancel()
        for perch in self._on.keys() - self._flights.keys():
            self._flights[perch] = tasks.create_task(self._fly(perch))

    # --- the flights ----------------------------------------------------------------------------

    async def _open(self) -> None:
        """A stack that starts is no loss; a door that stays shut is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_OPEN_S):
                while not await self._p.doors.ready():
                    await self._pause(_AGAIN_S)
        self._opened.set()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stopped.wait()

    async def _fly(self, perch: Perch) -> None:
        await self._opened.wait()
        due = steady()
        for bird in itertools.cycle(self._flocks[perch]):
            # The stop last: who ignores it is still wrong when what was applied is read back.
            for objects in (False, True):
                await self._pause(due - steady())
                due = max(due, steady() - self._p.period_s) + self._p.period_s
                await self._post(perch, bird, objects=objects)

    async def _post(self, perch: Perch, bird: Bird, *, objects: bool) -> None:
        """One flight, until the lookup has seen it or is given up."""
        sent = now_ms()
        event = saying.event(perch, bird.contact, str(uuid.uuid4()), objects=objects)
        offered, names = await self._offered(event), self._on.get(perch, frozenset())
        if offered.accepted is None:
            if offered.times > 1:  # else this process slept in the middle of it
                self._aviary.refused(names, bird)
            return
        flight = Flight(bird.token, objects, sent, offered.accepted)
        self._aviary.launched(names, flight)
        if (at := await self._seen(perch, bird, flight)) is not None:
            self._aviary.seen(names, flight, at)

    async def _offered(self, event: Mapping[str, Any]) -> Offered:
        """Insist, always with the same id, until it is accepted or lost."""
        times = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(LOST_MS / _S):
                while True:
                    times += 1
                    if (accepted := await self._p.doors.offer(event)) is not None:
                        return Offered(accepted, times)
                    await self._pause(_AGAIN_S)
        return Offered(None, times)

    async def _seen(self, perch: Perch, bird: Bird, flight: Flight) -> int | None:
        """When the lookup answered as the flight wants it, ms."""
        question, pause = saying.question(perch, bird.contact), _ASK_S
        while now_ms() - flight.sent <= LOST_MS:
            verdict = await self._p.doors.verdict(question)
            if verdict is not None and saying.answers(verdict, objects=flight.objects):
                return now_ms()
            await self._pause(pause)
            pause = min(2 * pause, _ASK_MOST_S)
        return None
