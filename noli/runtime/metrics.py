"""Every metric of every process, in one place.

Each is declared with its kind, unit and labels; the comment says what to do when it moves. Labels
are closed sets (application, topic, partition, outcome, reason): never a contact, never a token.
`docs/reference/metrics.md` is generated from `CATALOGUE`.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

REGISTRY: Final = CollectorRegistry()
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

#: Seconds. Fine around the push objective (0.25 s) and the SLO (5 s), coarse beyond.
PROPAGATION_BUCKETS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
)  # fmt: skip

# --- the processor loop -------------------------------------------------------------------------

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
#: Records between the worker's position and the end of the lane.
INPUT_LAG = Gauge(
    "noli_input_lag_records",
    "Records not yet processed, per lane and partition.",
    ["topic", "partition"],
    registry=REGISTRY,
)
#: Partitions this worker may write. 0 for long on every worker: nobody decides.
OWNED_PARTITIONS = Gauge(
    "noli_owned_partitions", "Partitions owned and restored.", registry=REGISTRY
)
#: Duration of the last restore.
RESTORE_SECONDS = Gauge(
    "noli_state_restore_seconds", "Duration of the last state restore.", registry=REGISTRY
)
#: Keys read by restores.
RESTORED_KEYS = Counter(
    "noli_state_restored_keys_total", "Keys read back from noli.state.", registry=REGISTRY
)
#: Somebody else wrote into an owned partition. Any increase: two workers believed they own it.
FOREIGN_RECORDS = Counter(
    "noli_foreign_records_total",
    "Records of another owner found in, and repaired over, an owned partition.",
    ["topic"],
    registry=REGISTRY,
)
#: Rebalances seen; a storm means workers die or stall.
REBALANCES = Counter("noli_rebalances_total", "Assignment changes.", ["kind"], registry=REGISTRY)
#: Commits the broker refused: this worker is fenced.
COMMIT_FAILURES = Counter(
    "noli_commit_failures_total", "Offset commits refused.", ["reason"], registry=REGISTRY
)
#: Records nobody could read. Any increase needs a human: see docs/runbooks/quarantine.md.
QUARANTINED = Counter(
    "noli_quarantined_total",
    "Records quarantined; their contact is suppressed.",
    ["reason"],
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


# --- connectors: one process per application ------------------------------------------------------

#: Batches offered to the application. `retried` rising alone: it is down or refuses; see its log.
APP_ATTEMPTS = Counter(
    "noli_app_attempts_total",
    "Batches offered to the application, by outcome: applied, partial, retried.",
    ["app", "outcome"],
    registry=REGISTRY,
)
#: `rejected` is a verdict the application can never take: it does not hold it, a human must look.
APP_CHANGES = Counter(
    "noli_app_changes_total",
    "Changes settled at the application, by outcome: applied, superseded, rejected.",
    ["app", "outcome"],
    registry=REGISTRY,
)
#: The push objective: p99 under 0.25 s, SLO 5 s. What an application's first start reads back from
#: before it was registered is not counted.
APP_APPLIED_SECONDS = Histogram(
    "noli_app_applied_seconds",
    "From the intake's acceptance to the application's confirmation.",
    ["app"],
    buckets=PROPAGATION_BUCKETS,
    registry=REGISTRY,
)
#: Contacts whose newest verdict is not confirmed. Not falling: the application does not keep up.
APP_PENDING = Gauge(
    "noli_app_pending_contacts", "Contacts waiting or in flight.", ["app"], registry=REGISTRY
)
#: Everything accepted before this moment stands in the application. 0: not known yet.
APP_ALIGNED_AS_OF = Gauge(
    "noli_app_aligned_as_of_timestamp_seconds",
    "The application holds every verdict accepted before this time.",
    ["app"],
    registry=REGISTRY,
)
#: Failures in a row; not 0: the application is not taking verdicts and is probed with back-off.
APP_FAILURES = Gauge(
    "noli_app_consecutive_failures", "Failed attempts since the last success.", ["app"],
    registry=REGISTRY,
)  # fmt: skip
#: Decisions that could not be read. Not 0: the application's alignment is held until they are.
APP_UNREADABLE = Gauge(
    "noli_app_unreadable_records", "Decisions held because nobody can read them.", ["app"],
    registry=REGISTRY,
)  # fmt: skip
#: Contacts an application holds wrongly, as read back. `allowed`, `missing` or `older` rising: see
#: docs/howto/keep-applications-aligned.md; it is being repaired, and somebody there should know.
APP_DRIFT = Counter(
    "noli_app_drift_total",
    "Contacts found wrong at the application: allowed, missing, older, newer, denied.",
    ["app", "cause"],
    registry=REGISTRY,
)
#: Contacts offered again by a backfill or repair.
APP_AGAIN = Counter(
    "noli_app_again_total", "Contacts offered again, by backfill or repair.", ["app", "verb"],
    registry=REGISTRY,
)  # fmt: skip
#: 1: somebody paused or removed the application; it is told nothing.
APP_HELD = Gauge(
    "noli_app_held", "Whether the application is paused or removed.", ["app"], registry=REGISTRY
)


# --- HTTP services: intake and lookup -------------------------------------------------------------

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
#: By outcome: accepted, repeated (same source, id and content), refused, quarantined, failed.
#: `refused` rising: a sender broke; its API key's name is in the log.
INTAKE_EVENTS = Counter(
    "noli_intake_events_total",
    "Events posted, by type (`other` for unknown ones) and outcome.",
    ["type", "outcome"],
    registry=REGISTRY,
)
#: The part of a post that the log takes. p99 above 0.1 s: look at the broker.
INTAKE_DURABLE_SECONDS = Histogram(
    "noli_intake_durable_seconds",
    "From reading the request to the last delivery report of its events.",
    buckets=PROPAGATION_BUCKETS,
    registry=REGISTRY,
)
#: Posts answered 503 because the log did not confirm. Any increase: senders are retrying.
INTAKE_PRODUCE_FAILURES = Counter(
    "noli_intake_produce_failures_total",
    "Posts whose records were not confirmed; indeterminate ones may stand in the log.",
    ["indeterminate"],
    registry=REGISTRY,
)


# --- replica: the local copy and who asks it ------------------------------------------------------

#: By outcome: taken, stale_epoch (an owner that had been replaced), superseded, unreadable (its
#: contact is denied), other_pepper, foreign_key. `unreadable` rising: look at the quarantine.
REPLICA_RECORDS = Counter(
    "noli_replica_records_total",
    "Records of noli.decisions read by the replica's writer.",
    ["outcome"],
    registry=REGISTRY,
)
#: Contacts the copy holds.
REPLICA_CONTACTS = Gauge("noli_replica_contacts", "Contacts in the copy.", registry=REGISTRY)
#: Disk the copy takes; 45 to 100 bytes a contact are normal.
REPLICA_BYTES = Gauge("noli_replica_bytes", "Bytes of the copy's pages.", registry=REGISTRY)
#: Records between the copy and the end of noli.decisions. Not falling: the writer does not keep up.
REPLICA_LAG = Gauge(
    "noli_replica_lag_records", "Records not yet in the copy.", ["partition"], registry=REGISTRY
)
#: Older than the lease (30 s): every reader denies with STALE_REPLICA. 0: no beacon yet.
REPLICA_AS_OF = Gauge(
    "noli_replica_as_of_timestamp_seconds",
    "The copy holds every decision the log took before this time.",
    registry=REGISTRY,
)
#: By reason: missing, refused, requested. `refused` rising: the disk or the broker was replaced.
REPLICA_REBUILDS = Counter(
    "noli_replica_rebuilds_total", "Copies filled from the beginning.", ["reason"],
    registry=REGISTRY,
)  # fmt: skip
#: Answers given, by outcome: allowed, denied, stale, unusable (no copy that can be trusted),
#: error. The last three deny; any of them rising stops campaigns, so it needs a human.
GATE_ANSWERS = Counter(
    "noli_gate_answers_total", "Answers given from the copy.", ["outcome"], registry=REGISTRY
)


def render() -> bytes:
    """The exposition text of this process."""
    return generate_latest(REGISTRY)
