"""Campaigns: silent calls. Set by `streams.watch`. Never a campaign's name: their number grows."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from noli.runtime.metrics.exposition import REGISTRY, at_zero

# --- campaigns ------------------------------------------------------------------------------------

#: Not 0: calls of these campaigns are refused (CAMPAIGN_SILENT_RATIO) until the ratio falls.
OVER = Gauge(
    "noli_campaigns_over_silent_ratio",
    "Campaigns with more silent calls than the law allows.",
    registry=REGISTRY,
)
#: Calls counted. Silent ones above 3 in 100 of the attended: the dialer paces too fast.
CALLS = Counter(
    "noli_campaign_calls_total",
    "Answered calls of campaigns, by outcome: silent, attended.",
    ["outcome"],
    registry=REGISTRY,
)
at_zero(CALLS, last=("silent", "attended"))
#: Any: the dialer breaks what the Garante prescribes, whatever the ratio. `noli campaign report`.
BREACHES = Counter(
    "noli_campaign_breaches_total",
    "Calls by kind of breach: late_cut (a silent call cut later than 3 s), no_comfort_noise.",
    ["kind"],
    registry=REGISTRY,
)
at_zero(BREACHES, last=("late_cut", "no_comfort_noise"))
#: Not falling: an application of calls does not confirm that somebody may not be called for 5 days.
HOLDS_PENDING = Gauge(
    "noli_campaign_holds_pending",
    "Contacts held after a silent call, of whom some application of calls has not confirmed it.",
    registry=REGISTRY,
)
