"""An application as a script plays it: it keeps the newest version, and all it was told."""

from __future__ import annotations

from collections.abc import Callable

from connectors.protocol import Applied, Change, Result, Retry
from tests.support.checker import Held, Pair, Restored, Told
from tests.support.recorded import allowed, objected


class Target:
    """The application's own side. `clock`: ms."""

    def __init__(self, name: str, clock: Callable[[], int]) -> None:
        self.name = name
        self.arrivals: list[Told | Restored] = []
        self._clock = clock
        self._held: dict[str, Told] = {}
        self.down = False
        #: It does what it is asked, and the answer gets lost.
        self.mute = False

    def take(self, change: Change) -> Result:
        """Keep it unless a newer one is held."""
        if self.down:
            return Retry("down")
        rows = [verdict._asdict() for verdict in change.verdicts]
        held = self._held.get(change.token)
        told = Told(
            self.name, self._clock(), change.token, change.version, allowed(rows), objected(rows),
            taken=held is None or held.version <= change.version,
        )  # fmt: skip
        self.arrivals.append(told)
        if told.taken:
            self._held[change.token] = told
        return Retry("mute") if self.mute else Applied()

    def restore(self, back_to: int) -> None:
        """Put a backup of that moment back."""
        self.arrivals.append(Restored(self.name, self._clock(), back_to))
        self._held = {}
        for told in self.arrivals:
            if isinstance(told, Told) and told.taken and told.at <= back_to:
                self._held[told.contact] = told

    def allows(self, token: str, pair: Pair) -> bool:
        """What it would do now."""
        held = self._held.get(token)
        return held is not None and pair in held.allowed

    def dump(self) -> dict[str, Held]:
        """All it holds."""
        return {token: Held(told.version, told.allowed) for token, told in self._held.items()}
