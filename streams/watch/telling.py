"""What the watcher tells Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from noli.runtime.metrics import watching
from noli.wire.alignment import OVERALL, Aligned
from noli.wire.apps import State
from schemas.names import DECISIONS
from streams.watch.alignment import World

_S: Final = 1_000.0  # ms in a second


class Telling:
    """Remembers whom it told of: an application that was removed is told of no more."""

    def __init__(self) -> None:
        #: Partitions told, by application.
        self._told: dict[str, set[int]] = {}

    def tell(self, aligned: Mapping[str, Aligned], world: World) -> None:
        """As last published."""
        watching.QUARANTINED_EVENTS.set(world.quarantined.records)
        for app, one in aligned.items():
            as_of = (one.as_of or 0) / _S
            if app == OVERALL:
                watching.ALIGNED_WATERMARK.set(as_of)
            elif app in world.apps and world.apps[app].state is not State.REMOVED:
                watching.APP_WATERMARK.labels(app).set(as_of)
                for point in one.points:
                    place = app, DECISIONS, str(point.partition)
                    watching.APP_FRONTIER.labels(*place).set(point.frontier)
                    self._told.setdefault(app, set()).add(point.partition)
            else:
                self._forget(app)

    def _forget(self, app: str) -> None:
        watching.APP_WATERMARK.remove(app)
        for partition in self._told.pop(app, ()):
            watching.APP_FRONTIER.remove(app, DECISIONS, str(partition))
