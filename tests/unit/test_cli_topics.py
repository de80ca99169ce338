"""The topic plan: what is created, what is altered, what is refused and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from noli.runtime.topics import (
    Action,
    CatalogueError,
    Observed,
    Step,
    Wanted,
    plan,
    refused,
    wanted,
)
from schemas.codec import topic_catalogue

DELETE = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "min.insync.replicas": "1",
}
COMPACT = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": "86400000",
    "min.insync.replicas": "1",
}


def one(want: Mapping[str, str], have: Mapping[str, str], **sizes: Any) -> list[Step]:  # noqa: ANN401
    """The steps for one keyed topic of eight partitions and one copy, but for `sizes`."""
    topic = Wanted("t", 8, 1, keyed=sizes.get("keyed", True), configs=want)
    seen = Observed(sizes.get("partitions", 8), sizes.get("copies", 1), have)
    return plan([topic], {"t": seen}, 1, 1)


def actions(steps: list[Step]) -> list[Action]:
    """What each step does."""
    return [step.action for step in steps]


def test_a_missing_topic_is_created_with_its_configuration() -> None:
    """A topic that is not there is created as the catalogue has it."""
    steps = plan([Wanted("t", 8, 1, keyed=True, configs=COMPACT)], {}, 1, 1)
    assert actions(steps) == [Action.CREATE]
    assert steps[0].configs == COMPACT


def test_a_topic_as_wanted_is_left_alone() -> None:
    """No difference, no step but `same`; properties outside the catalogue do not matter."""
    assert actions(one(DELETE, {**DELETE, "segment.bytes": "1"})) == [Action.SAME]


@pytest.mark.parametrize("partitions", [4, 16])
def test_another_number_of_partitions_is_refused_for_keys(partitions: int) -> None:
    """Fewer or more partitions would move contacts: refused."""
    steps = one(DELETE, DELETE, partitions=partitions)
    assert actions(steps) == [Action.REFUSE]
    assert "contact" in steps[0].why


@pytest.mark.parametrize("want, have", [(COMPACT, DELETE), (DELETE, COMPACT)])
def test_a_switch_of_cleanup_is_refused(want: dict[str, str], have: dict[str, str]) -> None:
    """Compaction on a log, or deletion on a table, loses contacts: refused, either way."""
    steps = one({"cleanup.policy": want["cleanup.policy"]}, have)
    assert actions(steps) == [Action.REFUSE]


@pytest.mark.parametrize(
    "name, have, want, action",
    [
        ("retention.ms", "-1", "604800000", Action.REFUSE),
        ("retention.ms", "604800000", "86400000", Action.REFUSE),
        ("retention.ms", "604800000", "-1", Action.ALTER),
        ("retention.ms", "86400000", "604800000", Action.ALTER),
        ("retention.bytes", "1073741824", "-1", Action.ALTER),
        ("retention.bytes", "-1", "1073741824", Action.REFUSE),
        ("min.compaction.lag.ms", "0", "86400000", Action.ALTER),
        ("min.compaction.lag.ms", "86400000", "0", Action.REFUSE),
    ],
)
def test_keeping_more_is_safe_and_keeping_less_is_refused(
    name: str, have: str, want: str, action: Action
) -> None:
    """A change that keeps records longer is made; one that drops them is refused."""
    steps = one({name: want}, {name: have})
    assert actions(steps) == [action]
    assert refused(steps) is (action is Action.REFUSE)
    if action is Action.ALTER:
        assert steps[0].configs == {name: want}


def test_more_copies_in_sync_than_there_are_copies_is_never_asked_for() -> None:
    """min.insync.replicas is capped by the topic's own copies: above, every write would fail."""
    steps = one({"min.insync.replicas": "2"}, {"min.insync.replicas": "1"}, copies=1)
    assert actions(steps) == [Action.SAME]
    steps = one({"min.insync.replicas": "2"}, {"min.insync.replicas": "1"}, copies=3)
    assert actions(steps) == [Action.ALTER]


def test_fewer_copies_in_sync_are_refused() -> None:
    """A 2xx must not come to mean less than before."""
    steps = one({"min.insync.replicas": "1"}, {"min.insync.replicas": "2"}, copies=3)
    assert actions(steps) == [Action.REFUSE]


def test_copies_are_capped_at_the_brokers_with_a_note() -> None:
    """One broker holds one copy; the plan says what that means."""
    topics = wanted(topic_catalogue(), brokers=1)
    assert {(topic.replication, topic.configs["min.insync.replicas"]) for topic in topics} == {
        (1, "1")
    }
    notes = [step for step in plan(topics, {}, 1, 3) if step.action is Action.NOTE]
    assert "1 instead of 3" in notes[0].what


def test_logs_are_never_cut_by_size() -> None:
    """Every log sets retention.bytes itself: a broker-wide default would drop objections."""
    for topic in wanted(topic_catalogue(), brokers=3):
        if topic.configs["cleanup.policy"] == "delete":
            assert topic.configs["retention.bytes"] == "-1"


@pytest.mark.parametrize(
    "change, told",
    [
        ({"retention": 5}, "unknown field retention"),
        ({"cleanup": "both"}, "cleanup must be"),
        ({"retention_ms": None}, "retention_ms is missing"),
        ({"key": None}, "key is missing"),
    ],
)
def test_a_wrong_catalogue_names_topic_and_field(change: dict[str, Any], told: str) -> None:
    """A mistake in topics.toml is told with the topic and the field."""
    entry = {"key": "contact token", "cleanup": "delete", "retention_ms": -1} | change
    entry = {name: value for name, value in entry.items() if value is not None}
    catalogue = {
        "defaults": {"partitions": 8, "replication": 3, "min_insync_replicas": 2},
        "topics": {"noli.x": entry},
    }
    with pytest.raises(CatalogueError, match=f"noli.x: {told}"):
        wanted(catalogue, 1)


def test_every_property_of_the_catalogue_may_be_compared() -> None:
    """A topic that stands with anything else than is wanted gets a step, whatever differs."""
    for topic in wanted(topic_catalogue(), 1):
        for name in topic.configs:
            seen = Observed(topic.partitions, 1, {**topic.configs, name: ""})
            (step,) = plan([topic], {topic.name: seen}, 3, 3)
            assert step.action in {Action.ALTER, Action.REFUSE, Action.SAME}
