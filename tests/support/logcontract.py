"""What a log does, as one class of tests: the real broker passes it, and so must its double.

Only what our runtime relies on is asked, in the calls it uses. A room makes the `Place`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from noli.runtime.kafka import consumer_config, producer_config
from noli.runtime.partition import partition_of
from noli.runtime.settings import Settings

#: A real broker that has not answered by then has a fault, in seconds.
DEADLINE_S: Final = 30.0
_WAIT_S: Final = 0.1
#: A session that a test can wait for, ms; a broker takes none below six seconds.
SESSION_MS: Final = 6_000


@dataclass(frozen=True)
class Place:
    """A log: its clients, an address, and a way to make topics (name, partitions) → full name."""

    consumer: Callable[[dict[str, Any]], Any]
    producer: Callable[[dict[str, Any]], Any]
    admin: Callable[[dict[str, Any]], Any]
    address: str
    topic: Callable[[str, int], str]

    def settings(self, instance: str = "one") -> Settings:
        """Settings of a process of that name."""
        return Settings.model_validate({"kafka": self.address, "instance": instance})

    def reader(self, group: str | None = None, instance: str = "one", **over: Any) -> Any:  # noqa: ANN401 - either client
        """A consumer as ours are configured."""
        if group is not None:
            over = {"group_instance_id": instance, **over}
        return self.consumer(consumer_config(self.settings(instance), group, **over))

    def writer(self, **over: Any) -> Any:  # noqa: ANN401 - either client
        """A producer as ours are configured."""
        return self.producer(producer_config(self.settings(), **over))

    def fill(self, topic: str, *values: bytes, partition: int = 0) -> list[int]:
        """Append values; their offsets, by delivery reports."""
        offsets: list[int] = []
        writer = self.writer()
        for value in values:
            writer.produce(
                topic, value, b"key", partition,
                on_delivery=lambda _, message: offsets.append(message.offset()),
            )  # fmt: skip
        assert writer.flush(DEADLINE_S) == 0
        return offsets


def read(consumer: Any, count: int) -> list[Any]:  # noqa: ANN401 - either client
    """So many messages, errors among them. Fails after the deadline."""
    found: list[Any] = []
    end = time.monotonic() + DEADLINE_S
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} messages"
        first = consumer.poll(_WAIT_S)
        if first is not None:
            found += [first, *consumer.consume(count - len(found) - 1, 0)]
    return found


class Hand:
    """What the group's callbacks told a member."""

    def __init__(self, consumer: Any, topic: str) -> None:  # noqa: ANN401 - either client
        self.consumer = consumer
        self.told: list[tuple[str, list[int]]] = []
        self.owned: list[int] = []
        consumer.subscribe(
            [topic], on_assign=self._assigned, on_revoke=self._gone("revoked"),
            on_lost=self._gone("lost"),
        )  # fmt: skip

    def _assigned(self, consumer: Any, places: list[TopicPartition]) -> None:  # noqa: ANN401 - as above
        consumer.assign(places)
        self.owned = sorted(place.partition for place in places)
        self.told.append(("assigned", self.owned))

    def _gone(self, how: str) -> Callable[[Any, list[TopicPartition]], None]:
        def gone(_: Any, places: list[TopicPartition]) -> None:  # noqa: ANN401 - as above
            self.owned = []
            self.told.append((how, sorted(place.partition for place in places)))

        return gone


def until(done: Callable[[], bool], *hands: Hand) -> None:
    """Let members call in, in turn, until it is so. Fails after the deadline."""
    end = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < end, [hand.told for hand in hands]
        for hand in hands:
            hand.consumer.poll(_WAIT_S)


