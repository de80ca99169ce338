"""`noli topics apply` on a real broker and registry: all that is safe, or nothing."""

from __future__ import annotations

import copy
import json
from typing import Any

import httpx2
import pytest

from noli.cli import contracts
from noli.cli.problem import ProblemError
from noli.runtime import broker, subjects
from noli.runtime.topics import Action
from schemas.codec import RECORDS, schema_text, topic_catalogue
from tests.support.stack import Stack

Catalogue = dict[str, Any]


@pytest.fixture
def catalogue(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    """The real catalogue under names of this test's own; a change of it is seen by the plan."""
    prefix = stack.prefix()
    real = topic_catalogue()
    mine = copy.deepcopy(real)
    mine["topics"] = {f"{prefix}.{name}": entry for name, entry in mine["topics"].items()}
    monkeypatch.setattr(contracts, "topic_catalogue", lambda: mine)
    return mine


def topic(catalogue: Catalogue, name: str) -> tuple[str, dict[str, Any]]:
    """The prefixed name and the entry of a topic."""
    return next((full, e) for full, e in catalogue["topics"].items() if full.endswith(name))


def configs(stack: Stack, name: str) -> dict[str, str]:
    """What the broker holds for a topic."""
    client = broker.admin(stack.settings())
    return dict(broker.observe(client, broker.look(client), [name])[name].configs)


def test_apply_makes_it_so_and_a_second_one_has_nothing_to_do(
    stack: Stack, catalogue: Catalogue
) -> None:
    """Missing topics and schemas are created; then the plan is empty."""
    first = contracts.apply(stack.settings())
    created = {step.name for step in first.topics if step.action is Action.CREATE}
    assert created == set(catalogue["topics"])
    second = contracts.plan(stack.settings())
    assert (second.pending, second.refused) == (0, [])
    assert {step.name for step in second.schemas} == set(RECORDS)


def test_a_safe_change_is_made(stack: Stack, catalogue: Catalogue) -> None:
    """Longer retention and a longer compaction lag reach the broker."""
    contracts.apply(stack.settings())
    receipts, entry = topic(catalogue, "noli.receipts")
    entry["retention_ms"] = -1
    state, compacted = topic(catalogue, "noli.state")
    compacted["min_compaction_lag_ms"] *= 2
    contracts.apply(stack.settings())
    assert configs(stack, receipts)["retention.ms"] == "-1"
    assert configs(stack, state)["min.compaction.lag.ms"] == str(compacted["min_compaction_lag_ms"])


def test_one_refused_change_keeps_all_from_being_made(stack: Stack, catalogue: Catalogue) -> None:
    """Shorter retention of objections is refused, and the safe change beside it is not made."""
    contracts.apply(stack.settings())
    receipts, safe = topic(catalogue, "noli.receipts")
    before = configs(stack, receipts)["retention.ms"]
    safe["retention_ms"] = -1
    objections, dangerous = topic(catalogue, "noli.objections")
    dangerous["retention_ms"] = 1000
    with pytest.raises(ProblemError, match="is refused") as told:
        contracts.apply(stack.settings())
    assert objections in told.value.fact
    assert "nothing was changed" in told.value.remedy
    assert configs(stack, receipts)["retention.ms"] == before
    assert configs(stack, objections)["retention.ms"] == "-1"


def test_a_subject_whose_protection_was_lowered_is_protected_again(
    stack: Stack, catalogue: Catalogue
) -> None:
    """A subject set to NONE by hand is found by the plan and put back to FULL_TRANSITIVE."""
    contracts.apply(stack.settings())
    url = f"{stack.registry}/config/noli.Claim"
    assert httpx2.put(url, json={"compatibility": "NONE"}).status_code == 200
    found = contracts.plan(stack.settings())
    assert [s.name for s in found.schemas if s.action is Action.ALTER] == ["noli.Claim"]
    contracts.apply(stack.settings())
    assert httpx2.get(url).json()["compatibilityLevel"] == "FULL_TRANSITIVE"


def test_a_schema_that_old_readers_cannot_read_is_refused(
    stack: Stack, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field without a default is refused before anything is registered."""
    contracts.apply(stack.settings())

    def broken(record: str) -> str:
        schema = json.loads(schema_text(record))
        if record == "noli.Claim":
            schema["fields"].append({"name": "colour", "type": "string"})
        return json.dumps(schema)

    monkeypatch.setattr(subjects, "schema_text", broken)
    with pytest.raises(ProblemError, match=r"noli\.Claim: not compatible"):
        contracts.apply(stack.settings())
    versions = httpx2.get(f"{stack.registry}/subjects/noli.Claim/versions").json()
    assert versions == [1]


def test_a_wrong_address_is_told_with_what_to_do(stack: Stack) -> None:
    """No broker and no registry: each is named, with the remedy, within seconds."""
    with pytest.raises(ProblemError, match=r"no Kafka at 127\.0\.0\.1:1:") as told:
        contracts.plan(stack.settings(kafka="127.0.0.1:1"))
    assert "NOLI_KAFKA" in told.value.remedy
    with pytest.raises(ProblemError, match="no schema registry at") as told:
        contracts.plan(stack.settings(registry="http://127.0.0.1:1"))
    assert "NOLI_REGISTRY" in told.value.remedy
