"""`python -m tests.chaos.plants.page` writes docs/reference/planted-bugs.md."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.bench.mutants.equivalent import EQUIVALENT
from tests.chaos.plants import stale_owner_commits
from tests.chaos.plants.catalogue import PLANTS

PAGE: Final = Path("docs/reference/planted-bugs.md")
#: Written by `python -m tests.bench.mutants`.
MEASURED: Final = Path(__file__).parents[2] / "bench" / "mutants" / "measured.md"

_HEAD: Final = """\
# Planted bugs

<!-- Written by `python -m tests.chaos.plants.page`; tests/contract/test_planted_page.py checks. -->

A check that never failed proves nothing. So `make test` plants these bugs, one after the other,
into a real process of the pipeline, on a real broker with people who consent and object, and
asserts that the ordinary checks see each: those of the history checker (`tests/support/checker`),
and two of rest: *unheeded*, what somebody said does not hold at the application, or at the copy
that dialers ask; *overdue*, a decision still stands whose own moment has passed. The same is played
without the bug, and must be right.

| planted | in | the bug | on the stage | caught as |
|---|---|---|---|---|
"""

_SECOND: Final = """
The last one needs both fences of an owner taken down: with either of them left it commits nothing
(`tests/chaos/test_plant_in_process.py`).
"""

_SMALL: Final = """
## Small bugs
The modules in which a slip would lose or lift an objection are mutated, one small change at a time
(a comparison, a bound, an order, a statement left out), and their unit tests must see it:
`python -m tests.bench.mutants`, on demand. *Cannot be seen* are changes that no caller can tell,
each with its reason below.

"""

_BOTH: Final = "Two workers in a partition; the newer owner dies at a record the older one decided."


def page() -> str:
    """The whole page."""
    rows = [
        (plant.name, plant.process, plant.bug, _said(plant.scenario.__doc__), plant.caught)
        for plant in PLANTS
    ]
    rows.append((
        "stale_owner_commits", "suppress", _said(stale_owner_commits.__doc__),
        _BOTH, ("unseen",),
    ))  # fmt: skip
    table = "".join(
        f"| `{name}` | {process} | {bug} | {stage} | {', '.join(sorted(caught))} |\n"
        for name, process, bug, stage, caught in rows
    )
    return _HEAD + table + _SECOND + (_SMALL + _small() if MEASURED.exists() else "")


def _said(doc: str | None) -> str:
    return " ".join((doc or "").split())


def _small() -> str:
    lines = [
        f"- `{module}`: `{change}`: {reason}"
        for module, changes in EQUIVALENT.items()
        for change, reason in changes.items()
    ]
    return MEASURED.read_text("utf-8") + "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
