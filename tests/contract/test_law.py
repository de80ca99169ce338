"""The rule table, the code and the tests name the same rules, each proven in both directions."""

from __future__ import annotations

import ast
import pkgutil
from pathlib import Path

import pytest

from noli.cli.pages.law import state
from noli.cli.pages.proofs import Proof, proofs
from noli.domain.channel import Channel, Kind, Purpose
from noli.domain.law import BEHIND, LAW, RULE, Rule
from noli.domain.reason import Reason
from noli.domain.rows import NAME_OF_BASIS
from noli.domain.state import Basis
from noli.domain.wording import BASIS, CHANNEL, KIND, PURPOSE, REASON

PROOFS = proofs()
ENFORCED = [rule for rule in LAW if state(rule) == "enforced"]


def directions(test: ast.AST) -> set[str]:
    """`forbids`, `allows`: what the assertions of a test say of verdicts."""
    found = set()
    for node in ast.walk(test):
        if not isinstance(node, ast.Assert):
            continue
        said = ast.unparse(node.test)
        if "reasons" in said and "()" not in said:
            found.add("forbids")
        if "allowed" in said:
            denied = said.startswith("not ") or "False" in said
            found.add("forbids" if denied else "allows")
            if "True" in said or ("allowed ==" in said and not denied):
                found |= {"allows", "forbids"} if "True" not in said else {"allows"}
    return found


def of(rule: Rule) -> list[Proof]:
    """The tests that bear a rule."""
    return [proof for proof in PROOFS if proof.rule == rule.id]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_explained(reason: Reason) -> None:
    """At least one rule gives it, and it has words in both languages."""
    assert BEHIND[reason]
    assert all(len(words) > 10 for words in REASON[reason])
    assert REASON[reason].en != REASON[reason].it


def test_every_symbol_has_words() -> None:
    """No channel, purpose, kind or basis is shown as a bare symbol."""
    assert [set(CHANNEL), set(PURPOSE), set(KIND)] == [set(Channel), set(Purpose), set(Kind)]
    assert set(BASIS) == {NAME_OF_BASIS[basis] for basis in Basis if basis != Basis.UNKNOWN}


@pytest.mark.parametrize("rule", LAW, ids=lambda rule: rule.id)
def test_a_rule_is_one_sentence_in_each_language_with_its_source(rule: Rule) -> None:
    """One full stop, at the end; a source; and if nothing enforces it, it says what is missing."""
    for text in (rule.english, rule.italian):
        assert text.endswith(".")
        assert ". " not in text
    assert rule.english != rule.italian
    assert rule.sources
    assert rule.code or rule.later


@pytest.mark.parametrize("rule", LAW, ids=lambda rule: rule.id)
def test_what_enforces_a_rule_exists(rule: Rule) -> None:
    """Each dotted name leads to something that can be called."""
    assert [name for name in rule.code if not callable(pkgutil.resolve_name(name))] == []


@pytest.mark.parametrize("rule", ENFORCED, ids=lambda rule: rule.id)
def test_an_enforced_rule_is_proven_in_both_directions(rule: Rule) -> None:
    """Some test shows what it forbids, some what it still allows."""
    found = set().union(*(directions(proof.body) for proof in of(rule)))
    assert found == {"forbids", "allows"}


def test_no_test_bears_a_rule_that_is_not_in_the_table() -> None:
    """A rule id on a test is one of the law's, and each id is there once."""
    assert {proof.rule for proof in PROOFS} - RULE.keys() == set()
    assert len(RULE) == len(LAW)


def test_the_direction_of_a_test_is_read_from_its_assertions(tmp_path: Path) -> None:
    """Marks are found in any test file; a refusal, an allowance and a table of both are told."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text(
        '@pytest.mark.rule("OBJECT")\n'
        'def test_refused() -> None:\n    """Never."""\n    assert not ask().allowed\n'
        '@pytest.mark.rule("OBJECT")\n@pytest.mark.rule("PARTY")\n'
        'async def test_fine() -> None:\n    """Still."""\n    assert ask().allowed\n'
        "def test_other() -> None:\n    assert ask().allowed\n"
        '@pytest.mark.rule("ERASED")\n'
        "def test_both() -> None:\n    assert verdict.allowed == (given == asked)\n",
        "utf-8",
    )
    found = [(proof.rule, proof.says, directions(proof.body)) for proof in proofs(tmp_path)]
    assert found == [
        ("OBJECT", "Never.", {"forbids"}),
        ("OBJECT", "Still.", {"allows"}),
        ("PARTY", "Still.", {"allows"}),
        ("ERASED", "", {"forbids", "allows"}),
    ]
