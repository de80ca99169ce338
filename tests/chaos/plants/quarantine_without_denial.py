"""What nobody can read is set aside for a human, and its contact goes on as before."""

from __future__ import annotations

from noli import wire
from noli.runtime.part import Part, Record
from streams import quarantine
from streams.suppress.step import Suppress


def plant() -> None:
    """Quarantined, and that is all."""
    whole = Suppress._contact

    def contact(self: Suppress, record: Record, stored: bytes | None, part: Part) -> None:
        try:
            self._read(record)
        except wire.UNREADABLE as error:
            quarantine.keep(record, part, self._codec, error)
            return
        whole(self, record, stored, part)

    Suppress._contact = contact  # type: ignore[method-assign]
