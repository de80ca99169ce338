"""The watcher: alignment of every application, and overall. Set by `streams.watch`, nobody else."""

from __future__ import annotations

from prometheus_client import Gauge

from noli.runtime.metrics.exposition import REGISTRY

# --- the watcher: are we aligned? -----------------------------------------------------------------

#: Now minus this is the application's lag. Never ahead of the truth. 0: not known, which is not
#: aligned.
APP_WATERMARK = Gauge(
    "noli_app_watermark_timestamp_seconds",
    "The application holds every verdict accepted before this time.",
    ["app"],
    registry=REGISTRY,
)
#: The one number: the oldest of all registered applications. 0: not known.
ALIGNED_WATERMARK = Gauge(
    "noli_aligned_watermark_timestamp_seconds",
    "Every registered application holds every verdict accepted before this time.",
    registry=REGISTRY,
)
#: The exact truth of which the watermark is the projection.
APP_FRONTIER = Gauge(
    "noli_app_frontier_offset",
    "Everything below this offset is applied and confirmed.",
    ["app", "topic", "partition"],
    registry=REGISTRY,
)
#: Must be 0: each holds the alignment of every application until a human resolves it, see
#: docs/runbooks/quarantine.md. Its contact is suppressed meanwhile.
QUARANTINED_EVENTS = Gauge(
    "noli_quarantined_events", "Quarantine records nobody has resolved.", registry=REGISTRY
)
