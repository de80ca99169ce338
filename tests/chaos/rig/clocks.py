"""Processes with clocks of their own: libfaketime, whose offsets can be moved while they run.

Only the wall clock is moved; the steady clock, by which timeouts are kept, is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

_LIBRARY: Final = "faketime/libfaketimeMT.so.1"
_ROOTS: Final = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
)


def library() -> Path:
    """The preloaded library; skips the test, with the reason, where it is not installed."""
    for root in _ROOTS:
        if (found := Path(root) / _LIBRARY).exists():
            return found
    pytest.skip("libfaketime is not installed: apt-get install libfaketime")


@dataclass(frozen=True, slots=True)
class Skew:
    """A folder of files, each of which says how far the clock of one process is off."""

    folder: Path

    def environment(self, name: str) -> dict[str, str]:
        """What the process of that name is started with."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.folder / name),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: float, *names: str) -> None:
        """Move their clocks to so many seconds ahead (negative: behind), at once."""
        self.folder.mkdir(exist_ok=True)
        for name in names:
            fresh = self.folder / f"{name}.new"
            fresh.write_text(f"{seconds:+.3f}s\n", "ascii")
            fresh.replace(self.folder / name)
