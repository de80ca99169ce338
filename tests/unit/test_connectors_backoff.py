"""When a failing application is asked again."""

from __future__ import annotations

import pytest

from connectors.backoff import AFTER_CAP_S, CAP_S, Pace, pause_s


def longest(_low: float, high: float) -> float:
    """The worst luck there is."""
    return high


def test_the_pause_doubles_to_a_cap_and_stays() -> None:
    """From 100 ms to 30 s; a thousand failures later it is still asked."""
    assert [pause_s(n, longest) for n in (1, 2, 3, 4)] == [0.1, 0.2, 0.4, 0.8]
    assert [pause_s(n, longest) for n in (9, 10, 1000)] == [25.6, CAP_S, CAP_S]


def test_the_pause_is_full_jitter() -> None:
    """Anything from nothing to the whole: two connectors do not return in step."""
    bounds: list[tuple[float, float]] = []

    def note(low: float, high: float) -> float:
        bounds.append((low, high))
        return low

    assert pause_s(3, note) == 0.0
    assert bounds == [(0.0, 0.4)]


@pytest.mark.parametrize("after, least", [(None, 0.0), (7.0, 7.0), (10_000_000.0, AFTER_CAP_S)])
def test_what_the_target_asked_for_is_the_least(after: float | None, least: float) -> None:
    """Retry-After is obeyed, an hour at most, with the jitter on top."""
    assert pause_s(1, longest, after) == pytest.approx(least + 0.1)


def test_failures_shrink_the_batch_and_success_grows_it_again() -> None:
    """Down to one contact, so a bad one is found; back to whole batches within a few successes."""
    pace = Pace(100, longest)
    limits = []
    for _ in range(8):
        pace.failed(pace.limit, now=0.0, after=None)
        limits.append(pace.limit)
    assert limits == [50, 25, 12, 6, 3, 1, 1, 1]
    assert (pace.failures, pace.opens) == (8, pause_s(8, longest))
    for _ in range(7):
        pace.succeeded()
    assert (pace.limit, pace.failures, pace.opens) == (100, 0, 0.0)


def test_a_rate_spaces_batches_of_at_most_a_second() -> None:
    """20 contacts at 20 a second take a second; idle time is not saved up, pauses stay longer."""
    pace = Pace(100, longest, rate=20.0)
    assert pace.limit == 20
    pace.offered(20, now=50.0)
    pace.succeeded()
    assert pace.opens == 51.0
    pace.offered(5, now=51.0)
    pace.succeeded()
    assert pace.opens == 51.25
    pace.offered(20, now=90.0)
    assert pace.opens == 91.0
    pace.failed(20, now=90.5, after=7.0)
    assert pace.opens == pytest.approx(97.6)
    assert Pace(100, longest, rate=0.5).limit == 1


def test_without_a_rate_nothing_waits() -> None:
    """A target that takes batches gets the next one at once."""
    pace = Pace(100, longest)
    pace.offered(100, now=50.0)
    pace.succeeded()
    assert pace.opens == 0.0
