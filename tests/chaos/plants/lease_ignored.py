"""The gate answers from its copy however old it is."""

from __future__ import annotations

from pathlib import Path

from noli.domain.token import Pepper
from noli.replica.gate import Gate


def plant() -> None:
    """A year is fresh."""
    whole = Gate.__init__

    def init(self: Gate, copy: Path, pepper: Pepper, lease_s: float) -> None:
        whole(self, copy, pepper, lease_s)
        self._lease_ms = 366 * 86_400_000

    Gate.__init__ = init  # type: ignore[method-assign]
