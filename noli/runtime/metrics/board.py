"""The status page."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from noli.runtime.metrics.exposition import REGISTRY, at_zero

# --- the board ------------------------------------------------------------------------------------

#: Open streams: browser tabs, mostly.
STREAMS = Gauge("noli_board_streams", "Streams of the board now open.", registry=REGISTRY)
#: Clients let go because they read too slowly. Rising: a proxy holds the stream back (buffering).
DROPPED = Counter(
    "noli_board_dropped_total",
    "Streams ended because their client fell behind.",
    registry=REGISTRY,
)
#: By outcome: answered, partial (not all receipts were read in time), failed. `partial` or `failed`
#: rising: the log outgrew what is read for one question, see docs/howto/read-the-board.md.
TIMELINES = Counter(
    "noli_board_timelines_total",
    "Contacts whose timeline was asked for.",
    ["outcome"],
    registry=REGISTRY,
)
at_zero(TIMELINES, last=("answered", "partial", "failed"))
#: By outcome: answered, failed. `failed`: as of the timelines above.
PAST = Counter(
    "noli_board_past_decisions_total",
    "Posts that asked what was allowed in the past.",
    ["outcome"],
    registry=REGISTRY,
)
at_zero(PAST, last=("answered", "failed"))
