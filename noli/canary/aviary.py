"""The probes of all applications, and what is counted of them. For one event loop; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from noli.canary.flock import Bird
from noli.canary.listening import Heard
from noli.canary.probe import LATE_MS, End, Flight, Probe
from noli.runtime.logging import get_logger
from noli.runtime.metrics import canaries as metrics
from noli.wire.apps import App, State

log = get_logger()

_S: Final = 1_000  # ms in a second


class Aviary:
    """Starts with what the prober before it wrote down."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self.probes = dict(probes)
        self._running: dict[str, App] = {}

    def house(self, apps: Iterable[App]) -> None:
        """Who runs now: the others' flights are nobody's loss."""
        running = {app.name: app for app in apps if app.state is State.RUNNING}
        for name in self._running.keys() - running.keys():
            metrics.ground(name)
        for name in running.keys() - self._running.keys():
            probe = self.probes.setdefault(name, Probe(name))
            metrics.begin(name)
            if probe.last_ok is not None:
                metrics.LAST_SUCCESS.labels(name).set(probe.last_ok / _S)
        for name, probe in self.probes.items():
            if name not in running and probe.flying:
                self.probes[name] = probe.grounded()
        self._running = running

    @property
    def running(self) -> frozenset[str]:
        """Names of the applications that are told of canaries now."""
        return frozenset(self._running)

    def launched(self, names: Iterable[str], flight: Flight) -> None:
        """The intake took a post that these applications are to hear of."""
        for name in self._running.keys() & set(names):
            metrics.SENT.labels(name).inc()
            self.probes[name] = self.probes[name].launched(flight)

    def refused(self, names: Iterable[str], bird: Bird) -> None:
        """The intake did not take it in time."""
        for name in self._running.keys() & set(names):
            metrics.SENT.labels(name).inc()
            self.probes[name], end = self.probes[name].refused(bird.token)
            self._count(name, [end])

    def seen(self, names: Iterable[str], flight: Flight, at: int) -> None:
        """The lookup answered as the post wants it."""
        for name in self.probes.keys() & set(names):
            self.probes[name] = self.probes[name].seen(flight.token, flight.accepted, at)

    def heard(self, records: Iterable[Heard]) -> None:
        """What the applications said."""
        for app, place, receipt in records:
            probe = self.probes.get(app)
            if probe is None:
                continue
            if receipt is None:
                self.probes[app] = probe.passed(place)
                continue
            self.probes[app], ends = probe.received(receipt, place)
            self._count(app, ends)

    def unwatched(self) -> None:
        """Nobody asked the lookup for a while: we were not there ourselves."""
        self.probes = {name: probe.unwatched() for name, probe in self.probes.items()}

    def settle(self, until: int) -> None:
        """Count what has ended; every receipt before `until` (ms) was heard."""
        for name, app in self._running.items():
            self.probes[name], ends = self.probes[name].settled(until, app.since)
            self._count(name, ends)

    def _count(self, app: str, ends: Iterable[End]) -> None:
        for end in ends:
            if end.took is None:
                metrics.LOST.labels(app).inc()
                missing = end.missing and end.missing.value
                log.error("canary.lost", app=app, missing=missing, accepted=_accepted(end))
                continue
            metrics.CONFIRMED.labels(app).inc()
            metrics.SECONDS.labels(app).observe(end.took)
            metrics.LAST_SUCCESS.labels(app).set((self.probes[app].last_ok or 0) / _S)
            if end.took > LATE_MS / _S:
                metrics.LATE.labels(app).inc()
                log.warning("canary.late", app=app, seconds=end.took, accepted=_accepted(end))


def _accepted(end: End) -> int | None:
    return end.flight and end.flight.accepted
