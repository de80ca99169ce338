"""What is told of lags and of an application, without a broker."""

from __future__ import annotations

from itertools import count

import pytest

from connectors.backoff import Pace
from connectors.counting import Counts, mismatched
from connectors.drift import Cause
from connectors.protocol import Applied, Change, Reject, Retry, Verdict
from connectors.receipts import Settled
from connectors.waiting import Entry
from noli.domain.canary import flock
from noli.domain.channel import Kind, Purpose
from noli.runtime.clock import steady
from noli.runtime.lags import Lags, Look
from noli.runtime.metrics.exposition import REGISTRY

_names = count()


def value(name: str, **labels: str) -> float | None:
    """A sample of this process."""
    return REGISTRY.get_sample_value(name, labels)


@pytest.fixture
def app() -> str:
    """An application nobody counted before."""
    return f"counted-{next(_names)}"


def lag(group: str) -> tuple[float | None, float | None]:
    """Records and seconds that a group is behind on `t`[0]."""
    labels = {"group": group, "topic": "t", "partition": "0"}
    return (
        value("noli_consumer_lag_records", **labels),
        value("noli_consumer_lag_seconds", **labels),
    )


def test_the_age_of_a_lag_is_measured_from_the_end_that_is_not_reached(app: str) -> None:
    """A reader that stands still grows older; one that passes the old end is young again."""
    lags = Lags(app)
    assert lags.seen(Look("t", 0, end=10, at=1_000, position=10)) == 0
    assert lag(app) == (0, 0)
    lags.seen(Look("t", 0, end=15, at=2_000, position=10))
    lags.seen(Look("t", 0, end=20, at=5_000, position=14))
    assert lag(app) == (6, 3)
    lags.seen(Look("t", 0, end=25, at=6_000, position=15))
    assert lag(app) == (10, 0)
    lags.seen(Look("t", 0, end=25, at=9_000, position=25))
    assert lag(app) == (0, 0)


def test_a_reader_beyond_a_remembered_end_has_no_negative_lag(app: str) -> None:
    """Records processed since the end was asked do not count against it."""
    assert Lags(app).seen(Look("t", 0, end=10, at=1_000, position=12)) == 0
    assert lag(app) == (0, 0)


def change(reason: str, *, offset: int = 5) -> Change:
    """A change of somebody denied for a reason, accepted at 1 s."""
    verdict = Verdict("email", "marketing", "*", allowed=False, reasons=(reason,))
    return Change("00" * 17, None, "acme", 1, 1_000, 0, offset, (verdict,), None)


def propagated(app: str, kind: str) -> float | None:
    """How many delays of a kind were counted."""
    return value("noli_propagation_seconds_count", app=app, kind=kind, probe="false")


def test_every_series_of_an_application_begins_at_zero(app: str) -> None:
    """A first failure is an increase from 0, not a series out of nothing."""
    Counts(app)
    for outcome in ("ok", "partial", "rejected", "retry", "throttled", "timeout"):
        assert value("noli_delivery_attempts_total", app=app, outcome=outcome) == 0
    assert propagated(app, "objection") == 0


def test_delays_are_told_apart_by_what_the_change_takes_away(app: str) -> None:
    """Objections count as such, the rest as other; what was said before is nobody's delay."""
    counts = Counts(app)
    settled = [
        Settled(Entry(change("OBJECTED")), "applied", None),
        Settled(Entry(change("NO_BASIS")), "applied", None),
        Settled(Entry(change("OBJECTED", offset=4)), "applied", None),
        Settled(Entry(change("OBJECTED"), again=True), "applied", None),
        Settled(Entry(change("OBJECTED")), "rejected", "no"),
    ]
    counts.settled(settled, 1_250, news_from=5)
    assert (propagated(app, "objection"), propagated(app, "other")) == (1, 1)
    labels = {"app": app, "kind": "objection", "probe": "false"}
    assert value("noli_propagation_seconds_sum", **labels) == 0.25
    assert value("noli_app_changes_total", app=app, outcome="rejected") == 1


def test_canaries_are_kept_apart(app: str) -> None:
    """What is nobody's contact counts as a probe, so that a real delay is never averaged away."""
    counts = Counts(app)
    canary = flock(Kind.PHONE, Purpose.MARKETING)[0]
    counts.settled(
        [Settled(Entry(change("OBJECTED")._replace(contact=canary)), "applied", None)],
        2_000,
        news_from=0,
    )
    assert propagated(app, "objection") == 0
    labels = {"app": app, "kind": "objection", "probe": "true"}
    assert value("noli_propagation_seconds_count", **labels) == 1


def test_a_version_that_was_never_decided_here_is_a_violation(app: str) -> None:
    """Drift is counted by cause; another writer at the application is more than drift."""
    before = value("noli_invariant_violations_total", invariant="unknown_version") or 0
    mismatched(app, {Cause.MISSING: 2})
    assert value("noli_digest_mismatches_total", app=app, cause="missing") == 2
    assert value("noli_invariant_violations_total", invariant="unknown_version") == before
    mismatched(app, {Cause.NEWER: 3})
    assert value("noli_invariant_violations_total", invariant="unknown_version") == before + 3


@pytest.mark.parametrize(
    "retry, outcome",
    [
        (Retry("http_500"), "retry"),
        (Retry("http_429", 2.0), "throttled"),
        (Retry("hung"), "timeout"),
        (Retry("timeout", 1.0), "timeout"),
    ],
)
def test_a_failed_attempt_says_what_kind_of_failure(app: str, retry: Retry, outcome: str) -> None:
    """Silence, a wish to be left alone, and anything else are three outcomes."""
    Counts(app).failed(retry)
    assert value("noli_delivery_attempts_total", app=app, outcome=outcome) == 1


@pytest.mark.parametrize(
    "results, outcome",
    [
        ([Applied(), Applied("rounded")], "ok"),
        ([Applied(), Retry("later")], "partial"),
        ([Applied(), Reject("never")], "rejected"),
        ([Reject("never"), Retry("later")], "partial"),
    ],
)
def test_an_answered_batch_is_as_bad_as_its_worst_answer(
    app: str, results: list[Applied | Retry | Reject], outcome: str
) -> None:
    """A batch is whole, or has what comes again, or has what can never be."""
    Counts(app).answered(results, steady())
    assert value("noli_delivery_attempts_total", app=app, outcome=outcome) == 1


def test_the_circuit_says_when_the_application_is_tried_again(app: str) -> None:
    """Closed, open with the moment of the next try, half open while the try is under way."""
    counts, pace = Counts(app), Pace(100, lambda _low, high: high)
    counts.paced(pace, 3)
    assert value("noli_circuit_state", app=app) == 0
    assert value("noli_circuit_next_try_timestamp_seconds", app=app) == 0
    pace.failed(100, steady(), 60.0)
    counts.paced(pace, 0)
    assert value("noli_circuit_state", app=app) == 2
    assert (value("noli_circuit_next_try_timestamp_seconds", app=app) or 0) > 1e9
    counts.paced(pace, 1)
    assert value("noli_circuit_state", app=app) == 1
