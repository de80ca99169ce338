"""What must never be seen and was: counted, and remembered over the end of the process.

Most violations end the process that sees them, before anybody scrapes it. So each is written down
first, beside the process's state, and its successor shows the count.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Final

from noli.runtime.logging import get_logger
from noli.runtime.metrics.process import INVARIANT_VIOLATIONS, Invariant
from noli.runtime.settings import Settings


class _Book:
    """Counts by invariant, and the file they stand in; none until `resume`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._counts: dict[str, int] = {}

    def open(self, path: Path) -> None:
        """Show what earlier processes of this name saw."""
        with self._lock:
            self._path = path
            self._counts = _read(path)
            for invariant, count in self._counts.items():
                INVARIANT_VIOLATIONS.labels(invariant).inc(count)

    def add(self, invariant: Invariant, count: int) -> None:
        """Count, on disk first."""
        with self._lock:
            self._counts[invariant] = self._counts.get(invariant, 0) + count
            if self._path is not None:
                _write(self._path, self._counts)
            INVARIANT_VIOLATIONS.labels(invariant).inc(count)


def _read(path: Path) -> dict[str, int]:
    try:
        found = json.loads(path.read_text("utf-8"))
        return {Invariant(name): int(count) for name, count in found.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError) as error:
        # The count is lost, not the process: what it counts is in the log of that day.
        get_logger().error("violations.unreadable", why=type(error).__name__)
        return {}


def _write(path: Path, counts: dict[str, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(f".{os.getpid()}")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(counts, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


_book: Final = _Book()


def resume(settings: Settings) -> None:
    """Go on counting where the processes of this name stopped."""
    _book.open(settings.data / f"violations-{settings.instance}.json")


def note(invariant: Invariant, count: int = 1) -> None:
    """It was seen. Alarms (`NoliInvariantViolated`)."""
    get_logger().error("invariant.violated", invariant=invariant.value, count=count)
    _book.add(invariant, count)
