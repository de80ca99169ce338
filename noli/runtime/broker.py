"""What an operator asks of the brokers: who they are, their topics, the lag of the groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ListOffsetsResultInfo,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from noli.runtime import kafka
from noli.runtime.clock import steady
from noli.runtime.settings import Settings
from noli.runtime.topics import Action, Observed, Step, Wanted

#: For the broker's answer, and for a new topic to reach every broker, in seconds.
_TIMEOUT_S: Final = 15.0
#: Between two looks at topics just created, in seconds.
_LOOK_S: Final = 0.02


class BrokerUnavailable(Exception):
    """The brokers did not answer or refused; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A look at the cluster: its id, how many brokers, partitions and copies of each topic."""

    id: str
    brokers: int
    topics: Mapping[str, tuple[int, int]]
    #: Per partition of each topic: copies there should be, copies in step.
    copies: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)


def admin(settings: Settings) -> AdminClient:
    """A client for the calls below, silent: refused connections come back as exceptions."""
    return kafka.admin(settings, silent=True)


def look(client: AdminClient, timeout_s: float = _TIMEOUT_S) -> Cluster:
    """The cluster as it answers now. Raises `BrokerUnavailable`."""
    try:
        found = client.list_topics(timeout=timeout_s)
    except KafkaException as error:
        raise BrokerUnavailable(_reason(error)) from error
    sizes = {
        name: (
            len(topic.partitions),
            min((len(p.replicas) for p in topic.partitions.values()), default=0),
        )
        for name, topic in found.topics.items()
    }
    copies = {
        name: [(len(p.replicas), len(p.isrs)) for p in topic.partitions.values()]
        for name, topic in found.topics.items()
    }
    return Cluster(str(found.cluster_id), len(found.brokers), sizes, copies)


def topic_ids(
    client: AdminClient, topics: Sequence[str], timeout_s: float = _TIMEOUT_S
) -> dict[str, str]:
    """Kafka's id of each topic: another one once it is made anew. Raises `BrokerUnavailable`."""
    asked = client.describe_topics(TopicCollection([*topics]), request_timeout=timeout_s)
    return {topic: str(_result(asked[topic]).topic_id) for topic in topics}


def observe(client: AdminClient, cluster: Cluster, names: Iterable[str]) -> dict[str, Observed]:
    """Those of the named topics that exist, with their effective configuration."""
    present = [name for name in names if name in cluster.topics]
    if not present:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in present]
    answers = client.describe_configs(resources, request_timeout=_TIMEOUT_S)
    configs = {resource.name: _result(future) for resource, future in answers.items()}
    return {
        name: Observed(
            *cluster.topics[name], {key: str(entry.value) for key, entry in configs[name].items()}
        )
        for name in present
    }


def create(client: AdminClient, topics: Sequence[Wanted]) -> None:
    """Create topics and wait until they are known. Raises `BrokerUnavailable`."""
    if not topics:
        return
    new = [
        NewTopic(topic.name, topic.partitions, topic.replication, config=dict(topic.configs))
        for topic in topics
    ]
    for future in client.create_topics(
        new, operation_timeout=_TIMEOUT_S, request_timeout=_TIMEOUT_S
    ).values():
        _result(future)
    _await_known(client, {topic.name for topic in topics})


def _await_known(client: AdminClient, names: set[str]) -> None:
    """The controller says yes before the brokers have read it: wait until they have."""
    end = steady() + _TIMEOUT_S
    while missing := names - set(look(client).topics):
        if steady() > end:
            raise BrokerUnavailable(f"created but not seen by the brokers: {sorted(missing)}")
        client.poll(_LOOK_S)  # the protocol has no notification for it


def alter(client: AdminClient, steps: Iterable[Step]) -> None:
    """Set the configuration of every ALTER step and wait until it holds.

    Raises `BrokerUnavailable`.
    """
    changes: dict[str, dict[str, str]] = {}
    for step in steps:
        if step.action is Action.ALTER:
            changes.setdefault(step.name, {}).update(step.configs)
    if not changes:
        return
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            name,
            incremental_configs=[
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                for key, value in configs.items()
            ],
        )
        for name, configs in changes.items()
    ]
    for future in client.incremental_alter_configs(resources, request_timeout=_TIMEOUT_S).values():
        _result(future)
    _await_configs(client, changes)


def _await_configs(client: AdminClient, changes: Mapping[str, Mapping[str, str]]) -> None:
    """As with new topics: the controller says yes before the brokers have read it."""
    end = steady() + _TIMEOUT_S
    while True:
        seen = observe(client, look(client), changes)
        late = {
            name
            for name, configs in changes.items()
            if name not in seen or configs.items() - seen[name].configs.items()
        }
        if not late:
            return
        if steady() > end:
            raise BrokerUnavailable(f"changed but not seen by the brokers: {sorted(late)}")
        client.poll(_LOOK_S)


