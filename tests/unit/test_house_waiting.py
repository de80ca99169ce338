"""Nothing sleeps where an event can be awaited."""

from __future__ import annotations

from functools import cache
from typing import Final

from tests.support.source import calls, trees

ROOMS: Final = ("schemas", "noli", "streams", "connectors", "tests")
#: `path` → why it sleeps. Shrink it.
SLEEPS: Final = {
    "noli/cli/stack/screen.py": "a screen that shows ages moves with the clock",
    "noli/cli/stack/unit.py": "restart back-off, and probes of a process that tells nothing itself",
    "tests/integration/test_stack_up.py": "waits for what only another process's file tells",
}


@cache
def sleepers() -> set[str]:
    """Every module that calls a `sleep`; `asyncio.sleep(0)` only yields, a bench paces its load."""
    return {
        path
        for path, tree in trees(*ROOMS, saying="sleep").items()
        if not path.startswith("tests/bench/")
        for name, call in calls(tree)
        if name == "sleep" and [getattr(arg, "value", None) for arg in call.args] != [0]
    }


def test_nothing_sleeps() -> None:
    """No module but those waived, with their reason, calls `sleep`."""
    assert sorted(sleepers() - SLEEPS.keys()) == []


def test_waivers_only_shrink() -> None:
    """What no longer sleeps leaves the list."""
    assert sorted(SLEEPS.keys() - sleepers()) == []
