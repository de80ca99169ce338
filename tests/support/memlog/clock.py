"""Time that only moves when it is told to."""

from __future__ import annotations

from typing import Final

_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1_000
#: Any Sunday; ms.
START: Final = 1_795_852_800_000


class Clock:
    """Milliseconds since the epoch. It has what `noli.runtime.clock` uses of the module `time`."""

    def __init__(self) -> None:
        self._us = START * 1_000

    @property
    def ms(self) -> int:
        """Now."""
        return self._us // 1_000

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._us += round(seconds * 1_000_000)

    def time_ns(self) -> int:
        """The wall clock. It ticks by a microsecond a look, as a real one does."""
        self._us += 1
        return self._us * 1_000

    def monotonic(self) -> float:
        """The steady clock, seconds."""
        return (self._us - START * 1_000) / 1_000_000