class LogContract:
    """Subclass it in a room, with a fixture `place`."""

    def test_records_stand_in_the_order_of_their_reports(self, place: Place) -> None:
        """Offsets are contiguous, and what is read is what was reported: key, value, time."""
        topic = place.topic("order", 1)
        assert place.fill(topic, b"a", b"b", b"c") == [0, 1, 2]
        assert place.fill(topic, b"d") == [3]
        reader = place.reader()
        reader.assign([TopicPartition(topic, 0, 1)])
        found = read(reader, 3)
        reader.close()
        assert [(m.offset(), m.key(), m.value()) for m in found] == [
            (1, b"key", b"b"), (2, b"key", b"c"), (3, b"key", b"d"),
        ]  # fmt: skip
        times = [m.timestamp()[1] for m in found]
        assert times == sorted(times)
        assert {(m.topic(), m.partition(), m.error()) for m in found} == {(topic, 0, None)}

    def test_the_key_decides_the_partition_as_in_java(self, place: Place) -> None:
        """`murmur2_random`, as `noli.runtime.partition` has it; one named is obeyed."""
        topic = place.topic("keys", 5)
        keys = [bytes([n]) * 17 for n in range(1, 30)]
        found: dict[bytes, int] = {}
        writer = place.writer()
        for key in keys:
            writer.produce(
                topic,
                b"v",
                key,
                -1,
                on_delivery=lambda _, m: found.update({m.key(): m.partition()}),
            )
        assert writer.flush(DEADLINE_S) == 0
        assert found == {key: partition_of(key, 5) for key in keys}
        assert place.fill(topic, b"v", partition=4) == [list(found.values()).count(4)]

    def test_the_end_of_a_partition_is_told_and_told_again(self, place: Place) -> None:
        """An end-of-partition names the next offset; after more records it comes anew."""
        topic = place.topic("end", 1)
        place.fill(topic, b"a", b"b")
        reader = place.reader(enable_partition_eof=True)
        reader.assign([TopicPartition(topic, 0, 0)])
        codes = [m.error() and m.error().code() for m in read(reader, 3)]
        assert codes == [None, None, KafkaError._PARTITION_EOF]
        place.fill(topic, b"c")
        record, end = read(reader, 2)
        reader.close()
        assert (record.value(), end.error().code()) == (b"c", KafkaError._PARTITION_EOF)
        assert (end.offset(), end.partition()) == (3, 0)

    def test_an_offset_that_is_gone_is_an_error(self, place: Place) -> None:
        """Never a silent reset: the error comes as a message, and no record does."""
        topic = place.topic("gone", 1)
        place.fill(topic, b"a")
        reader = place.reader()
        reader.assign([TopicPartition(topic, 0, 7)])
        (found,) = read(reader, 1)
        reader.close()
        assert found.error().code() == KafkaError._AUTO_OFFSET_RESET
        assert not found.error().retriable()

    def test_partitions_come_and_go_one_by_one(self, place: Place) -> None:
        """Adding one leaves the others where they are; twice, or one not there, is refused."""
        topic = place.topic("step", 2)
        place.fill(topic, b"a", b"b")
        place.fill(topic, b"x", partition=1)
        reader = place.reader()
        reader.incremental_assign([TopicPartition(topic, 0, 0)])
        assert [m.value() for m in read(reader, 2)] == [b"a", b"b"]
        reader.incremental_assign([TopicPartition(topic, 1, OFFSET_BEGINNING)])
        assert [m.value() for m in read(reader, 1)] == [b"x"]
        assert sorted(p.partition for p in reader.assignment()) == [0, 1]
        with pytest.raises(KafkaException) as twice:
            reader.incremental_assign([TopicPartition(topic, 1, 0)])
        assert twice.value.args[0].code() == KafkaError._CONFLICT
        reader.incremental_unassign([TopicPartition(topic, 1)])
        with pytest.raises(KafkaException) as absent:
            reader.incremental_unassign([TopicPartition(topic, 1)])
        assert absent.value.args[0].code() == KafkaError._INVALID_ARG
        place.fill(topic, b"y", partition=1)
        place.fill(topic, b"c")
        assert [m.value() for m in read(reader, 1)] == [b"c"]
        reader.close()

    def test_a_paused_partition_waits(self, place: Place) -> None:
        """Nothing of it is handed out until it is resumed, then all of it."""
        topic = place.topic("pause", 2)
        reader = place.reader()
        both = [TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 0)]
        reader.assign(both)
        reader.pause(both[:1])
        place.fill(topic, b"a", b"b")
        place.fill(topic, b"x", partition=1)
        assert [m.value() for m in read(reader, 1)] == [b"x"]
        reader.resume(both[:1])
        assert [m.value() for m in read(reader, 2)] == [b"a", b"b"]
        reader.close()

    def test_ends_and_ids_are_told(self, place: Place) -> None:
        """`list_offsets`, the watermarks, the topic's id and its partitions."""
        topic = place.topic("ends", 2)
        place.fill(topic, b"a", b"b")
        client = place.admin(consumer_config(place.settings(), None))
        wanted = {TopicPartition(topic, n): OffsetSpec.latest() for n in range(2)}  # type: ignore[no-untyped-call]
        found = client.list_offsets(wanted, request_timeout=DEADLINE_S)
        assert {p.partition: future.result().offset for p, future in found.items()} == {0: 2, 1: 0}
        reader = place.reader()
        at = TopicPartition(topic, 0)
        assert reader.get_watermark_offsets(at, timeout=DEADLINE_S, cached=False) == (0, 2)
        assert len(reader.list_topics(topic, timeout=DEADLINE_S).topics[topic].partitions) == 2
        reader.close()
        names = [topic, place.topic("other", 1)]
        described = [
            client.describe_topics(TopicCollection([name]), request_timeout=DEADLINE_S)[name]
            for name in (*names, topic)
        ]
        ids = [str(each.result().topic_id) for each in described]
        assert ids[0] == ids[2] != ids[1]
        assert [len(each.result().partitions) for each in described] == [2, 1, 2]

    def test_a_member_commits_offsets_and_a_text(self, place: Place) -> None:
        """What was never committed is known as such; a commit is there for the next member."""
        topic = place.topic("commit", 2)
        group = f"{topic}.group"
        hand = Hand(place.reader(group, "one"), topic)
        until(lambda: hand.owned == [0, 1], hand)
        places = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
        hand.consumer.commit(
            offsets=[TopicPartition(topic, 0, 5, metadata="epoch=3")], asynchronous=False
        )
        hand.consumer.commit(offsets=[TopicPartition(topic, 1, 6)], asynchronous=False)
        hand.consumer.close()
        other = Hand(place.reader(group, "one"), topic)
        until(lambda: other.owned == [0, 1], other)
        found = other.consumer.committed(places, timeout=DEADLINE_S)
        other.consumer.close()
        assert [(p.offset, p.metadata or "") for p in found] == [(5, "epoch=3"), (6, "")]
        assert other.told[0] == ("assigned", [0, 1])
        fresh = Hand(place.reader(f"{topic}.fresh", "one"), topic)
        until(lambda: bool(fresh.owned), fresh)
        found = fresh.consumer.committed(places[:1], timeout=DEADLINE_S)
        fresh.consumer.close()
        assert [p.offset for p in found] == [OFFSET_INVALID]

    def test_commits_are_answered_where_that_was_asked(self, place: Place) -> None:
        """An asynchronous commit is answered through `on_commit`, at a later call."""
        topic = place.topic("later", 1)
        answers: list[tuple[object, list[int]]] = []
        config = consumer_config(place.settings(), f"{topic}.group", group_instance_id="one")
        consumer = place.consumer(
            config | {"on_commit": lambda e, ps: answers.append((e, [p.offset for p in ps]))}
        )
        hand = Hand(consumer, topic)
        until(lambda: hand.owned == [0], hand)
        consumer.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=True)
        until(lambda: bool(answers), hand)
        consumer.close()
        assert answers == [(None, [2])]

    def test_a_second_member_takes_its_share(self, place: Place) -> None:
        """Eager: all is revoked, then given out in ranges by the order of instances."""
        topic = place.topic("share", 4)
        group = f"{topic}.group"
        first = Hand(place.reader(group, "one"), topic)
        until(lambda: first.owned == [0, 1, 2, 3], first)
        second = Hand(place.reader(group, "two"), topic)
        until(lambda: first.owned == [0, 1] and second.owned == [2, 3], first, second)
        assert first.told == [
            ("assigned", [0, 1, 2, 3]), ("revoked", [0, 1, 2, 3]), ("assigned", [0, 1]),
        ]  # fmt: skip
        first.consumer.close()
        second.consumer.close()

    def test_a_static_member_is_replaced_without_a_rebalance(self, place: Place) -> None:
        """Its successor has its partitions at once; the former is fenced, in reads and commits."""
        topic = place.topic("static", 2)
        group = f"{topic}.group"
        other = Hand(place.reader(group, "two"), topic)
        until(lambda: other.owned == [0, 1], other)
        former = Hand(place.reader(group, "one"), topic)
        until(lambda: former.owned == [0] and other.owned == [1], former, other)
        successor = Hand(place.reader(group, "one"), topic)
        until(lambda: successor.owned == [0], successor)
        assert other.told[-1] == ("assigned", [1])
        assert successor.told == [("assigned", [0])]
        refused = None
        end = time.monotonic() + DEADLINE_S
        while refused is None and time.monotonic() < end:
            message = former.consumer.poll(_WAIT_S)
            refused = message and message.error()
        assert refused is not None
        assert refused.code() in {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID}
        with pytest.raises(KafkaException):
            former.consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
        for hand in (former, successor, other):
            hand.consumer.close()

    def test_a_full_queue_says_so(self, place: Place) -> None:
        """BufferError, and nothing that was queued before it is lost."""
        topic = place.topic("full", 1)
        reported: list[int] = []
        # One batch that never fills: nothing leaves the queue by itself meanwhile.
        writer = place.writer(queue_buffering_max_messages=3, linger_ms=9_000)
        for _ in range(3):
            writer.produce(
                topic, b"v", b"k", 0, on_delivery=lambda _, m: reported.append(m.offset())
            )
        with pytest.raises(BufferError):
            writer.produce(topic, b"v", b"k", 0)
        assert len(writer) == 3
        assert writer.flush(DEADLINE_S) == 0
        assert reported == [0, 1, 2]
