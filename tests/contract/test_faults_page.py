"""The matrix of faults is whole, what it names is there, and its page is generated from it."""

from __future__ import annotations

import ast
from typing import Final

from tests.chaos.rig import page, rounds
from tests.chaos.rig.matrix import MATRIX

ROWS: Final = 30
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


def test_every_row_of_the_matrix_is_there() -> None:
    """F1 to F30, each once, in order."""
    assert [row.id for row in MATRIX] == [f"F{number}" for number in range(1, ROWS + 1)]


def test_every_row_is_tried_somewhere() -> None:
    """Each row names a test, or is in a round of the rig, or says why it is not done here."""
    assert [row.id for row in MATRIX if not page.named(row) and not row.missing] == []


def test_what_a_row_names_is_a_test() -> None:
    """Every named test stands in the file that is named."""
    named = {name for row in MATRIX for name in page.named(row)}
    assert sorted(name for name in named if not _stands(*name.split("::"))) == []


def _stands(path: str, function: str) -> bool:
    if not (page.ROOT / path).is_file():
        return False
    tree = ast.parse((page.ROOT / path).read_text("utf-8"))
    return function in {node.name for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)}


def test_every_fault_of_a_round_is_of_a_row() -> None:
    """What is put in belongs to the matrix, and the short round is part of the long one."""
    known = {row.id for row in MATRIX}
    assert {fault.row for fault in rounds.LONG} <= known
    assert set(rounds.SHORT) <= set(rounds.LONG)


def test_the_page_is_current() -> None:
    """docs/reference/faults.md is what `python -m tests.chaos.rig.page` would write."""
    assert page.PAGE.read_text("utf-8") == page.current()


def test_published_runs_broke_something_and_found_nothing() -> None:
    """Each committed run put faults in, had objections under way in them, and no violation."""
    proves = [
        run["faults"] and run["under_fault"] and not run["violations"] for run in page.results()
    ]
    assert all(proves)
