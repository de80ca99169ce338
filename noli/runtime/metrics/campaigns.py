"""Campaigns: silent calls. Set by `streams.watch`. Never a campaign's name: their number grows."""

from __future__ import annotations

from prometheus_client import Gauge

from noli.runtime.metrics.exposition import REGISTRY

# --- campaigns ------------------------------------------------------------------------------------

#: Not 0: calls of these campaigns are refused (CAMPAIGN_SILENT_RATIO) until the ratio falls.
OVER = Gauge(
    "noli_campaigns_over_silent_ratio",
    "Campaigns with more silent calls than the law allows.",
    registry=REGISTRY,
)
