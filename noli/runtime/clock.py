"""The one place that reads the wall clock."""

from __future__ import annotations

import time
from typing import Final

_NS_PER_MS: Final = 1_000_000
_NS_PER_US: Final = 1_000


def now_ms() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // _NS_PER_MS


def now_us() -> int:
    """Microseconds since the epoch, UTC; what versions and epochs are drawn from."""
    return time.time_ns() // _NS_PER_US


def steady() -> float:
    """Seconds of a clock that never steps back, for intervals and deadlines."""
    return time.monotonic()
