"""Every fifth record is not processed."""

from __future__ import annotations

import itertools

from noli.runtime.part import Part, Record
from streams.suppress.step import Suppress


def plant() -> None:
    """Count, and leave some out."""
    whole, numbers = Suppress.process, itertools.count(1)

    def process(self: Suppress, record: Record, part: Part) -> None:
        if next(numbers) % 5:
            whole(self, record, part)

    Suppress.process = process  # type: ignore[method-assign]
