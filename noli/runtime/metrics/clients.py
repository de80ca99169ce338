"""Kafka as this process meets it: groups, deliveries, the broker's clock and its copies."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from noli.runtime.metrics.exposition import REGISTRY

# --- Kafka: groups, deliveries, the brokers -------------------------------------------------------

#: Records between what is done and the end of the log. Growing while `lag_seconds` grows: the
#: reader does not keep up; standing still above 0: it is stalled.
LAG_RECORDS = Gauge(
    "noli_consumer_lag_records",
    "Records not yet processed, per group, topic and partition.",
    ["group", "topic", "partition"],
    registry=REGISTRY,
)
#: Measured, not interpolated: for how long something that stands in the log is not processed. The
#: end is asked once a second, so a second is its grain; 0: everything is.
LAG_SECONDS = Gauge(
    "noli_consumer_lag_seconds",
    "For how long the log has held something this group has not processed.",
    ["group", "topic", "partition"],
    registry=REGISTRY,
)
#: When the group last committed. Old while there is lag: the consumer is stalled.
LAST_COMMIT = Gauge(
    "noli_consumer_last_commit_timestamp_seconds",
    "The last commit the broker took.",
    ["group"],
    registry=REGISTRY,
)
#: A committed offset stands below what this process had committed before: somebody reset the group,
#: or the offsets were lost. Harmless to the answers (a replay changes nothing), never normal.
REWINDS = Counter(
    "noli_consumer_rewinds_total",
    "Committed offsets found moved back.",
    ["group"],
    registry=REGISTRY,
)
#: Rebalances seen; a storm means workers die or stall.
REBALANCES = Counter(
    "noli_rebalances_total",
    "Assignment changes: assigned, revoked, lost.",
    ["group", "kind"],
    registry=REGISTRY,
)
#: Commits the broker refused: this worker is fenced.
COMMIT_FAILURES = Counter(
    "noli_commit_failures_total",
    "Offset commits refused, by the broker's error.",
    ["group", "reason"],
    registry=REGISTRY,
)
#: Delivery reports that were errors. `possibly_persisted`: the record may stand in the log all the
#: same; whoever sent it repeats it. Any increase: look at the brokers.
PRODUCE_FAILURES = Counter(
    "noli_produce_failures_total",
    "Records the log did not confirm, by outcome: not_persisted, possibly_persisted.",
    ["topic", "outcome"],
    registry=REGISTRY,
)
#: What the broker's append time proves of its clock: 0 while it lies between the sending and the
#: report. Beyond 2 s, leases and delays cannot be believed: correct the clock that is wrong.
CLOCK_SKEW = Gauge(
    "noli_clock_skew_seconds",
    "How far the peer's clock is ahead (above 0) or behind (below 0), at least.",
    ["peer"],
    registry=REGISTRY,
)
#: A partition with fewer copies in step than the topic demands takes no record: objections are
#: answered 503 until a broker returns.
UNDER_MIN_ISR = Gauge(
    "noli_topic_under_min_isr_partitions",
    "Partitions with fewer copies in step than min.insync.replicas.",
    ["topic"],
    registry=REGISTRY,
)
#: Fewer copies in step than there should be: nothing is lost yet.
UNDER_REPLICATED = Gauge(
    "noli_topic_under_replicated_partitions",
    "Partitions with copies out of step.",
    ["topic"],
    registry=REGISTRY,
)
