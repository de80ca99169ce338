"""What applications confirmed, read from the log when all of it is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from noli.runtime import clock
from noli.runtime.settings import Settings
from noli.runtime.tail import Reading
from schemas.codec import Codec


def receipts(settings: Settings, codec: Codec) -> list[Mapping[str, Any]]:
    """Every receipt, once the newest is old enough that none is under way."""
    found: list[Mapping[str, Any]] = []
    reading = Reading(settings, "noli.receipts")
    end = clock.now_ms()
    try:
        while not found or found[-1]["at"] < end:
            batch = [codec.decode(record.value) for record in reading.take(1.0) if record.value]
            if not batch and found:
                break
            found += [
                datum if name == "noli.Receipt" else {**datum, "changes": []}
                for name, datum in batch
            ]
    finally:
        reading.close()
    return found
