"""What a takeover restores it does not wake: a moment that comes by itself is slept through."""

from __future__ import annotations

from noli.runtime import store
from noli.runtime.restore import Tail
from schemas import codec


def plant() -> None:
    """Restored values go into the store without their moments."""
    whole, real = Tail.flush, codec.indexed

    def asleep(data: bytes) -> tuple[bytes | None, bytes]:
        return None, real(data)[1]

    def flush(self: Tail) -> None:
        store.indexed = asleep  # type: ignore[attr-defined]  # imported there by name
        try:
            whole(self)
        finally:
            store.indexed = real  # type: ignore[attr-defined]

    Tail.flush = flush  # type: ignore[method-assign]
