"""Canaries: reserved contacts, objected and consented each second. Set by `noli.canary`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from noli.runtime.metrics.exposition import REGISTRY

# --- canaries -------------------------------------------------------------------------------------

#: Probes sent; none for a while: the canary's process is stuck.
SENT = Counter("noli_probe_sent_total", "Probes sent.", ["app"], registry=REGISTRY)
#: A probe that no application confirmed in time. Any increase pages: an objection may be lost.
LOST = Counter("noli_probe_lost_total", "Probes not confirmed in time.", ["app"], registry=REGISTRY)
#: When a probe last came all the way through.
LAST_SUCCESS = Gauge(
    "noli_probe_last_success_timestamp_seconds",
    "The last probe that was confirmed.",
    ["app"],
    registry=REGISTRY,
)
