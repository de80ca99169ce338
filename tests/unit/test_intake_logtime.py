"""The moment of acceptance never goes back: not against this clock, not against the log."""

from __future__ import annotations

from itertools import pairwise

import pytest

from noli.intake.logtime import LogTime


@pytest.mark.rule("OBJECT")
def test_a_clock_that_steps_back_does_not_make_an_objection_older() -> None:
    """What is accepted later is never accepted before; with a right clock it is that clock's."""
    clock = iter([1_000, 2_000, 1_400, 2_001, 3_000])
    time = LogTime(lambda: next(clock))
    accepted = [time.now() for _ in range(5)]
    assert accepted == [1_000, 2_000, 2_000, 2_001, 3_000]
    assert all(one <= other for one, other in pairwise(accepted))


@pytest.mark.rule("OBJECT")
def test_nothing_is_accepted_before_what_the_log_holds() -> None:
    """A clock that is behind counts from the newest record of the log; an older one is no news."""
    time = LogTime(lambda: 1_000)
    time.heard(5_000)
    assert time.now() == 5_000
    time.heard(4_000)
    assert time.now() == 5_000
