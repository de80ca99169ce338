"""Whatever serves HTTP of its own: intake, lookup, status page."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from noli.runtime.metrics.exposition import PROPAGATION_BUCKETS, REGISTRY

# --- HTTP services --------------------------------------------------------------------------------

#: By route template and status. 5xx rising at the intake: the log does not take records.
HTTP_SECONDS = Histogram(
    "noli_http_request_seconds",
    "From the first byte of a request to the last of its answer.",
    ["route", "status"],
    buckets=PROPAGATION_BUCKETS,
    registry=REGISTRY,
)
#: Each second in which the key file could not be read; the keys known before stay in force.
API_KEY_RELOAD_FAILURES = Counter(
    "noli_api_key_reload_failures_total", "Looks at a key file that is unreadable.",
    registry=REGISTRY,
)  # fmt: skip
