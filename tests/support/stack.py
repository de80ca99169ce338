"""One real Kafka and one real registry for the whole test session.

Ask for the fixture `stack`. Topics are the test's own: `stack.topics()` creates the catalogue under
a prefix that nobody else has, so tests share the broker and never a record. Whole processes use the
catalogue's own names, which are shared; where a neighbour's records would be heard (the watcher
holds everybody for one quarantined record), ask for `own_stack`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from noli.cli.stack.embedded import Embedded, embedded
from noli.runtime import broker
from noli.runtime.settings import Settings
from noli.runtime.topics import Wanted, wanted
from schemas.codec import topic_catalogue

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Stack:
    """`kafka`: bootstrap servers; `registry`: base URL of its Confluent API."""

    kafka: str
    registry: str
    processes: Embedded

    def settings(self, **over: object) -> Settings:
        """Settings that point at this stack."""
        return Settings.model_validate({"kafka": self.kafka, "registry": self.registry, **over})

    def prefix(self) -> str:
        """A name that no other test of this session has."""
        return f"t{os.getpid()}-{next(_numbers)}"

    def topics(self, partitions: int | None = None, prefix: str | None = None) -> Mapping[str, str]:
        """Create every topic of the catalogue under a prefix; catalogue name → name on the broker.

        An empty prefix creates the catalogue's own names (once per session, for whole workers).
        """
        before = self.prefix() + "." if prefix is None else prefix
        catalogue = wanted(topic_catalogue(), brokers=1)
        names = {topic.name: before + topic.name for topic in catalogue}
        self.create(
            *(
                replace(topic, name=names[topic.name], partitions=partitions or topic.partitions)
                for topic in catalogue
            )
        )
        return names

    def topic(self, name: str = "topic", partitions: int = 1, **configs: str) -> str:
        """Create one topic under a prefix of its own; property names with `_` for `.`."""
        full = f"{self.prefix()}.{name}"
        properties = {key.replace("_", "."): value for key, value in configs.items()}
        self.create(Wanted(full, partitions, 1, keyed=True, configs=properties))
        return full

    def create(self, *topics: Wanted) -> None:
        """Create those topics that are not there yet."""
        client = broker.admin(self.settings())
        there = broker.look(client).topics
        broker.create(client, [topic for topic in topics if topic.name not in there])


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The session's broker and registry, stopped by pid at its end."""
    data: Path = tmp_path_factory.mktemp("stack")
    with embedded(data, print, quick=True) as pair:
        yield Stack(pair.kafka, pair.registry, pair)


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A broker and a registry of the module's own: seconds, and nobody else's records."""
    with embedded(tmp_path_factory.mktemp("own-stack"), print, quick=True) as pair:
        yield Stack(pair.kafka, pair.registry, pair)
