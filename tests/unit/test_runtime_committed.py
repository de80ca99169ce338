"""What is committed again, and what is not."""

from __future__ import annotations

from noli.runtime.committed import AGAIN_S, Committed

LEAD, QUIET = ("noli.objections", 3), ("noli.control", 3)


class Clock:
    """Seconds, put forward by hand."""

    now = 0.0

    def __call__(self) -> float:
        """The seconds."""
        return self.now


def test_only_what_moved_is_committed() -> None:
    """A new offset or a new mark is news; the same again is not, until it is refused or lost."""
    found = Committed(Clock())
    wanted = {LEAD: (7, "mark"), QUIET: (2, "")}
    assert found.moved(wanted) == wanted
    found.asked(wanted)
    assert found.moved(wanted) == {}
    assert found.moved({**wanted, LEAD: (7, "other")}) == {LEAD: (7, "other")}
    assert found.moved({**wanted, QUIET: (3, "")}) == {QUIET: (3, "")}
    found.forget(LEAD)
    assert found.moved(wanted) == {LEAD: (7, "mark")}
    found.forget_all()
    assert found.moved(wanted) == wanted


def test_a_quiet_lane_is_committed_once_a_day() -> None:
    """Long before the broker forgets it, which it does after a week."""
    clock = Clock()
    found = Committed(clock)
    wanted = {LEAD: (7, "mark"), QUIET: (2, "")}
    found.asked(found.moved(wanted))
    clock.now = AGAIN_S - 1
    assert found.moved(wanted) == {}
    clock.now = AGAIN_S
    assert found.moved(wanted) == wanted
    found.asked(wanted)
    assert found.moved(wanted) == {}
    clock.now = 2 * AGAIN_S
    assert found.moved(wanted) == wanted
