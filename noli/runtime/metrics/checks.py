"""The questions of dialers: answers given from a copy, in whatever process asks."""

from __future__ import annotations

from prometheus_client import Counter

from noli.runtime.metrics.exposition import REGISTRY

# --- checks before contact ------------------------------------------------------------------------

#: `suppressed_stale` is the fail-safe in action: the copy is older than its lease (`stale`), cannot
#: be trusted (`unusable`), or a question ended in an error. Each may be a call not made: above 1 %
#: it stops campaigns and needs a human.
CONTACT_CHECKS = Counter(
    "noli_contact_checks_total",
    "Answers given, by verdict (allowed, suppressed, suppressed_stale) and why: decided, stale,"
    " unusable, error.",
    ["verdict", "why"],
    registry=REGISTRY,
)
ALLOWED = CONTACT_CHECKS.labels("allowed", "decided")
SUPPRESSED = CONTACT_CHECKS.labels("suppressed", "decided")
STALE = CONTACT_CHECKS.labels("suppressed_stale", "stale")
UNUSABLE = CONTACT_CHECKS.labels("suppressed_stale", "unusable")
ERROR = CONTACT_CHECKS.labels("suppressed_stale", "error")
