"""How far an application is: never further than what it confirmed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.frontier import Frontier, Point, aligned_as_of


def test_the_frontier_is_the_lowest_open_offset() -> None:
    """Whatever was settled above it; with nothing open, the next offset to read."""
    frontier = Frontier(10)
    for offset in (10, 12, 15):
        frontier.hold(offset)
    frontier.passed(16)
    frontier.settle({12})
    assert frontier.point().offset == 10
    frontier.settle({10})
    assert frontier.point().offset == 15
    frontier.settle({15})
    assert frontier.point() == Point(17, None)


def test_a_beacon_counts_once_all_before_it_is_settled() -> None:
    """It never passes a record that is still open."""
    frontier = Frontier(0, as_of=1)
    frontier.hold(0)
    frontier.beacon(1, 100)
    frontier.hold(2)
    frontier.beacon(3, 200)
    assert (frontier.point().as_of, frontier.newest_beacon()) == (1, 200)
    assert frontier.point({0}) == Point(2, 100)
    assert frontier.point({0, 2}) == Point(4, 200)
    frontier.settle({2})
    assert frontier.point().as_of == 1
    frontier.settle({0})
    assert frontier.point() == Point(4, 200)


def test_the_newest_settled_beacon_is_kept_as_the_time() -> None:
    """As soon as nothing below it is open: of a real clock, milliseconds far above any offset."""
    frontier = Frontier(0)
    frontier.beacon(0, 1_795_000_000_000)
    assert frontier.as_of == 1_795_000_000_000
    frontier.hold(1)
    frontier.beacon(2, 1_795_000_001_000)
    assert (frontier.as_of, frontier.open) == (1_795_000_000_000, 1)
    frontier.settle({1})
    assert (frontier.as_of, frontier.open) == (1_795_000_001_000, 0)
    assert not frontier._beacons


def test_beacons_behind_an_open_record_take_no_memory() -> None:
    """A dead application for a day is one beacon, not 86,400."""
    frontier = Frontier(0)
    frontier.hold(0)
    for second in range(1, 10_000):
        frontier.beacon(second, second)
    assert len(frontier._beacons) == 1
    frontier.settle({0})
    assert frontier.point() == Point(10_000, 9_999)


def test_an_application_is_as_old_as_its_oldest_partition() -> None:
    """And of unknown age while one partition does not know, or there is none."""
    young, old, unknown = Frontier(0, 200), Frontier(0, 100), Frontier(0)
    assert aligned_as_of({0: young, 1: old}) == 100
    assert aligned_as_of({0: young, 1: unknown}) is None
    assert aligned_as_of({}) is None


@given(st.lists(st.sampled_from(["hold", "pass", "beacon", "settle", "settle last"]), max_size=80))
def test_it_never_lies_forward_and_never_goes_back(steps: list[str]) -> None:
    """Against a plain list of what is open: the frontier and its beacon are exact."""
    frontier, offset = Frontier(0), 0
    still_open: list[int] = []
    beacons: list[tuple[int, int]] = []
    before = Point(0, None)
    for step in steps:
        if step.startswith("settle"):
            if still_open:
                frontier.settle([still_open.pop(-1 if "last" in step else 0)])
        else:
            if step == "hold":
                frontier.hold(offset)
                still_open.append(offset)
            elif step == "pass":
                frontier.passed(offset)
            else:
                frontier.beacon(offset, offset * 10)
                beacons.append((offset, offset * 10))
            offset += 1
        expected = min(still_open, default=offset)
        below = [as_of for at, as_of in beacons if at < expected]
        point = frontier.point()
        assert point == Point(expected, max(below, default=None))
        assert point.offset >= before.offset
        before = point
