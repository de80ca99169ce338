"""Which tests prove which rule: the marks `@pytest.mark.rule("ID")`, read from the test tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

#: This checkout; an installed package has no tests to name.
ROOT: Final = Path(__file__).parents[3]
_MARK: Final = "rule"


class Proof(NamedTuple):
    """A test that bears a rule. `path` is within the repository; `says` its first sentence."""

    rule: str
    path: str
    name: str
    says: str
    body: ast.AST


def proofs(root: Path = ROOT) -> list[Proof]:
    """Every proof, by file and place."""
    paths = sorted((root / "tests").rglob("test_*.py"))
    return [proof for path in paths for proof in _of_file(path, str(path.relative_to(root)))]


def _of_file(path: Path, name: str) -> Iterator[Proof]:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            says = " ".join((ast.get_docstring(node) or "").split())
            for rule in _rules(node):
                yield Proof(rule, name, node.name, says, node)


def _rules(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Ids of the marks on a test, in order."""
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and getattr(mark.func, "attr", "") == _MARK:
            yield from (str(arg.value) for arg in mark.args if isinstance(arg, ast.Constant))
