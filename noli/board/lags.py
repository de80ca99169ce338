"""How late each application was, minute by minute: what the little curves are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Between two points of a curve, ms; and points kept: 15 minutes, as long as people look back.
STEP_MS: Final = 5_000
POINTS: Final = 180
_MS: Final = 1_000


class Lags:
    """The worst lag of each step of each application. Times in ms, lags in seconds."""

    def __init__(self) -> None:
        self._worst: dict[str, dict[int, int]] = {}

    def told(self, app: str, at: int, as_of: int | None) -> None:
        """At that moment the application was aligned as of `as_of`; None: nobody knows."""
        if as_of is None:
            return
        steps = self._worst.setdefault(app, {})
        step = at // STEP_MS
        steps[step] = max(steps.get(step, 0), at - as_of)

    def tick(self, now: int, as_ofs: Mapping[str, int | None]) -> None:
        """A look at all applications; those not among them, and old steps, are forgotten."""
        oldest = now // STEP_MS - POINTS
        for app in self._worst.keys() - as_ofs.keys():
            del self._worst[app]
        for app, as_of in as_ofs.items():
            self.told(app, now, as_of)
        for steps in self._worst.values():
            for step in [step for step in steps if step <= oldest]:
                del steps[step]

    def point(self, app: str, step: int) -> float | None:
        """The lag of one step, in tenths of a second; None: not known."""
        worst = self._worst.get(app, {}).get(step)
        return None if worst is None else round(worst / _MS, 1)

    def curve(self, app: str, now: int) -> list[float | None]:
        """The last `POINTS` whole steps before `now`, the newest last."""
        end = now // STEP_MS
        return [self.point(app, step) for step in range(end - POINTS, end)]
