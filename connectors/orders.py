"""What people ask of an application while it runs: pause, backfill, verify, repair, remove.

They ask by a record in `noli.apps`; whichever process owns a partition does it there. What a
stopped process left half done, its successor begins again, until every partition says it is done.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from connectors.manifest import Manifest
from connectors.protocol import Leased, Retry, Sink, Traits
from connectors.recent import Recent
from connectors.survey import Office, Survey
from noli.runtime.apps import Following
from noli.runtime.clock import now_ms, steady
from noli.runtime.logging import get_logger
from noli.runtime.metrics import delivery
from noli.wire.apps import App, Face, Job, State, Verb

#: How long one look at `noli.apps` waits for news, in seconds.
_WAIT_S: Final = 0.2
#: How often a target with a lease is told, in seconds: several times within a lease.
_RENEW_S: Final = 5.0
_MS_PER_HOUR: Final = 3_600_000
_MS_PER_S: Final = 1_000
_S_PER_HOUR: Final = 3_600
#: Whoever owns this partition asks for what is due; one of the application's processes does.
_FIRST: Final = 0


def is_probed(manifest: Manifest, traits: Traits) -> bool:
    """Whether canaries are sent to it: one that takes minutes would only ever be late."""
    return traits.alignment == "seconds" if manifest.canary is None else manifest.canary


def face(manifest: Manifest, traits: Traits) -> Face:
    """What others may know of the application."""
    lists = (manifest.controllers, manifest.channels, manifest.purposes)
    controllers, channels, purposes = (tuple(map(str, each)) for each in lists)
    canary = is_probed(manifest, traits)
    return Face(manifest.sink, controllers, channels, purposes, manifest.third_party, canary)


class Orders:
    """Follows `noli.apps` for one application and does what is asked."""

    def __init__(self, office: Office, manifest: Manifest, following: Following) -> None:
        self._o = office
        self._manifest = manifest
        self._following = following
        #: A consumer is closed by the thread that reads it.
        self._thread = ThreadPoolExecutor(1, "apps")
        self._log = get_logger().bind(app=office.app)
        self._task: asyncio.Task[None] | None = None
        self._job: str | None = None
        every_s = manifest.reconcile.recent_seconds
        self._recent = Recent(office.app, office.runner, every_s, self._order)
        self._renews_at = 0.0
        #: When the application was last read back to the end, ms.
        self._reconciled = 0
        #: When we last asked for a read-back ourselves, ms.
        self._ordered = 0

    async def run(self) -> None:
        """Until cancelled, or the process is to stop; raises what broke a job."""
        sink, loop = self._o.open_sink(), asyncio.get_running_loop()
        try:
            await self._announce(sink.traits)
            while not self._o.closing.is_set():
                await loop.run_in_executor(self._thread, self._following.read, _WAIT_S)
                await self._steer(self._app())
                if sink.traits.read_back == "exact":
                    self._tell_reconciled(self._app())
                    await self._ask_for_what_is_due(self._app())
                    await self._recent.look(sink, busy=self._task is not None)
                await self._renew(sink)
        finally:
            await self._drop_task()
            await sink.aclose()
            await loop.run_in_executor(self._thread, self._following.close)
            self._thread.shutdown(wait=False)

    def _app(self) -> App:
        return self._following.apps.get(self._o.app) or App(self._o.app)

    async def _announce(self, traits: Traits) -> None:
        """Say who we are, where the log does not know. Who was removed stays so until `app add`."""
        app, ours = self._app(), face(self._manifest, traits)
        if app.face == ours or app.state is State.REMOVED:
            return
        verb = Verb.CHANGED if app.face else Verb.ADDED
        await self._o.desk.act(self._o.app, verb, by=self._o.worker, face=ours)

    def _tell_reconciled(self, app: App) -> None:
        """When it was last read back to the end; at first, when it began to be told."""
        period = self._manifest.reconcile.every_hours * _S_PER_HOUR
        if period:
            delivery.RECONCILE_PERIOD.labels(app.name).set(period)
        job = app.job if app.job and app.job.verb is not Verb.BACKFILL else None
        if job is None:
            self._reconciled = self._reconciled or app.since
        elif job.parts and not self._left(job):
            self._reconciled = max(part.at for part in job.parts.values())
        else:
            self._reconciled = self._reconciled or job.asked
        delivery.RECONCILED.labels(app.name).set(self._reconciled / _MS_PER_S)

    async def _steer(self, app: App) -> None:
        self._o.runner.again.hold(held=app.state is not State.RUNNING)
        if self._task and self._task.done():
            self._task.result()
            self._task = None
        job = app.job if app.job and self._left(app.job) else None
        if self._task and (job is None or job.id != self._job):
            await self._drop_task()
        if job and self._task is None and app.state is not State.REMOVED:
            self._job = job.id
            self._task = asyncio.create_task(self._carry_out(job))

    async def _carry_out(self, job: Job) -> None:
        for partition in sorted(self._left(job)):
            await Survey(self._o, job, partition).run()

    def _left(self, job: Job) -> set[int]:
        """Partitions of ours where the job is not done."""
        done = {number for number, part in job.parts.items() if part.done}
        return set(self._o.runner.again.owned() - done)

    async def _drop_task(self) -> None:
        task, self._task = self._task, None
        if task:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    # --- of its own accord ------------------------------------------------------------------------

    async def _ask_for_what_is_due(self, app: App) -> None:
        every = self._manifest.reconcile.every_hours * _MS_PER_HOUR
        if not every or app.state is not State.RUNNING or self._task:
            return
        # Our own last order counts before it is read back: a slow log is not asked again and again.
        last = max(app.job.asked if app.job else app.since, self._ordered)
        if _FIRST in self._o.runner.again.owned() and last and now_ms() - last >= every:
            sample = self._manifest.reconcile.sample
            await self._order(Verb.REPAIR, "reconcile.every_hours", sample)

    async def _renew(self, sink: Sink) -> None:
        """Let a target with a lease go on, while nobody waits there to be refused."""
        if not isinstance(sink, Leased) or steady() < self._renews_at:
            return
        as_of = self._o.runner.again.restricted_as_of()
        if as_of is None:
            return
        self._renews_at = steady() + _RENEW_S
        try:
            await sink.renew(as_of)
        except Retry as error:
            self._log.warning("lease.not_renewed", reason=error.reason)

    async def _order(self, verb: Verb, reason: str, sample: float = 1.0) -> None:
        """Ask for a job, unless one was asked for while we looked: it would take its place."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._following.read, _WAIT_S)
        await self._steer(self._app())
        if self._task:
            return
        self._ordered = now_ms()
        by = f"reconciler of {self._o.worker}"
        await self._o.desk.act(self._o.app, verb, by=by, reason=reason, sample=sample)
