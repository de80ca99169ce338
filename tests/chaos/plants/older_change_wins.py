"""Of two changes of a contact that wait for the same retry, the older one is sent."""

from __future__ import annotations

from connectors.protocol import Change
from connectors.waiting import Entry, Past


def plant() -> None:
    """The first stays."""

    def absorb(self: Entry, change: Change) -> None:
        self.past.append(Past(change.offset, change.version, change.accepted))

    Entry.absorb = absorb  # type: ignore[method-assign]
