"""What a test must be: it says what it expects, and checks it."""

from __future__ import annotations

import ast
from collections.abc import Callable

from tests.support.source import Function, calls, functions, trees


def faulty(fault: Callable[[Function], bool]) -> list[str]:
    """`file:test` of every test of ours for which `fault` holds."""
    return [
        f"{path}:{test.name}"
        for path, tree in trees("tests", pattern="test_*.py").items()
        for test in functions(tree)
        if test.name.startswith("test_") and fault(test)
    ]


def asserting() -> set[str]:
    """Functions and methods of tests/support that can fail a test by themselves."""
    faults = (ast.Assert, ast.Raise)
    found = [f for tree in trees("tests/support").values() for f in functions(tree)]
    return {f.name for f in found if any(isinstance(node, faults) for node in ast.walk(f))}


def test_every_test_says_what_it_expects() -> None:
    """Each test carries a docstring: the expected behaviour, in words."""
    assert faulty(lambda test: not ast.get_docstring(test)) == []


def test_every_test_can_fail() -> None:
    """No test runs code without checking what came of it: here, or in what it calls to check."""
    known = asserting() | {"raises", "fail"}

    def cannot_fail(test: Function) -> bool:
        names = [name for name, _ in calls(test)]
        checked = any(n in known or n.startswith(("assert", "check")) for n in names)
        return not checked and not any(isinstance(node, ast.Assert) for node in ast.walk(test))

    assert faulty(cannot_fail) == []


def test_every_skip_gives_its_reason() -> None:
    """A skip, a skipif or an xfail says why, so the run's summary does too."""
    least = {"skip": 1, "skipif": 2, "xfail": 2}

    def silent(test: Function) -> bool:
        return any(
            len(call.args) + len(call.keywords) < least.get(name, 0) for name, call in calls(test)
        )

    assert faulty(silent) == []
