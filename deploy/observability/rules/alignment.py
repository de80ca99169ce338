"""Is every application told, and do we know it?"""

from __future__ import annotations

from typing import Final

from deploy.observability.rules.model import PAGE, TICKET, Alert, Clock, Group, happened

#: Late canaries in five minutes that are a bad second, not a slow application.
_LATE_MOST: Final = 3


def group(clock: Clock) -> Group:
    """Watermarks, canaries, circuits."""
    return Group("alignment", alerts=(*_watermarks(clock), *_canaries(clock), *_targets(clock)))


def _watermarks(clock: Clock) -> tuple[Alert, ...]:
    minute = clock.window("1m")
    stuck = (
        f"changes(noli_aligned_watermark_timestamp_seconds[{minute}]) == 0\n"
        "and on ()\n"
        "(max(noli_beacon_as_of_timestamp_seconds)"
        f" - max(noli_beacon_as_of_timestamp_seconds offset {minute}) > 0)"
    )
    return (
        Alert(
            "NoliAppNotAligned",
            f"time() - noli_app_watermark_timestamp_seconds > {clock.age(30)}",
            PAGE,
            "{{ $labels.app }} is {{ $value | humanizeDuration }} behind",
            "What was said in that time does not stand in the application: whoever objected may be"
            " contacted from there. Its owner must know; its sending should stop.",
            "app-not-aligned.md",
            lasting=minute,
        ),
        Alert(
            "NoliWatermarkStuck",
            stuck,
            PAGE,
            "the time as of which all are aligned stands still while decisions go on",
            "One application, a quarantined record or the watcher itself holds it: nobody can say"
            " any more that everybody is aligned.",
            "watermark-stuck.md",
        ),
    )


def _canaries(clock: Clock) -> tuple[Alert, ...]:
    five, two = clock.window("5m"), clock.window("2m")
    return (
        Alert(
            "NoliProbeLost",
            happened("noli_probe_lost_total", five),
            PAGE,
            "a canary's objection did not arrive at {{ $labels.app }}",
            "An objection of nobody was posted and never confirmed: one of a person may be lost in"
            " the same way.",
            "probe-lost.md",
        ),
        Alert(
            "NoliProbeLate",
            f"increase(noli_probe_late_total[{five}]) > {_LATE_MOST}",
            PAGE,
            "canaries reach {{ $labels.app }} later than 5 s",
            "Opt-outs arrive, and later than promised.",
            "probe-late.md",
        ),
        Alert(
            "NoliProbesSilent",
            f"sum by (app) (rate(noli_probe_sent_total[{two}])) == 0",
            PAGE,
            "no canary was sent to {{ $labels.app }} for two minutes",
            "Nothing is known to be wrong, and nothing would be noticed.",
            "probes-silent.md",
            lasting=clock.window("1m"),
        ),
    )


def _targets(clock: Clock) -> tuple[Alert, ...]:
    return (
        Alert(
            "NoliCircuitOpen",
            "noli_circuit_state > 0",
            TICKET,
            "{{ $labels.app }} takes no verdicts",
            "Its changes wait and are never dropped; it is tried again with growing pauses."
            " A minute in, NoliAppNotAligned pages.",
            "tickets.md#noli-circuit-open",
            lasting=clock.window("5m"),
        ),
    )
