"""Processes with a clock of their own: libfaketime, whose offset can be moved while they run.

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
    """A file that says how far some processes' clocks are off."""

    file: Path

    def environment(self) -> dict[str, str]:
        """What a process with this clock is started with."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: float) -> None:
        """Move the clocks to so many seconds ahead (negative: behind), at once."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{seconds:+.3f}s\n", "ascii")
        fresh.replace(self.file)
