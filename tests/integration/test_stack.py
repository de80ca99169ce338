"""The embedded broker and registry that the other integration tests stand on."""

from __future__ import annotations

import httpx2

from noli.runtime import broker
from schemas.codec import topic_catalogue
from tests.support.stack import Stack


def test_the_broker_is_ours_and_single(stack: Stack) -> None:
    """The broker that answers is one node with a cluster id."""
    found = broker.look(broker.admin(stack.settings()))
    assert found.brokers == 1
    assert found.id


def test_the_registry_protects_schemas_by_default(stack: Stack) -> None:
    """The registry's effective compatibility is FULL_TRANSITIVE, not Apicurio's NONE."""
    answer = httpx2.get(f"{stack.registry}/config").json()
    assert answer["compatibilityLevel"] == "FULL_TRANSITIVE"


def test_topics_come_from_the_catalogue_under_a_prefix_of_their_own(stack: Stack) -> None:
    """Two calls create the whole catalogue twice, under different names."""
    first, second = stack.topics(), stack.topics(partitions=2)
    there = broker.look(broker.admin(stack.settings())).topics
    assert set(first) == set(second) == set(topic_catalogue()["topics"])
    catalogue = topic_catalogue()
    partitions = {
        name: entry.get("partitions", catalogue["defaults"]["partitions"])
        for name, entry in catalogue["topics"].items()
    }
    assert {name: there[made] for name, made in first.items()} == {
        name: (count, 1) for name, count in partitions.items()
    }
    assert {there[name] for name in second.values()} == {(2, 1)}


def test_one_topic_gets_its_properties(stack: Stack) -> None:
    """A topic made for a test has the properties that the test asked for."""
    name = stack.topic("compacted", 3, cleanup_policy="compact")
    client = broker.admin(stack.settings())
    seen = broker.observe(client, broker.look(client), [name])[name]
    assert seen.partitions == 3
    assert seen.configs["cleanup.policy"] == "compact"
