"""Processes, consumers, the brokers."""

from __future__ import annotations

from typing import Final

from deploy.observability.rules.model import (
    NONE,
    PAGE,
    TICKET,
    Alert,
    Clock,
    Group,
    Record,
    happened,
)

#: Lanes that nobody waits at, and applications, whose stand is the watermark.
_WAITED_FOR: Final = 'topic!="noli.bulk",group!~"noli[.]app[.].*"'
#: Seconds that two clocks may differ before leases and delays are doubtful.
_SKEW_S: Final = 2
#: Series without which nothing above can fire; each from another process.
VITAL: Final = (
    "noli_aligned_watermark_timestamp_seconds",
    "noli_app_watermark_timestamp_seconds",
    "noli_beacon_as_of_timestamp_seconds",
    "noli_contact_checks_total",
    "noli_events_accepted_total",
    "noli_invariant_violations_total",
    "noli_propagation_seconds_count",
    "noli_replica_as_of_timestamp_seconds",
)

#: Canaries may be off, or all their applications paused, and that is no alarm.
_FLOWN: Final = "noli_probe_sent_total"


def group(clock: Clock) -> Group:
    """What runs, and whether it gets on."""
    lag = Record(
        "noli:consumer_lag_seconds:max",
        f"max by (group) (noli_consumer_lag_seconds{{{_WAITED_FOR}}})",
    )
    return Group("pipeline", (lag,), (*_processes(clock), *_consumers(clock), *_brokers(clock)))


def _processes(clock: Clock) -> tuple[Alert, ...]:
    absent = "\nor\n".join(_named(f"absent({series})", series) for series in VITAL)
    # They flew within the hour, and no prober answers that could say why they do not.
    grounded = (
        f"absent({_FLOWN})\n"
        f"and on () count(max_over_time({_FLOWN}[{clock.window('1h')}]))\n"
        'unless on () up{job="noli",process="canary"} == 1'
    )
    return (
        Alert(
            "NoliProcessDown",
            'up{job="noli"} == 0',
            PAGE,
            "{{ $labels.process }} at {{ $labels.instance }} does not answer",
            "Whatever it does is not done: see the table of processes in the runbook.",
            "process-down.md",
            lasting=clock.window("1m"),
        ),
        Alert(
            "NoliSeriesAbsent",
            f"{absent}\nor\n{_named(grounded, _FLOWN)}",
            PAGE,
            "{{ $labels.series }} is scraped from nobody",
            "Alerts that rest on it cannot fire.",
            "series-absent.md",
            lasting=clock.window("5m"),
        ),
        Alert(
            "NoliDeadMan",
            "vector(1)",
            NONE,
            "always firing: alerts arrive",
            "Route it to something outside that pages when it stops.",
            "tickets.md#noli-dead-man",
        ),
    )


def _named(absent: str, series: str) -> str:
    """With the series in a label, whatever else it bears."""
    return f'label_replace({absent}, "series", "{series}", "", "")'


def _consumers(clock: Clock) -> tuple[Alert, ...]:
    ten = clock.window("10m")
    lagging = f"sum by (instance, group) (noli_consumer_lag_records{{{_WAITED_FOR}}}) > 0"
    return (
        Alert(
            "NoliConsumerStalled",
            # A loop that is stuck tells no lag either: its beacons stop, which it cannot hide.
            "time() - min by (instance, process) (noli_beacon_as_of_timestamp_seconds)"
            f" > {clock.age(60)}\nor\n"
            f"time() - noli_consumer_last_commit_timestamp_seconds > {clock.age(60)}\n"
            f"and on (instance, group)\n({lagging})",
            PAGE,
            "{{ $labels.process }} {{ $labels.group }} has got nothing done for"
            " {{ $value | humanizeDuration }}",
            "The process answers, and its loop stands still. Objections wait behind it.",
            "consumer-stalled.md",
            lasting=clock.window("30s"),
        ),
        Alert(
            "NoliConsumerRewound",
            happened("noli_consumer_rewinds_total", ten),
            PAGE,
            "offsets of {{ $labels.group }} moved back",
            "Somebody reset the group, or the broker lost its offsets. A replay changes no answer;"
            " that it was necessary may.",
            "consumer-rewound.md",
        ),
        Alert(
            "NoliLagGrowing",
            f"deriv(noli:consumer_lag_seconds:max[{ten}]) > 0\n"
            f"and\nnoli:consumer_lag_seconds:max > {clock.age(60)}",
            TICKET,
            "{{ $labels.group }} falls behind",
            "It does not keep up with what comes in: more workers, or find what costs the time.",
            "tickets.md#noli-lag-growing",
            lasting=clock.window("5m"),
        ),
    )


def _brokers(clock: Clock) -> tuple[Alert, ...]:
    minute = clock.window("1m")
    return (
        Alert(
            "NoliUnderMinIsr",
            "noli_topic_under_min_isr_partitions > 0",
            TICKET,
            "{{ $labels.topic }}: {{ $value }} partitions take no record",
            "Too few copies are in step. Senders are told to try again; NoliIntakeBurnFast pages.",
            "tickets.md#noli-under-min-isr",
            lasting=minute,
        ),
        Alert(
            "NoliClockSkew",
            f"abs(noli_clock_skew_seconds) > {_SKEW_S}",
            TICKET,
            "{{ $labels.process }} and the {{ $labels.peer }} differ by {{ $value }} s",
            "Ages, delays and leases cannot be believed to the second.",
            "tickets.md#noli-clock-skew",
            lasting=minute,
        ),
    )
