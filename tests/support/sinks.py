"""A sink beside its real server, without the runner."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.protocol import Change, Sink


async def applied(sink: Sink, changes: Sequence[Change]) -> None:
    """Apply, and close whatever came of it."""
    try:
        await sink.apply(changes)
    finally:
        await sink.aclose()
