"""Objectives over 30 days, their error ratios, and how fast each burns its budget.

Windows and factors: the multi-window, multi-burn-rate alerts of the SRE workbook, as sloth has them
for 30 days. An objective pages when 2 % of its budget went in an hour, or 5 % in six.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from deploy.observability.rules.model import PAGE, TICKET, Alert, Clock, Group, Record

WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


class Burn(NamedTuple):
    """A speed of burning: how many times the sustainable one, over a long and a short window."""

    suffix: str
    factor: float
    long: str
    short: str
    severity: str


_FAST: Final = Burn("BurnFast", 14.4, "1h", "5m", PAGE)
_SLOW: Final = Burn("BurnSlow", 6, "6h", "30m", PAGE)
_TICKETS: Final = (
    Burn("BurnTicket", 3, "1d", "2h", TICKET),
    Burn("BurnTicket", 1, "3d", "6h", TICKET),
)


@dataclass(frozen=True, slots=True)
class Objective:
    """`bad` and `all`: rates with a `{w}` for the window; `budget`: the share that may be bad.

    `all` empty: `bad` is a share already.
    """

    name: str
    record: str
    bad: str
    all: str
    budget: float
    burns: tuple[Burn, ...]
    summary: str
    meaning: str
    runbook: str

    def records(self, clock: Clock) -> Iterator[Record]:
        """The error ratio over each window."""
        for window in WINDOWS:
            span = clock.window(window)
            bad, of_all = self.bad.replace("{w}", span), self.all.replace("{w}", span)
            share = f"({bad})\n/\n({of_all})" if of_all else bad
            yield Record(f"noli:{self.record}:ratio_rate{window}", share)

    def alerts(self) -> Iterator[Alert]:
        """Both windows above the factor: it burns, and it burns still."""
        for burn in self.burns:
            most = f"{burn.factor:g} * {self.budget:g}"
            name = f"noli:{self.record}:ratio_rate"
            yield Alert(
                f"Noli{self.name}{burn.suffix}",
                f"{name}{burn.long} > {most}\nand\n{name}{burn.short} > {most}",
                burn.severity,
                self.summary,
                f"{self.meaning} At this speed ({burn.factor:g} times the sustainable one, over"
                f" {burn.long}) the budget of 30 days is gone in"
                f" {30 / burn.factor:.2g} days.",
                self.runbook,
                labels={"objective": self.record, "window": burn.long},
            )


def _late(series: str, by: str, least: str, labels: str) -> tuple[str, str]:
    """Rates of what took longer than `least` seconds, and of all, by labels."""
    of_all = f"sum{by} (rate({series}_count{{{labels}}}[{{w}}]))"
    within = (
        f'sum{by} (rate({series}_bucket{{{labels}{"," if labels else ""}le="{least}"}}[{{w}}]))'
    )
    return f"{of_all}\n-\n{within}", of_all


#: Canaries and real objections together: one late objection among few is no burning budget, and
#: the canary of each second is what makes it a ratio. They are apart on the dashboard.
_FRESH = _late("noli_propagation_seconds", " by (app)", "5.0", 'kind="objection"')
_CHECKED = _late("noli_http_request_seconds", "", "0.01", 'route="/v1/decisions",status="200"')

OBJECTIVES: Final = (
    Objective(
        "Freshness",
        "propagation_late",
        *_FRESH,
        0.001,
        (_FAST, _SLOW, *_TICKETS),
        "{{ $labels.app }}: {{ $value | humanizePercentage }} of objections took longer than 5 s",
        "Somebody who objected may be contacted meanwhile. 99.9 % must stand in the application"
        " within 5 s.",
        "freshness-burn.md",
    ),
    Objective(
        "Intake",
        "intake_late",
        'sum (rate(noli_intake_duration_seconds_count{outcome=~"accepted|failed"}[{w}]))\n-\n'
        'sum (rate(noli_intake_duration_seconds_bucket{outcome="accepted",le="1.0"}[{w}]))',
        'sum (rate(noli_intake_duration_seconds_count{outcome=~"accepted|failed"}[{w}]))',
        0.0005,
        (_FAST, *_TICKETS),
        "{{ $value | humanizePercentage }} of posts got no receipt within 1 s",
        "Senders are told to try again, so nothing is lost while they do; an objection of a person"
        " on a web page may be. 99.95 % must be durable within 1 s.",
        "intake-burn.md",
    ),
    Objective(
        "Alignment",
        "alignment_late",
        "1 - avg_over_time(noli:aligned:bool[{w}])",
        "",
        0.001,
        _TICKETS,
        "not all applications were aligned for {{ $value | humanizePercentage }} of the time",
        "99.9 % of the time every registered application must hold what was said 10 s ago.",
        "tickets.md#noli-alignment-burn-ticket",
    ),
    Objective(
        "Check",
        "check_late",
        *_CHECKED,
        0.001,
        _TICKETS,
        "{{ $value | humanizePercentage }} of lookups took longer than 10 ms",
        "Dialers ask before each call; 99.9 % must be answered within 10 ms.",
        "tickets.md#noli-check-burn-ticket",
    ),
)


def group(clock: Clock) -> Group:
    """Error ratios and burn rates."""
    aligned = (
        "noli:aligned:bool",
        f"(time() - noli_aligned_watermark_timestamp_seconds) <= bool {clock.age(10)}",
    )
    records = [Record(*aligned)]
    alerts: list[Alert] = []
    for objective in OBJECTIVES:
        records.extend(objective.records(clock))
        alerts.extend(objective.alerts())
    return Group("objectives", records, alerts)
