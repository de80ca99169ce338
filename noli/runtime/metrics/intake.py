"""The write side: what was posted, and what became of it."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Histogram

from noli.runtime.metrics.exposition import PROPAGATION_BUCKETS, REGISTRY

#: Outcomes of a post: every event durable, some refused, the log did not confirm.
OUTCOMES: Final = ("accepted", "refused", "failed")

# --- the intake -----------------------------------------------------------------------------------

#: Events that got a receipt, by type and by the door they came through: `events` (the API),
#: `one_click`, `canary` (ours). An unreadable contact counts here and in noli_quarantined_total.
ACCEPTED = Counter(
    "noli_events_accepted_total",
    "Events made durable, by type and door: events, one_click, canary.",
    ["kind", "source"],
    registry=REGISTRY,
)
#: The same source, id and content again: a sender that retries. Rising alone: it does not see our
#: answers.
REPEATED = Counter(
    "noli_events_repeated_total",
    "Events answered from memory, because they were accepted before.",
    ["kind"],
    registry=REGISTRY,
)
#: By the field that is wrong; `other` is a type that is not ours. Rising: a sender broke; its API
#: key's name is in the log.
REJECTED = Counter(
    "noli_events_rejected_total",
    "Events of which nothing was stored, by type and the field that is wrong.",
    ["kind", "reason"],
    registry=REGISTRY,
)
#: The intake's objective: `accepted` within 1 s. `failed`: answered 503, the sender retries.
DURATION = Histogram(
    "noli_intake_duration_seconds",
    "From reading a post to the last delivery report of its events: accepted, refused, failed.",
    ["outcome"],
    buckets=PROPAGATION_BUCKETS,
    registry=REGISTRY,
)
for _outcome in OUTCOMES:
    DURATION.labels(_outcome)
