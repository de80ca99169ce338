"""Our own source, as the tests of the house read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def trees(*rooms: str, pattern: str = "*.py", saying: str = "") -> dict[str, ast.Module]:
    """Every Python file below the rooms, parsed, by its path in the repository.

    `saying`: only those in whose text it stands; parsing all of them takes seconds.
    """
    paths = sorted(path for room in rooms for path in (ROOT / room).rglob(pattern))
    texts = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths}
    return {path: ast.parse(text) for path, text in texts.items() if saying in text}


def functions(tree: ast.Module) -> list[Function]:
    """Every function and method."""
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def calls(node: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call inside `node`, with the last name of what is called."""
    for call in (each for each in ast.walk(node) if isinstance(each, ast.Call)):
        name = call.func
        yield getattr(name, "attr", getattr(name, "id", "")), call


def lines(node: ast.stmt) -> int:
    """Lines from its first to its last, decorators left out."""
    return (node.end_lineno or node.lineno) - node.lineno + 1
