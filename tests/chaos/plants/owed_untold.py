"""What a killed owner saved and did not tell, its successor does not tell: "seen", unheard of."""

from __future__ import annotations

from collections.abc import Collection

from noli.runtime.part import Part
from noli.runtime.processor import Processor


def plant() -> None:
    """A takeover goes on as if every state had its decision (before ADR 16)."""

    def publish(self: Processor, part: Part, keys: Collection[bytes]) -> None:
        """Nothing is told."""

    Processor._publish = publish  # type: ignore[method-assign]
