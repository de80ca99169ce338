"""What every process tells of itself."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import Counter, Gauge

from noli.runtime.metrics.exposition import REGISTRY, at_zero


class Invariant(StrEnum):
    """What must never be seen at run time, and is looked for where it would show."""

    #: Somebody else wrote into a partition that is owned: two workers believe they own it.
    FOREIGN_RECORD = "foreign_record"
    #: A partition has a newer owner while its older one was still writing.
    SUPERSEDED_OWNER = "superseded_owner"
    #: The log gave an offset below one it had confirmed: it lost records, or was replaced.
    LOG_WENT_BACK = "log_went_back"
    #: A sink broke its contract: not one answer per change.
    BROKEN_SINK = "broken_sink"
    #: An application holds a version that was never decided here.
    UNKNOWN_VERSION = "unknown_version"


# --- every process --------------------------------------------------------------------------------

#: What runs there: after a deployment every process shows one version.
BUILD_INFO = Gauge(
    "noli_build_info",
    "Always 1.",
    ["version", "python", "librdkafka"],
    registry=REGISTRY,
)
#: Any increase pages: stop what is being rolled out, see docs/runbooks/invariant-violated.md.
INVARIANT_VIOLATIONS = Counter(
    "noli_invariant_violations_total",
    "Things seen that must not be: foreign_record, superseded_owner, log_went_back,"
    " broken_sink, unknown_version.",
    ["invariant"],
    registry=REGISTRY,
)
at_zero(INVARIANT_VIOLATIONS, last=Invariant)
#: How old the schema ids on disk are. Old is normal: a worker starts without the registry by them.
SCHEMA_CACHE_AGE = Gauge(
    "noli_schema_cache_age_seconds",
    "Since the schema ids were asked of the registry.",
    registry=REGISTRY,
)
