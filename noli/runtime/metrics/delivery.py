"""The connectors: one process per application."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from noli.runtime.metrics.exposition import PROPAGATION_BUCKETS, REGISTRY, at_zero

#: Outcomes of an attempt; the last four are told by the target or by its silence.
ATTEMPT_OUTCOMES: Final = ("ok", "partial", "rejected", "retry", "throttled", "timeout")
_CHANGE_OUTCOMES: Final = ("applied", "superseded", "rejected")
_CAUSES: Final = ("allowed", "missing", "older", "newer", "denied")
#: What a change does: takes away from somebody who may hold it, or anything else.
KINDS: Final = ("objection", "other")

#: Values of `noli_circuit_state`.
CLOSED: Final = 0
HALF_OPEN: Final = 1
OPEN: Final = 2

# --- connectors: one process per application ------------------------------------------------------

#: **The** indicator: p99 under 0.25 s for objections, SLO 5 s. `probe`: canaries, which give the
#: ratio a denominator when nobody objects. What an application's first start reads back from before
#: it was registered is not counted.
PROPAGATION_SECONDS = Histogram(
    "noli_propagation_seconds",
    "From the intake's acceptance to the application's confirmation; kind: objection, other.",
    ["app", "kind", "probe"],
    buckets=PROPAGATION_BUCKETS,
    registry=REGISTRY,
)
#: Batches offered to the application. `retry` rising alone: it is down or refuses; see its log.
ATTEMPTS = Counter(
    "noli_delivery_attempts_total",
    "Batches offered to the application, by outcome: ok, partial, rejected, retry, throttled,"
    " timeout.",
    ["app", "outcome"],
    registry=REGISTRY,
)
#: `rejected` is a verdict the application can never take: it does not hold it, a human must look.
CHANGES = Counter(
    "noli_app_changes_total",
    "Changes settled at the application, by outcome: applied, superseded, rejected.",
    ["app", "outcome"],
    registry=REGISTRY,
)
#: Contacts whose newest verdict is not confirmed. Not falling: the application does not keep up.
PENDING = Gauge(
    "noli_pending_events",
    "Contacts whose newest verdict waits or is in flight.",
    ["app"],
    registry=REGISTRY,
)
#: The head of the line: now minus this is how long somebody already waits. 0: nobody does.
OLDEST_PENDING = Gauge(
    "noli_oldest_pending_timestamp_seconds",
    "Acceptance of the oldest change that is not confirmed.",
    ["app"],
    registry=REGISTRY,
)
#: What the connector itself can say; the watcher's noli_app_watermark_timestamp_seconds is held
#: back by more (quarantine, parties, silence). 0: not known yet.
CONFIRMED_AS_OF = Gauge(
    "noli_app_confirmed_as_of_timestamp_seconds",
    "The application confirmed every decision accepted before this time.",
    ["app"],
    registry=REGISTRY,
)
#: Failures in a row; not 0: the application is not taking verdicts and is probed with back-off.
FAILURES = Gauge(
    "noli_app_consecutive_failures", "Failed attempts since the last success.", ["app"],
    registry=REGISTRY,
)  # fmt: skip
#: 0 closed: it takes verdicts. 2 open: it failed and is left alone until the next try. 1 half open:
#: it is being tried. Never given up: an open circuit holds the alignment, nothing is dropped.
CIRCUIT = Gauge(
    "noli_circuit_state",
    "0 closed, 1 half open (a try is under way), 2 open.",
    ["app"],
    registry=REGISTRY,
)
#: When an open circuit tries again. 0: the circuit is closed.
NEXT_TRY = Gauge(
    "noli_circuit_next_try_timestamp_seconds",
    "When the application is tried again.",
    ["app"],
    registry=REGISTRY,
)
#: Decisions that could not be read. Not 0: the application's alignment is held until they are.
UNREADABLE = Gauge(
    "noli_app_unreadable_records", "Decisions held because nobody can read them.", ["app"],
    registry=REGISTRY,
)  # fmt: skip
#: Contacts an application holds wrongly, as read back. `allowed`, `missing` or `older` rising: see
#: docs/runbooks/digest-mismatch.md; it is being repaired, and somebody there should know.
MISMATCHES = Counter(
    "noli_digest_mismatches_total",
    "Contacts found wrong at the application: allowed, missing, older, newer, denied.",
    ["app", "cause"],
    registry=REGISTRY,
)
#: When the application was last read back to the end of what was asked, right or repaired.
RECONCILED = Gauge(
    "noli_reconciliation_last_success_timestamp_seconds",
    "The last read-back that was carried out.",
    ["app"],
    registry=REGISTRY,
)
#: What `reconcile` of the manifest promises; a read-back older than twice this is overdue.
RECONCILE_PERIOD = Gauge(
    "noli_reconciliation_period_seconds",
    "How often the application is to be read back; absent: never by itself.",
    ["app"],
    registry=REGISTRY,
)
#: Contacts offered again by a backfill or repair.
AGAIN = Counter(
    "noli_app_again_total", "Contacts offered again, by backfill or repair.", ["app", "verb"],
    registry=REGISTRY,
)  # fmt: skip
#: 1: somebody paused or removed the application; it is told nothing.
HELD = Gauge(
    "noli_app_held", "Whether the application is paused or removed.", ["app"], registry=REGISTRY
)


def begin(app: str) -> None:
    """Let the counters of an application exist, at 0, before anything happened."""
    at_zero(ATTEMPTS, app, last=ATTEMPT_OUTCOMES)
    at_zero(CHANGES, app, last=_CHANGE_OUTCOMES)
    at_zero(MISMATCHES, app, last=_CAUSES)
    for kind in KINDS:
        for probe in ("false", "true"):
            PROPAGATION_SECONDS.labels(app, kind, probe)
