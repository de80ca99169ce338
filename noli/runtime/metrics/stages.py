"""The way of an event: how long each stage of it takes, and what could not go on."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from noli.runtime.metrics.exposition import PROPAGATION_BUCKETS, REGISTRY

# --- the way of an event --------------------------------------------------------------------------

#: Where the time goes. `intake`: a post to its delivery reports. `log`: in the log until a worker
#: takes it, and `process`: taken to decided and delivered, each once a batch, loads left out.
#: `deliver`: decided until the connector reads it. `apply`: one offer to the application.
#: The widest one is where to look.
STAGE_SECONDS = Histogram(
    "noli_stage_duration_seconds",
    "Time in one stage of the way: intake, log, process, deliver, apply.",
    ["stage"],
    buckets=PROPAGATION_BUCKETS,
    registry=REGISTRY,
)
#: Records nobody could read. Any increase needs a human: see docs/runbooks/quarantine.md.
QUARANTINED = Counter(
    "noli_quarantined_total",
    "Records quarantined; their contact is suppressed.",
    ["reason"],
    registry=REGISTRY,
)
