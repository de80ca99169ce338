"""The administering client: offsets, descriptions, the list of topics."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from tests.support.memlog.log import LOGS, Log
from tests.support.memlog.messages import Described, Info, Metadata, done, error_of, failed


class AdminClient:
    """Answers are there at once; from nobody who is cut off."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._log: Log = LOGS[config["bootstrap.servers"]]
        self._client: str = config["client.id"]

    def list_offsets(
        self, wanted: Mapping[TopicPartition, Any], request_timeout: float = 0
    ) -> dict[TopicPartition, Future[Any]]:
        """The ends of partitions (latest only).

        Of who is cut off no error, and no offset: as librdkafka answers where the leaders went away
        with the question (docs/adr/0014).
        """
        self._log.interrupt(self._client, "list_offsets")
        if not self._log.reachable(self._client):
            return {place: done(Info(OFFSET_INVALID)) for place in wanted}
        return {
            place: done(Info(self._log.at(place.topic, place.partition).end)) for place in wanted
        }

    def describe_topics(self, topics: Any, request_timeout: float = 0) -> dict[str, Future[Any]]:  # noqa: ANN401 - a TopicCollection shows its names to nobody but librdkafka
        """The topics' ids and partitions."""
        self._log.interrupt(self._client, "describe_topics")
        names = list(topics.topic_names)
        if not self._log.reachable(self._client):
            return {name: failed(KafkaError._TIMED_OUT) for name in names}
        return {name: self._described(name) for name in names}

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Metadata:
        """Topics and their partitions. Raises `KafkaException` when nobody answers."""
        if not self._log.reachable(self._client):
            self._log.pass_time(timeout)
            raise KafkaException(error_of(KafkaError._TRANSPORT))
        return metadata(self._log, topic)

    def _described(self, name: str) -> Future[Any]:
        if name not in self._log.topics:
            return failed(KafkaError.UNKNOWN_TOPIC_OR_PART)
        topic = self._log.topics[name]
        return done(Described(topic.id, list(range(len(topic.partitions)))))


def metadata(log: Log, topic: str | None) -> Metadata:
    """The cluster, or what it says of one topic."""
    names = log.topics if topic is None else {topic: log.topics[topic]}
    return Metadata(
        {
            name: Described(found.id, [*range(len(found.partitions))])
            for name, found in names.items()
        }
    )
