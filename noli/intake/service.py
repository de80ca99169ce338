"""The intake as one ASGI application, and whether the log behind it can be reached."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final, Protocol

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from noli.intake import api, oneclick
from noli.intake.accept import Intake
from noli.intake.links import Links
from noli.runtime import apidocs, clock, copies, httpserver
from noli.runtime.apikeys import Keyring
from noli.runtime.broker import BrokerUnavailable, Cluster
from noli.runtime.limiter import Limiter
from schemas.names import CONTROL, GRANTS, OBJECTIONS, PARTIES, QUARANTINE

#: Topics without which some event could not be taken.
TOPICS: Final = frozenset({OBJECTIONS, GRANTS, PARTIES, CONTROL, QUARANTINE})

#: Seconds between two looks at the brokers, and that one look may take: a stop waits for it.
_LOOK_EVERY_S: Final = 2.0
_LOOK_TIMEOUT_S: Final = 1.0

#: Seconds' worth of its limit that a caller may post at once.
_BURST_S: Final = 2


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of."""

    intake: Intake
    keyring: Keyring
    links: Links
    events_per_s: int
    now_ms: Callable[[], int] = clock.now_ms


def application(
    parts: Parts, ready: httpserver.Readiness, apps: Sequence[BaseRoute] = ()
) -> ASGIApp:
    """The routes of the intake; `apps`: those of `noli.intake.apps`."""
    callers = Limiter(parts.events_per_s, parts.events_per_s * _BURST_S)
    clicks = Limiter(oneclick.CLICKS_PER_S, oneclick.CLICKS_BURST)
    description = resources.files("noli.intake").joinpath("openapi.json").read_text("utf-8")
    return httpserver.application(
        [
            Route(
                "/v1/events",
                api.events_handler(parts.intake, parts.keyring, callers),
                methods=["POST"],
            ),
            Route(
                "/u/{token}",
                oneclick.click_handler(parts.intake, parts.links, clicks, parts.now_ms),
                methods=["POST"],
            ),
            Route("/u/{token}", oneclick.page_handler(parts.links), methods=["GET"]),
            *apps,
            *httpserver.probes(ready),
            *apidocs.routes(description),
        ]
    )


class Look(Protocol):
    """Asks the brokers (`noli.runtime.broker.look`); blocks. Raises `BrokerUnavailable`."""

    def __call__(self, timeout_s: float) -> Cluster:
        """The cluster as it answers now."""


class Reach:
    """Whether the brokers answer and hold every topic; kept current by `watch`."""

    def __init__(self, look: Look, topics: Collection[str] = TOPICS) -> None:
        self._look = look
        self._topics = topics
        self._ready = False
        self._why = "the brokers were not asked yet"
        self._stopped = asyncio.Event()

    def __call__(self) -> tuple[bool, Mapping[str, object]]:
        """For `/readyz`."""
        return self._ready, {} if self._ready else {"why": self._why}

    async def watch(self) -> None:
        """Ask again and again until `stop`."""
        while not self._stopped.is_set():
            await self.ask()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._stopped.wait()

    def stop(self) -> None:
        """End `watch`, at the latest once the look under way is over."""
        self._stopped.set()

    async def ask(self) -> None:
        """Ask once."""
        try:
            cluster = await asyncio.to_thread(self._look, _LOOK_TIMEOUT_S)
        except BrokerUnavailable as error:
            self._ready, self._why = False, f"no broker: {error}"
            return
        copies.tell(cluster)
        missing = sorted(set(self._topics) - set(cluster.topics))
        self._ready = not missing
        self._why = f"no topic {', '.join(missing)}; run `noli topics apply`"
