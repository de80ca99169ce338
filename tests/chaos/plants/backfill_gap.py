"""A backfill leaves some contacts out."""

from __future__ import annotations

from connectors.protocol import Change
from connectors.snapshot import Source


def plant() -> None:
    """Of each chunk half is lost on the way."""
    whole = Source.take

    async def take(self: Source, most: int) -> list[Change]:
        found = await whole(self, most)
        return found[::2]

    Source.take = take  # type: ignore[method-assign]
