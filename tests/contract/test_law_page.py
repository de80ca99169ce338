"""docs/reference/law.md, the code and the tests name the same rules."""

from __future__ import annotations

import ast
import re
from typing import Final

from tests.support.source import ROOT, calls, trees

PAGE: Final = (ROOT / "docs" / "reference" / "law.md").read_text("utf-8")
#: Rule id → whether it is enforced here: `enforced`, `in part`, `not yet`.
RULES: Final = dict(re.findall(r"^\| `([A-Z-]+)` \|.*\| ([a-z ]+) \|$", PAGE, re.MULTILINE))


def marked() -> set[str]:
    """Every rule id that some test bears."""
    marks = [
        call for tree in trees("tests").values() for name, call in calls(tree) if name == "rule"
    ]
    return {str(arg.value) for mark in marks for arg in mark.args if isinstance(arg, ast.Constant)}


def cited() -> set[str]:
    """Every rule id that the code names as a word of its own."""
    paths = [
        path for room in ("noli", "streams", "connectors") for path in (ROOT / room).rglob("*.py")
    ]
    text = "\n".join(path.read_text("utf-8") for path in paths)
    return {rule for rule in RULES if re.search(rf"(?<![\w-]){rule}(?![\w-])", text)}


def test_every_enforced_rule_is_cited_and_proven() -> None:
    """What the page calls enforced stands beside its code and is borne by a test."""
    enforced = {rule for rule, state in RULES.items() if state == "enforced"}
    assert len(RULES) > len(enforced) > 0
    assert sorted(enforced - marked()) == [], "no test bears it"
    assert sorted(enforced - cited()) == [], "no code cites it"


def test_no_test_bears_an_unknown_rule() -> None:
    """A rule id on a test is one of the law's."""
    assert sorted(marked() - RULES.keys()) == []


def test_a_rule_not_yet_enforced_is_not_claimed_by_a_test() -> None:
    """The page does not call missing what tests already prove."""
    missing = {rule for rule, state in RULES.items() if state == "not yet"}
    assert sorted(missing & marked()) == [], "enforced by now: say so on the page"
