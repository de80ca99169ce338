"""Rows that say whether all is well: alignment, propagation, delivery."""

from __future__ import annotations

from typing import Final

from deploy.observability.dashboards.panels import RATE, Kind, Panel, Query, p99

_APP: Final = 'app=~"$app"'

ALIGNED: Final = (
    Panel(
        "All aligned as of",
        "Whatever was accepted before this moment stands in every registered application.",
        "dateTimeAsIso",
        (Query("noli_aligned_watermark_timestamp_seconds * 1000"),),
        Kind.NUMBER,
    ),
    Panel(
        "How long ago that is",
        "Seconds are normal. Above 30 s an application is not aligned.",
        "s",
        (Query("time() - noli_aligned_watermark_timestamp_seconds"),),
        Kind.NUMBER,
        30,
    ),
    Panel(
        "Invariants violated",
        "Must be 0; the count outlives the process that saw them.",
        "none",
        (Query("sum by (invariant) (noli_invariant_violations_total)", "{{invariant}}"),),
        Kind.NUMBER,
        1,
    ),
    Panel(
        "Age of the watermark",
        "How far each application is behind. The one that rises is the one to look at.",
        "s",
        (Query(f"time() - noli_app_watermark_timestamp_seconds{{{_APP}}}", "{{app}}"),),
        red=30,
    ),
    Panel(
        "Canaries",
        "Sent and confirmed are one line while all is well. Lost must be 0.",
        "ops",
        (
            Query(f"sum(rate(noli_probe_sent_total{RATE}))", "sent"),
            Query(f"sum(rate(noli_probe_confirmed_total{RATE}))", "confirmed"),
            Query(f"sum(rate(noli_probe_late_total{RATE}))", "late"),
            Query(f"sum(increase(noli_probe_lost_total{RATE}))", "lost"),
        ),
    ),
    Panel(
        "Last canary confirmed",
        "Since when no objection was seen to come through, by application.",
        "s",
        (Query(f"time() - noli_probe_last_success_timestamp_seconds{{{_APP}}}", "{{app}}"),),
        red=20,
    ),
)

PROPAGATION: Final = (
    Panel(
        "Objections, acceptance to confirmation",
        "Without canaries. The objective: 99.9 % within 5 s.",
        "s",
        (
            Query(
                "sum by (le) (increase(noli_propagation_seconds_bucket"
                f'{{{_APP},kind="objection",probe="false"}}{RATE}))'
            ),
        ),
        Kind.HEATMAP,
    ),
    Panel(
        "99 % of objections and canaries within",
        "A canary a second keeps the line alive where nobody objects.",
        "s",
        (
            Query(
                p99("noli_propagation_seconds", "app", f'{{{_APP},kind="objection"}}'),
                "{{app}}",
            ),
        ),
        red=5,
    ),
    Panel(
        "What a canary lives through",
        "From offering it to the intake until application and lookup both hold it.",
        "s",
        (
            Query(
                p99("noli_probe_seconds", "app"),
                "{{app}}",
            ),
        ),
        red=5,
    ),
    Panel(
        "Where the time goes, 99 %",
        "intake, log, process, deliver, apply: the widest stage is where to look.",
        "s",
        (
            Query(
                p99("noli_stage_duration_seconds", "stage"),
                "{{stage}}",
            ),
        ),
    ),
    Panel(
        "Accepted to decided, 99 %",
        "By lane: objections must not feel what the others do.",
        "s",
        (
            Query(
                p99("noli_decision_seconds", "lane"),
                "{{lane}}",
            ),
        ),
    ),
    Panel(
        "How fresh decisions are",
        "Age of the oldest partition's beacon: what readers' leases measure.",
        "s",
        (Query("time() - min(noli_beacon_as_of_timestamp_seconds)", "oldest"),),
        red=30,
    ),
)

DELIVERY: Final = (
    Panel(
        "Attempts",
        "Batches offered, by outcome. `retry`, `throttled`, `timeout`: it does not take them.",
        "ops",
        (
            Query(
                f"sum by (app, outcome) (rate(noli_delivery_attempts_total{{{_APP}}}{RATE}))",
                "{{app}} {{outcome}}",
            ),
        ),
    ),
    Panel(
        "Circuit",
        "0 closed, 1 half open, 2 open.",
        "none",
        (Query(f"noli_circuit_state{{{_APP}}}", "{{app}}"),),
        red=2,
    ),
    Panel(
        "Next try in",
        "Of an open circuit.",
        "s",
        (
            Query(
                f"(noli_circuit_next_try_timestamp_seconds{{{_APP}}} > 0) - time()",
                "{{app}}",
            ),
        ),
    ),
    Panel(
        "Pending contacts",
        "Not falling: it does not keep up.",
        "none",
        (Query(f"noli_pending_events{{{_APP}}}", "{{app}}"),),
    ),
    Panel(
        "Oldest that waits",
        "How long somebody's newest verdict is not confirmed.",
        "s",
        (
            Query(
                f"time() - (noli_oldest_pending_timestamp_seconds{{{_APP}}} > 0)",
                "{{app}}",
            ),
        ),
    ),
    Panel(
        "Time to aligned",
        "Pending contacts over what is settled: how long the backlog takes at this speed.",
        "s",
        (
            Query(
                f"(noli_pending_events{{{_APP}}} > 0) / on (app)"
                f" sum by (app) (rate(noli_app_changes_total{{{_APP}}}[5m]))",
                "{{app}}",
            ),
        ),
    ),
)