def _result(future: Future[Any]) -> Any:  # noqa: ANN401 - each call has its own
    try:
        return future.result()
    except KafkaException as error:
        raise BrokerUnavailable(_reason(error)) from error


def _reason(error: KafkaException) -> str:
    cause = error.args[0] if error.args else error
    return str(cause.str()) if hasattr(cause, "str") else str(cause)


@dataclass(frozen=True, slots=True)
class Lag:
    """How many records of a topic a group has not committed yet; of all its partitions."""

    group: str
    topic: str
    records: int


def ends(client: AdminClient, cluster: Cluster, names: Iterable[str]) -> dict[str, dict[int, int]]:
    """End offset of each partition of the named topics. Raises `BrokerUnavailable`."""
    wanted = {
        TopicPartition(name, partition): OffsetSpec.latest()  # type: ignore[no-untyped-call]
        for name in names
        for partition in range(cluster.topics[name][0])
    }
    found: dict[str, dict[int, int]] = {}
    answers = client.list_offsets(wanted, request_timeout=_TIMEOUT_S) if wanted else {}
    for place, future in answers.items():
        found.setdefault(place.topic, {})[place.partition] = answered(_result(future)).offset
    return found


def newest(
    client: AdminClient, cluster: Cluster, names: Iterable[str], timeout_s: float = _TIMEOUT_S
) -> int:
    """The newest timestamp of any record of the named topics, ms; 0 where there is none.

    Raises `BrokerUnavailable`.
    """
    wanted = {
        TopicPartition(name, partition): OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
        for name in names
        for partition in range(cluster.topics[name][0])
    }
    answers = client.list_offsets(wanted, request_timeout=timeout_s) if wanted else {}
    return max([0, *(int(answered(_result(future)).timestamp) for future in answers.values())])


def answered(answer: ListOffsetsResultInfo) -> ListOffsetsResultInfo:
    """What a leader told of a partition. Raises `BrokerUnavailable` for an answer that is none.

    librdkafka asks each leader by a request of its own. Where one of them fails as a whole (the
    broker died with it in its hands) its partitions are left with no error and no offset, which is
    below every position: as if all had been read (docs/adr/0014).
    """
    if answer.offset == OFFSET_INVALID:
        raise BrokerUnavailable("the leader went away with the question")
    return answer


def lags(settings: Settings, ends_of: Mapping[str, Mapping[int, int]]) -> list[Lag]:
    """Lag of every group on the topics of `ends_of`, by group and topic."""
    listed = _result(admin(settings).list_consumer_groups(request_timeout=_TIMEOUT_S))
    found: list[Lag] = []
    for group in sorted(entry.group_id for entry in listed.valid):
        behind: dict[str, int] = {}
        for place in _group_places(settings, group, ends_of):
            left = ends_of[place.topic][place.partition] - place.offset
            behind[place.topic] = behind.get(place.topic, 0) + max(left, 0)
        found += [Lag(group, topic, left) for topic, left in sorted(behind.items())]
    return found


def committed(settings: Settings, group: str, topic: str) -> dict[int, int]:
    """Offset each partition of a topic is done up to; one never committed is left out."""
    return {number: offset for number, (offset, _) in marks(settings, group, topic).items()}


def marks(
    settings: Settings, group: str, topic: str, numbers: Iterable[int] | None = None
) -> dict[int, tuple[int, str]]:
    """Offset and the text committed with it, for each partition that was ever committed.

    `numbers`: the topic's partitions where they are known, which saves asking for them.
    """
    known = range(look(admin(settings)).topics[topic][0]) if numbers is None else numbers
    return {
        place.partition: (place.offset, place.metadata or "")
        for place in _group_places(settings, group, {topic: known})
    }


def _group_places(
    settings: Settings, group: str, numbers: Mapping[str, Iterable[int]]
) -> list[TopicPartition]:
    """Every committed place of a group on these partitions. Raises `BrokerUnavailable`.

    By a consumer that joins nothing: librdkafka's admin call for it ends the process with a
    segmentation fault when the group's coordinator has moved (librdkafka issue 5040, ADR 14).
    """
    wanted = [TopicPartition(topic, n) for topic, ns in numbers.items() for n in ns]
    consumer = Consumer(kafka.consumer_config(settings, group) | {"log_level": 0})
    try:
        found = consumer.committed(wanted, timeout=_TIMEOUT_S) if wanted else []
    except KafkaException as error:
        raise BrokerUnavailable(_reason(error)) from error
    finally:
        consumer.close()
    for place in found:
        if place.error is not None:
            raise BrokerUnavailable(place.error.str())
    return [place for place in found if place.offset >= 0]
