"""`noli.apps` for a command: what there is, one order, and its progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noli.cli import target
from noli.cli.problem import ProblemError
from noli.runtime import apps, registry, scan
from noli.runtime.apps import Desk, Following, whoami
from noli.runtime.kafka import Acked, NotDurable
from noli.runtime.settings import Settings
from noli.wire.apps import App, Face, Job, Verb
from schemas.codec import Codec
from schemas.names import APPS, DECISIONS

_CORNER: Final = "orders"
_UP: Final = "start the stack: `noli up`, or name another; `noli topics apply` makes missing topics"
_LOOK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Log:
    """A stack whose applications are asked about."""

    settings: Settings
    codec: Codec

    def apps(self) -> dict[str, App]:
        """Every application. Raises `ProblemError`."""
        try:
            return apps.look(self.settings, self.codec, APPS)
        except scan.LogUnavailable as error:
            raise ProblemError(str(error), _UP) from error

    def app(self, name: str) -> App:
        """One of them. Raises `ProblemError` with the names there are."""
        found = self.apps()
        if name not in found:
            there = ", ".join(sorted(found)) or "none yet"
            raise ProblemError(f"no application {name!r}; there are: {there}", "`noli app add`")
        return found[name]

    def act(
        self, app: str, verb: Verb, reason: str | None = None, face: Face | None = None,
        sample: float = 1.0,
    ) -> str:  # fmt: skip
        """Write an order down, in this person's name; its id. Raises `ProblemError`."""
        try:
            return asyncio.run(self._act(app, verb, reason, face, sample))
        except NotDurable as error:
            raise ProblemError(
                f"the log did not take it: {error}", "look at `noli status`"
            ) from error

    async def _act(
        self, app: str, verb: Verb, reason: str | None, face: Face | None, sample: float
    ) -> str:
        acked = Acked(self.settings)
        try:
            desk = Desk(acked, self.codec, APPS)
            return await desk.act(app, verb, by=whoami(), reason=reason, face=face, sample=sample)
        finally:
            await acked.close()

    def follow(self, app: str, action: str, told: Callable[[Job, int], object]) -> Job:
        """Tell how far a job is, until it is done; and of how many partitions.

        Raises `ProblemError` when somebody asked for another one meanwhile.
        """
        try:
            partitions = scan.partitions(self.settings, [DECISIONS])[DECISIONS]
            with closing(Following(self.settings, self.codec, APPS)) as following:
                while True:
                    job = following.apps[app].job
                    if job is None or job.id != action:
                        raise ProblemError(
                            f"{app}: another job was asked for meanwhile", "see `noli app status`"
                        )
                    told(job, partitions)
                    if job.done(partitions):
                        return job
                    following.read(_LOOK_S)
        except scan.LogUnavailable as error:
            raise ProblemError(str(error), _UP) from error


def opened(data: Path) -> Log:
    """The stack in `data` or of the environment. Raises `ProblemError`."""
    settings = target.running(data, _CORNER)
    try:
        return Log(settings, registry.codec(settings))
    except registry.RegistryUnavailable as error:
        raise ProblemError(str(error), _UP) from error
