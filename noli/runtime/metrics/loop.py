"""The processor loop of the stream workers (`noli.runtime.processor`)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from noli.runtime.metrics.exposition import PROPAGATION_BUCKETS, REGISTRY

# --- the processor loop ---------------------------------------------------------------------------

#: Records taken from a lane, after their outputs were delivered and their state stored.
RECORDS_PROCESSED = Counter(
    "noli_records_processed_total",
    "Input records whose outputs are delivered.",
    ["topic"],
    registry=REGISTRY,
)
#: Acceptance to delivered decision. Above 0.25 s for objections: look at the lag, then the broker.
DECISION_SECONDS = Histogram(
    "noli_decision_seconds",
    "From the intake's acceptance to the delivered decision; a chunk of a load once, its oldest.",
    ["lane"],
    buckets=PROPAGATION_BUCKETS,
    registry=REGISTRY,
)
#: Partitions this worker may write. 0 for long on every worker: nobody decides.
OWNED_PARTITIONS = Gauge(
    "noli_owned_partitions", "Partitions owned and restored.", registry=REGISTRY
)
#: Keys in the state of owned partitions and in their indexes, as RocksDB estimates them.
STATE_ENTRIES = Gauge("noli_state_entries", "Keys held in the state.", registry=REGISTRY)
#: Duration of the last restore.
RESTORE_SECONDS = Gauge(
    "noli_state_restore_duration_seconds", "Duration of the last state restore.", registry=REGISTRY
)
#: Not 0 and falling: a worker restores. Not falling: the broker does not answer it.
RESTORE_REMAINING = Gauge(
    "noli_state_restore_remaining_records",
    "Records of noli.state still to be read before it starts.",
    registry=REGISTRY,
)
#: Keys read by restores.
RESTORED_KEYS = Counter(
    "noli_state_restored_keys_total", "Keys read back from noli.state.", registry=REGISTRY
)
#: Not 0 for longer than a takeover: an input is folded again from its beginning, or decisions that
#: were made anew are told again (docs/runbooks/disaster.md). Objections are told meanwhile.
OWING_PARTITIONS = Gauge(
    "noli_owing_partitions",
    "Owned partitions whose decisions do not say yet all that is known.",
    registry=REGISTRY,
)
#: Verdicts that changed by themselves. A burst is normal at midnight; a steady rise is not.
WAKES = Counter("noli_wakes_total", "Keys whose moment came and was seen to.", registry=REGISTRY)
#: Contacts derived again because their source was revoked.
SWEPT = Counter("noli_swept_total", "Keys derived again under a label.", registry=REGISTRY)
#: How fresh decisions are: now minus this is what readers' leases measure.
BEACON_AS_OF = Gauge(
    "noli_beacon_as_of_timestamp_seconds",
    "as_of of the last beacon written, per partition.",
    ["partition"],
    registry=REGISTRY,
)
#: Where the frontier of an aligned application stands (noli_app_frontier_offset).
SOURCE_END = Gauge(
    "noli_source_end_offset",
    "The end of an owned partition of the decisions.",
    ["topic", "partition"],
    registry=REGISTRY,
)
