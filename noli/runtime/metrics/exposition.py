"""What the sections share: the registry of this process, its text, buckets, closed sets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

REGISTRY: Final = CollectorRegistry()
# Prometheus 2.42 knows no created timestamps: they would double the series of every counter.
disable_created_metrics()  # type: ignore[no-untyped-call]
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

#: Seconds. Fine around the push objective (0.25 s) and the SLO (5 s), coarse beyond.
PROPAGATION_BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
)  # fmt: skip


def at_zero(counter: Counter, *labels: str, last: Iterable[str]) -> None:
    """Let the series of a closed set exist, at 0: an increase from nothing is seen by no rule.

    `labels`: the first ones; `last`: every value of the one that remains.
    """
    for value in last:
        counter.labels(*labels, value)


def render() -> bytes:
    """The exposition text of this process."""
    return generate_latest(REGISTRY)
