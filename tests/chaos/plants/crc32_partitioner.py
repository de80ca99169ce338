"""A producer with librdkafka's own partitioner: one contact stands in two partitions."""

from __future__ import annotations

from typing import Any

from noli.runtime import kafka
from noli.runtime.settings import Settings


def plant() -> None:
    """CRC32 instead of murmur2."""
    whole = kafka.producer_config

    def config(settings: Settings, **over: Any) -> dict[str, Any]:  # noqa: ANN401 - as it is
        return whole(settings, **over) | {"partitioner": "consistent_random"}

    kafka.producer_config = config
