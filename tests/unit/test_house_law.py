"""The law is pure where import contracts cannot see it: it asks no clock."""

from __future__ import annotations

from typing import Final

from tests.support.source import calls, trees

#: What asks the time although `datetime` itself may be imported.
CLOCKS: Final = {"now", "utcnow", "today", "time_ns", "monotonic", "perf_counter"}


def test_the_law_asks_no_clock() -> None:
    """`at` is an argument: nothing in noli/domain calls now() or today()."""
    asked = {
        f"{path}:{call.lineno}"
        for path, tree in trees("noli/domain").items()
        for name, call in calls(tree)
        if name in CLOCKS
    }
    assert sorted(asked) == []
