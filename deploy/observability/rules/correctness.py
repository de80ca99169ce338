"""What must never happen: no budget, any increase counts."""

from __future__ import annotations

from typing import Final

from deploy.observability.rules.model import PAGE, Alert, Clock, Group, Record, happened

#: Causes of drift that leave somebody reachable who must not be.
_DANGEROUS: Final = 'cause=~"allowed|missing|older"'
#: So many consents in ten minutes are an ordinary day somewhere: below, no comparison is made.
_FEW_CONSENTS: Final = 100
#: How much more than the most of a week is no ordinary day.
_TIMES_THE_WEEK: Final = 5
#: Read-backs may be late once: a job of another kind ran, the target was slow.
_PERIODS: Final = 2
#: Share of checks that may be answered from no usable copy.
_STALE_SHARE: Final = 0.01


def group(clock: Clock) -> Group:
    """Invariants, drift, quarantine, fail-safe answers, mass consents."""
    consents = "noli:consents_accepted:increase10m"
    ten = clock.window("10m")
    accepted = 'noli_events_accepted_total{kind="noli.consent.given.v1",source!="canary"}'
    return Group(
        "correctness",
        (Record(consents, f"sum (increase({accepted}[{ten}]))"),),
        (
            *_violations(clock),
            *_drift(clock),
            _stale_reads(clock),
            Alert(
                "NoliMassLift",
                f"{consents} > {_FEW_CONSENTS}\nand\n{consents} > {_TIMES_THE_WEEK} *"
                f" max_over_time({consents}[{clock.window('7d')}] offset {ten})",
                PAGE,
                "{{ $value | humanize }} consents in ten minutes",
                "More than five times the most of the week: a key was stolen, or a load took the"
                " wrong door. Each may allow what was objected to.",
                "mass-lift.md",
            ),
        ),
    )


def _violations(clock: Clock) -> tuple[Alert, ...]:
    return (
        Alert(
            "NoliInvariantViolated",
            happened("noli_invariant_violations_total", clock.window("10m")),
            PAGE,
            "{{ $labels.invariant }} was seen by {{ $labels.process }}",
            "Something that the proof of correctness rests on does not hold.",
            "invariant-violated.md",
        ),
        Alert(
            "NoliQuarantineNonEmpty",
            "max(noli_quarantined_events) > 0",
            PAGE,
            "{{ $value }} records wait in the quarantine",
            "Nobody can read them. Their contacts are suppressed already; the alignment of every"
            " application is held until a human has looked.",
            "quarantine.md",
            lasting=clock.window("1m"),
        ),
    )


def _drift(clock: Clock) -> tuple[Alert, ...]:
    wrong = f"noli_digest_mismatches_total{{{_DANGEROUS}}}"
    return (
        Alert(
            "NoliDigestMismatch",
            happened(wrong, clock.window("10m")),
            PAGE,
            "{{ $labels.app }} holds contacts wrongly ({{ $labels.cause }})",
            "It was read back: it allows, forgot or holds an older word of somebody. It is being"
            " repaired; what it sent meanwhile is not.",
            "digest-mismatch.md",
        ),
        Alert(
            "NoliReconciliationStale",
            "time() - noli_reconciliation_last_success_timestamp_seconds >"
            f" {_PERIODS} * noli_reconciliation_period_seconds",
            PAGE,
            "{{ $labels.app }} was last read back {{ $value | humanizeDuration }} ago",
            "Twice its period: what it holds is not known to be what it was told.",
            "reconciliation-stale.md",
            lasting=clock.window("5m"),
        ),
    )


def _stale_reads(clock: Clock) -> Alert:
    five = clock.window("5m")
    stale = f'sum (rate(noli_contact_checks_total{{verdict="suppressed_stale"}}[{five}]))'
    every = f"sum (rate(noli_contact_checks_total[{five}]))"
    return Alert(
        "NoliStaleReads",
        f"{stale}\n/\n{every}\n> {_STALE_SHARE:g}",
        PAGE,
        "{{ $value | humanizePercentage }} of checks are denied for want of a fresh copy",
        "The gate is shut, as it must be: nobody is contacted wrongly, and campaigns stand still.",
        "stale-reads.md",
    )
