"""Runs one stack: infrastructure, topics and schemas, workers; stops them in reverse."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import httpx2

from noli.cli import contracts
from noli.cli.problem import ProblemError
from noli.cli.stack import credentials, kafka, probes, registry
from noli.cli.stack.apps import App
from noli.cli.stack.arrivals import Folder, words
from noli.cli.stack.files import last_lines
from noli.cli.stack.plan import Plan
from noli.cli.stack.program import Program
from noli.cli.stack.published import Published
from noli.cli.stack.unit import Probe, State, Unit
from noli.cli.stack.workers import CONNECTORS, Shared, Worker, command, connector
from noli.runtime.settings import Settings

#: Workers promise to stop within 2 s; beyond this they are killed.
WORKER_STOP_SECONDS: Final = 5.0

#: How often the folder of manifests is looked at, in seconds.
_LOOK_SECONDS: Final = 1.0

#: What happened, for whoever shows it: a unit that changed, or a line of text.
Report = Callable[[Unit | str], None]


class Supervisor:
    """The processes of one stack. `units` may be read by a screen at any time."""

    def __init__(self, plan: Plan, report: Report) -> None:
        self.plan = plan
        self.units: dict[str, Unit] = {}
        self.started = time.monotonic()
        self.serving = False
        self.stopping = False
        self._report = report
        self._news = asyncio.Event()
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._published = Published(plan)
        self._shared: Shared | None = None
        self._client = httpx2.AsyncClient(timeout=probes.SECONDS)

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything and keep it alive until `stop`; raises `ProblemError` if it cannot."""
        work = asyncio.create_task(self._work())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for task in (work, stopping):
                task.cancel()
                with suppress(asyncio.CancelledError, ProblemError):
                    await task
            await self._shut_down()
            await self._client.aclose()

    @property
    def ready(self) -> bool:
        """Whether every process is ready now."""
        return self.serving and all(unit.state is State.READY for unit in self.units.values())

    async def _work(self) -> None:
        node, store = await asyncio.gather(self._kafka(), self._registry())
        settings = Settings(kafka=node.bootstrap, registry=store.url, instance="noli-up")
        done = await asyncio.to_thread(contracts.apply, settings)
        changes = f"{done.pending} applied" if done.pending else "in order"
        self._report(f"topics and schemas: {changes}")
        self._start_workers(node, store)
        await self._watch_apps()  # for ever, or until one is broken

    async def _kafka(self) -> kafka.Kafka:
        plan = self.plan
        unit = self._unit("kafka")
        pair = plan.ports["kafka"], plan.ports["controller"]
        unit.to(State.STARTING, "formatting its storage")
        node = await asyncio.to_thread(
            kafka.prepare, plan.data / "kafka", pair, plan.jars, plan.java, unit.log
        )
        self._begin(unit, node.program, probes.broker(node))
        await self._first_ready(unit, kafka.START_SECONDS)
        return node

    async def _registry(self) -> registry.Registry:
        plan = self.plan
        unit = self._unit("registry")
        pair = plan.ports["registry"], plan.ports["management"]
        store = registry.prepare(plan.data / "registry", pair, plan.jars, plan.java, unit.log)
        self._begin(unit, store.program, probes.store(self._client, store, lambda: unit.pid))
        await self._first_ready(unit, registry.START_SECONDS)
        return store

    def _start_workers(self, node: kafka.Kafka, store: registry.Registry) -> None:
        plan = self.plan
        shared = Shared(
            plan.data,
            node.bootstrap,
            store.url,
            plan.url("intake"),
            plan.url("lookup"),
            plan.url("status"),
            credentials.pepper(plan.data),
            plan.data / credentials.KEYS_FILE,
        )
        self._shared = shared
        for worker in plan.workers:
            self._start_worker(worker)
        self.serving = True
        self._published.serve(node.bootstrap, store.url)

    def _start_worker(self, worker: Worker) -> None:
        assert self._shared is not None  # noqa: S101 - what all workers share is known by then
        unit = self._unit(worker.name)
        env = self._shared.environment(worker, self.plan.ports[worker.name])
        program = Program(worker.name, command(worker), unit.log, env, worker.spared)
        self._begin(unit, program, probes.worker(self._client, self.plan.url(worker.name)))

    async def _watch_apps(self) -> None:
        """Start what comes, stop what goes, restart what changed, in the folder of manifests."""
        folder = Folder(self.plan.apps) if self.plan.apps else None
        while True:
            broken, _ = await asyncio.wait(
                self._lives.values(), timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            for life in broken:
                life.result()
            try:
                news = await asyncio.to_thread(folder.look) if folder else None
            except ProblemError as problem:
                self._report(words(problem))
                continue
            if news:
                await self._take_apps(*news)

    async def _take_apps(self, found: list[App], written: set[str]) -> None:
        self.plan = self.plan.with_connectors(found)
        self.plan.write()
        self._published.applications(self.plan)
        wanted = {worker.name: worker for worker in map(connector, found)}
        running = {name for name in self.units if name.startswith(CONNECTORS)}
        changed = {connector(app).name for app in found if app.name in written}
        gone = running & (changed | (running - wanted.keys()))
        await asyncio.gather(*(self._end(name) for name in gone))
        for name in sorted(wanted.keys() - self.units.keys()):
            self._start_worker(wanted[name])
        self._publish()

    async def _end(self, name: str) -> None:
        """Stop one process for good."""
        life, unit = self._lives.pop(name), self.units[name]
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
        await _stop([unit], WORKER_STOP_SECONDS)
        del self.units[name]
        self._report(unit)

    def _unit(self, name: str) -> Unit:
        self.units[name] = Unit(name, self.plan.log(name), changed=self._changed)
        return self.units[name]

    def _begin(self, unit: Unit, program: Program, probe: Probe) -> None:
        unit.program, unit.probe = program, probe
        self._lives[unit.name] = asyncio.create_task(unit.live(), name=unit.name)

    async def _first_ready(self, unit: Unit, patience_seconds: float) -> None:
        """Wait for the first readiness. What cannot start will not by being started again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_seconds):
                while unit.state is not State.READY and not unit.restarts:
                    self._news.clear()
                    await self._news.wait()
        if unit.state is not State.READY:
            why = unit.detail or f"not ready after {patience_seconds:.0f} s"
            raise ProblemError(
                f"{unit.name} does not start: {why}",
                f"the whole log is {unit.log}; `noli doctor` looks at memory, disk and Java",
                last_lines(unit.log),
            )

    def _changed(self, unit: Unit) -> None:
        self._news.set()
        self._publish()
        self._report(unit)

    def _publish(self) -> None:
        self._published.processes(
            {name: unit.pid for name, unit in self.units.items() if unit.pid is not None}
        )

    async def _shut_down(self) -> None:
        """Workers first, so that their last words reach the log; then what they stand on."""
        self.stopping = True
        for life in self._lives.values():
            life.cancel()
        await asyncio.gather(*self._lives.values(), return_exceptions=True)
        below = {"kafka": kafka.STOP_SECONDS, "registry": registry.STOP_SECONDS}
        workers = [unit for name, unit in self.units.items() if name not in below]
        await _stop(workers, WORKER_STOP_SECONDS)
        await _stop([self.units[name] for name in below if name in self.units], max(below.values()))
        self._published.forget()


async def _stop(units: Sequence[Unit], grace_seconds: float) -> None:
    known = [one for unit in units for one in (unit.running, unit.spare)]
    running = [one for one in known if one and not one.gone.is_set()]
    for one in running:
        one.signal(signal.SIGTERM)  # all at once: the waits below go by groups of threads
    await asyncio.gather(*(asyncio.to_thread(one.stop, grace_seconds) for one in running))
    for unit in units:
        unit.pid = None
        unit.to(State.STOPPED)
