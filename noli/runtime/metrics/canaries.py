"""Canaries: reserved contacts, objected and consented each second. Set by `noli.canary`."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from noli.runtime.metrics.exposition import REGISTRY

# --- canaries -------------------------------------------------------------------------------------

#: Around the objective (5 s); below it what a healthy machine shows.
_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)

#: Probes sent; none for a while: the canary's process is stuck.
SENT = Counter("noli_probe_sent_total", "Probes sent.", ["app"], registry=REGISTRY)
#: Sent minus confirmed minus lost is what is under way.
CONFIRMED = Counter(
    "noli_probe_confirmed_total",
    "Probes that the application and the lookup confirmed within 20 s.",
    ["app"],
    registry=REGISTRY,
)
#: Any increase pages: an objection may be lost. The log (`canary.lost`) says what was missing.
LOST = Counter(
    "noli_probe_lost_total",
    "Probes not confirmed within 20 s, or read back and found otherwise.",
    ["app"],
    registry=REGISTRY,
)
#: Confirmed, but beyond the objective of 5 s: look at the application's pending contacts.
LATE = Counter(
    "noli_probe_late_total", "Probes confirmed after more than 5 s.", ["app"], registry=REGISTRY
)
#: What a person who says stop lives through.
SECONDS = Histogram(
    "noli_probe_seconds",
    "From offering a probe to the intake until application and lookup both hold it.",
    ["app"],
    buckets=_BUCKETS,
    registry=REGISTRY,
)
#: When a probe last came all the way through. Absent, as all of these, while the application is
#: paused.
LAST_SUCCESS = Gauge(
    "noli_probe_last_success_timestamp_seconds",
    "The last probe that was confirmed.",
    ["app"],
    registry=REGISTRY,
)

_ALL: Final = (SENT, CONFIRMED, LOST, LATE, SECONDS, LAST_SUCCESS)


def begin(app: str) -> None:
    """Let the series of an application exist, at 0, before anything happened."""
    for counter in (SENT, CONFIRMED, LOST, LATE):
        counter.labels(app)
    SECONDS.labels(app)


def ground(app: str) -> None:
    """It is told nothing now: that nothing moves, and its last success grows old, is no alarm."""
    for metric in _ALL:
        metric.remove_by_labels({"app": app})
