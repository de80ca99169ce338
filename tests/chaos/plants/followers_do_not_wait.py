"""Whoever takes over does not wait: a lane read empty is one read to its end, a past is a whole."""

from __future__ import annotations

from collections.abc import Collection

from noli.runtime.lanes import Lanes
from noli.runtime.part import Part


def plant() -> None:
    """A lane that was read empty is taken for one read to its end (before ADR 18)."""

    def reached(self: Lanes, topics: Collection[str], number: int) -> bool:
        """Nobody waits."""
        return True

    Lanes._reached = reached  # type: ignore[method-assign]
    Part.folding = False  # type: ignore[method-assign, assignment]
