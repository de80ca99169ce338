"""`python -m tests.bench.mutants [MODULE…]`: which small bugs do the unit tests not see?

Each mutant runs in a fork of its own, the module's source changed on its way in. Prints survivors
and a table; nothing on disk is changed. Minutes: on demand, not in CI.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Final

import hypothesis
import pytest

from tests.bench.mutants.equivalent import EQUIVALENT
from tests.bench.mutants.mutations import Mutant, mutants

#: Modules that must not have a bug, and the tests that should see one.
MODULES: Final = {
    "noli.domain.joins": ["tests/unit/domain/test_joins.py", "tests/unit/domain/test_join.py"],
    "noli.domain.fold": ["tests/unit/domain/test_joins.py", "tests/unit/domain/test_join.py"],
    "connectors.frontier": ["tests/unit/test_connectors_frontier.py"],
    "connectors.tracks": ["tests/unit/test_connectors_tracks.py"],
    "connectors.waiting": [
        "tests/unit/test_connectors_waiting.py",
        "tests/unit/test_connectors_again.py",
    ],
}
#: What most tests import, none of it ours: once, not in each fork.
_PRELOADED: Final = (
    "confluent_kafka", "fastavro", "hypothesis.strategies", "phonenumbers", "pydantic", "structlog",
)  # fmt: skip
#: A unit test needs no fixture that rooms share; a mutant that loops for ever counts as seen.
_OPTIONS: Final = (
    "-x", "-q", "--noconftest", "-p", "no:cacheprovider", "--timeout=60",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",
)  # fmt: skip


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives a module another source."""

    def __init__(self, name: str, source: str) -> None:
        self._name = name
        self._source = source

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Ours is this one only."""
        return importlib.util.spec_from_loader(name, self) if name == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        exec(compile(self._source, f"<mutant of {self._name}>", "exec"), module.__dict__)


def is_seen(name: str, mutant: Mutant, tests: Sequence[str]) -> bool:
    """Whether some test fails with it."""
    pid = os.fork()
    if not pid:
        sys.meta_path.insert(0, _Changed(name, mutant.source))
        with (
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            code = pytest.main([*tests, *_OPTIONS])
        os._exit(int(code != pytest.ExitCode.OK))
    _, ended = os.waitpid(pid, 0)
    return ended != 0


def main() -> None:
    """Count, and name the survivors."""
    for heavy in _PRELOADED:
        importlib.import_module(heavy)
    hypothesis.settings.register_profile("ci", derandomize=True, max_examples=60, deadline=None)
    hypothesis.settings.load_profile("ci")
    rows = []
    for name in sys.argv[1:] or list(MODULES):
        spec = importlib.util.find_spec(name)
        assert spec is not None, name
        assert spec.origin is not None, name
        source = Path(spec.origin).read_text("utf-8")
        unchanged = Mutant(0, "nothing", source)
        assert not is_seen(name, unchanged, MODULES[name]), f"{name}: fails as it is"
        found = list(mutants(source))
        alive = [each for each in found if not is_seen(name, each, MODULES[name])]
        waived = [each for each in alive if each.what in EQUIVALENT.get(name, ())]
        for each in alive:
            if each not in waived:
                print(f"{name}:{each.line}: {each.what}", flush=True)
        rows.append((name, len(found), len(alive), len(waived)))
    said = table(rows)
    print(said)
    if not sys.argv[1:]:
        (Path(__file__).parent / "measured.md").write_text(said, "utf-8")


def table(rows: Sequence[tuple[str, int, int, int]]) -> str:
    """For docs/reference/planted-bugs.md: module, mutants, alive, of them waived."""
    total = sum(row[1] for row in rows)
    alive = sum(row[2] for row in rows)
    waived = sum(row[3] for row in rows)
    share = (total - alive) / (total - waived)
    lines = [
        f"{datetime.now(UTC).date()}: {total} mutants, {waived} of which cannot be seen;",
        f"{total - alive} seen, **{share:.1%} of those that can be**.",
        "",
        "| module | mutants | seen | cannot be seen | not seen |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {many} | {many - left} | {no_bug} | {left - no_bug} |"
        for name, many, left, no_bug in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
