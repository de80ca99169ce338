"""The table of the law, the code and the tests name the same rules."""

from __future__ import annotations

import ast
import re
from typing import Final

from noli.domain.law import LAW
from tests.support.source import ROOT, calls, trees

RULES: Final = {rule.id for rule in LAW}


def marked() -> set[str]:
    """Every rule id that some test bears."""
    marks = [
        call for tree in trees("tests").values() for name, call in calls(tree) if name == "rule"
    ]
    return {str(arg.value) for mark in marks for arg in mark.args if isinstance(arg, ast.Constant)}


def cited() -> set[str]:
    """Every rule id that the code names as a word of its own, beside the table."""
    rooms = ("noli", "streams", "connectors")
    paths = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    text = "\n".join(path.read_text("utf-8") for path in paths if path.name != "law.py")
    return {rule for rule in RULES if re.search(rf"(?<![\w-]){rule}(?![\w-])", text)}


def test_every_rule_in_force_is_cited_and_proven() -> None:
    """A rule of which nothing is left for later stands in the code and is borne by a test."""
    in_force = {rule.id for rule in LAW if not rule.later}
    assert in_force
    assert sorted(in_force - marked()) == [], "no test bears it"
    assert sorted(in_force - cited()) == [], "no code cites it"


def test_no_test_bears_an_unknown_rule() -> None:
    """A rule id on a test is one of the law's."""
    assert sorted(marked() - RULES) == []
