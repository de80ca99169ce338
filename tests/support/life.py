"""An application that is paused, backfilled, read back: its runner and its orders in one loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from connectors.lens import Lens
from connectors.manifest import Manifest
from connectors.orders import Orders
from connectors.protocol import Sink
from connectors.runner import Runner
from connectors.snapshot import View
from connectors.survey import Office
from noli.runtime import apps
from noli.runtime.kafka import Acked
from noli.wire.apps import App, Job, Verb
from tests.support.blackbox import until
from tests.support.connector import APP, Lab
from tests.support.decisions import CODEC, CONTROLLER

PATIENCE_S: Final = 30.0


@dataclass
class Life:
    """A running application, and whoever gives it orders."""

    lab: Lab
    runner: Runner
    desk: apps.Desk

    async def ask(self, verb: Verb, **more: Any) -> str:  # noqa: ANN401 - fields of an action
        """As `noli app` does."""
        return await self.desk.act(APP, verb, by="someone@here", **more)

    def app(self) -> App:
        """What the log says of the application."""
        settings = self.lab.stack.settings(instance="looker")
        return apps.look(settings, CODEC, self.lab.topics["noli.apps"]).get(APP) or App(APP)

    async def finished(self, action_id: str) -> Job:
        """The job, once every partition is through."""
        job = await self.until(
            lambda: self._job(action_id), lambda job: job.done(self.lab.partitions)
        )
        assert isinstance(job, Job)
        return job

    async def until(self, ask: Callable[[], Any], good: Callable[[Any], bool]) -> Any:  # noqa: ANN401
        """The answer, once it is good."""
        found: list[Any] = []

        def is_good() -> bool:
            found[:] = [ask()]
            return good(found[0])

        await asyncio.to_thread(until, is_good, "a good answer", PATIENCE_S)
        return found[0]

    def _job(self, action_id: str) -> Job:
        job = self.app().job
        assert job is not None
        assert job.id == action_id
        return job


@asynccontextmanager
async def living(
    lab: Lab, make: Callable[[], Sink], scratch: Path, reconcile: Mapping[str, float] | None = None
) -> AsyncIterator[Life]:
    """The application, until the block ends; what broke it is raised here."""
    manifest = Manifest.model_validate(
        {
            "app": APP, "sink": "postgres", "controllers": [CONTROLLER], "purposes": ["marketing"],
            "reconcile": {"every_hours": 0, "recent_seconds": 0, **(reconcile or {})},
        }
    )  # fmt: skip
    sink = make()
    runner, task, stop = await lab.start(sink)
    settings = lab.stack.settings(instance="connectors-crm")
    acked = Acked(settings)
    desk = apps.Desk(acked, CODEC, lab.topics["noli.apps"])
    lens = Lens([CONTROLLER], purposes=["marketing"])
    view = View(settings, lab.topics["noli.decisions"], lens, CODEC, scratch)
    office = Office(APP, "connectors-crm", runner, view, desk, make, stop)
    following = await asyncio.to_thread(apps.Following, settings, CODEC, lab.topics["noli.apps"])
    orders = asyncio.create_task(Orders(office, manifest, following).run())
    try:
        yield Life(lab, runner, desk)
    finally:
        stop.set()
        orders.cancel()  # as the service does
        await asyncio.gather(task, orders, return_exceptions=True)
        task.result()
        if not orders.cancelled():
            orders.result()
        await acked.close()
        await sink.aclose()
