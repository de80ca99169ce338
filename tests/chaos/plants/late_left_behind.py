"""What a dead owner did not write over its successor leaves as it is (before ADR 15)."""

from __future__ import annotations

from noli.runtime.trail import Trail


def plant() -> None:
    """Late records are passed over and forgotten."""
    whole = Trail.take

    def take(self: Trail, key: bytes | None, value: bytes | None, offset: int) -> None:
        whole(self, key, value, offset)
        self.late.clear()

    Trail.take = take  # type: ignore[method-assign]
