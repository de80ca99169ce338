"""When a process that died is started again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST_SECONDS: Final = 0.5
CAP_SECONDS: Final = 10.0
#: Who lived this long is not in a crash loop.
RESET_SECONDS: Final = 30.0


@dataclass(slots=True)
class Backoff:
    """At once after the first death, then starts are spaced out, twice as far each time.

    Spaced from start to start: what is killed after a good while of life returns at once, what dies
    at its start returns ever more rarely.
    """

    deaths: int = 0

    def delay(self, lived_seconds: float) -> float:
        """Seconds to wait before the next start of a process that has just died."""
        if lived_seconds >= RESET_SECONDS:
            self.deaths = 0
        self.deaths += 1
        if self.deaths == 1:
            return 0.0
        spacing = min(CAP_SECONDS, FIRST_SECONDS * 2.0 ** (self.deaths - 2))
        return max(0.0, spacing - lived_seconds)
