"""No bug: a connector whose target keeps no versions, so that ours is used beside any sink."""

from __future__ import annotations

from pathlib import Path

from connectors import ledger, service
from connectors.ledger import Ledger, Ledgered
from connectors.protocol import Sink


def plant() -> None:
    """A ledger around whatever sink there is."""

    def fenced(sink: Sink, file: Path) -> Sink:
        return Ledgered(sink, Ledger(file))

    ledger.fenced = fenced
    service.fenced = fenced  # type: ignore[attr-defined]  # imported there by name
