"""What a test must be: it says what it expects, checks it, and awaits events, never sleeps."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
Function = ast.FunctionDef | ast.AsyncFunctionDef
#: `path` → why it sleeps although an event could be awaited. Shrink it.
SLEEPS: Final[dict[str, str]] = {}


def calls(node: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call inside `node`, with the last name of what is called."""
    for call in (each for each in ast.walk(node) if isinstance(each, ast.Call)):
        name = call.func
        yield getattr(name, "attr", getattr(name, "id", "")), call


def faulty(fault: Callable[[Function], bool]) -> list[str]:
    """`file:test` of every test of ours for which `fault` holds."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    trees = [(path, ast.parse(path.read_text("utf-8"))) for path in files]
    return [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path, tree in trees
        for node in ast.walk(tree)
        if isinstance(node, Function) and node.name.startswith("test_") and fault(node)
    ]


def checks(test: Function) -> bool:
    """Whether it can fail: an assert, `raises`/`fail`, or a call to some `assert_…`/`check_…`."""
    named = any(
        n in {"raises", "fail"} or n.startswith(("assert", "check")) for n, _ in calls(test)
    )
    return named or any(isinstance(node, ast.Assert) for node in ast.walk(test))


def test_every_test_says_what_it_expects() -> None:
    """Each test carries a docstring: the expected behaviour, in words."""
    assert faulty(lambda test: not ast.get_docstring(test)) == []


def test_every_test_can_fail() -> None:
    """No test runs code without checking what came of it."""
    assert faulty(lambda test: not checks(test)) == []


def test_every_skip_gives_its_reason() -> None:
    """A skip, a skipif or an xfail says why, so the run's summary does too."""
    bare = {"skip": 1, "skipif": 2, "xfail": 2}
    assert faulty(
        lambda test: any(
            name in bare and len(call.args) + len(call.keywords) < bare[name]
            for name, call in calls(test)
        )
    ) == []  # fmt: skip


def test_nothing_sleeps_where_an_event_can_be_awaited() -> None:
    """`sleep` is called nowhere, but `asyncio.sleep(0)`, which only yields, and what is waived."""
    rooms = ("schemas", "noli", "streams", "connectors", "tests")
    sleepers = {
        str(path.relative_to(ROOT))
        for path in (path for room in rooms for path in (ROOT / room).rglob("*.py"))
        for name, call in calls(ast.parse(path.read_text("utf-8")))
        if name == "sleep" and [getattr(arg, "value", None) for arg in call.args] != [0]
    }
    assert sorted(sleepers - SLEEPS.keys()) == []
    assert sorted(SLEEPS.keys() - sleepers) == [], "no longer sleeps: take it out"
