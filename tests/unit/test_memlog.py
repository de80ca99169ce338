"""The in-memory log: it does what the real broker does, and breaks as it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from noli.runtime.kafka import consumer_config, producer_config
from tests.support.logcontract import SESSION_MS, Hand, LogContract, Place, read, until
from tests.support.memlog import AdminClient, Consumer, Log, Producer


@pytest.fixture
def log() -> Iterator[Log]:
    """A log of one test."""
    made = Log()
    yield made
    made.close()


@pytest.fixture
def place(log: Log) -> Place:
    """The log as the contract wants it."""

    def topic(name: str, partitions: int) -> str:
        log.create(name, partitions)
        return name

    return Place(Consumer, Producer, AdminClient, log.address, topic)


class TestContract(LogContract):
    """What the real broker passes in tests/integration/test_log_contract.py."""


def test_a_member_that_stands_still_loses_its_partitions(log: Log, place: Place) -> None:
    """Past its session another has them; it wakes, is told that they are lost, and joins again."""
    topic = place.topic("still", 2)
    one, two = (Hand(place.reader("g", name), topic) for name in ("one", "two"))
    until(lambda: one.owned == [0] and two.owned == [1], one, two)
    log.paused.add("one")
    until(lambda: two.owned == [0, 1], two)
    log.paused.clear()
    with pytest.raises(KafkaException) as refused:
        one.consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    assert refused.value.args[0].code() == KafkaError.UNKNOWN_MEMBER_ID
    until(lambda: one.owned == [0] and two.owned == [1], one, two)
    assert ("lost", [0]) in one.told
    assert ("revoked", [0, 1]) in two.told


def test_a_member_behind_a_cut_learns_it_by_itself(log: Log, place: Place) -> None:
    """Without an answer for its session it takes its partitions for lost, and reads nothing."""
    topic = place.topic("cut", 1)
    hand = Hand(place.reader("g", "one"), topic)
    until(lambda: hand.owned == [0], hand)
    log.cut.add("one")
    log.append(topic, 0, b"k", b"a")
    began = log.clock.ms
    until(lambda: ("lost", [0]) in hand.told, hand)
    assert log.clock.ms - began > SESSION_MS
    log.cut.clear()
    until(lambda: hand.owned == [0], hand)


def test_a_record_may_stand_though_nobody_said_so(log: Log, place: Place) -> None:
    """Acknowledgements that get lost are reported as time-outs, stored or not; cut off, nothing is.

    So a record may stand while those before it do not.
    """
    topic = place.topic("unheard", 1)
    codes: list[int | None] = []

    def produce() -> int:
        before = log.at(topic, 0).end
        writer = place.writer()
        for _ in range(8):
            writer.produce(
                topic, b"v", b"k", 0, on_delivery=lambda e, _: codes.append(e and e.code())
            )
        writer.flush(20)
        return log.at(topic, 0).end - before

    log.unheard.add("one")
    assert 0 < produce() < 8
    log.unheard.clear()
    log.cut.add("one")
    assert produce() == 0
    assert codes == [KafkaError._MSG_TIMED_OUT] * 16


def test_what_a_dead_client_had_sent_lands_late(log: Log, place: Place) -> None:
    """A prefix of it, in order; the client's objects do nothing any more."""
    topic = place.topic("late", 1)
    lengths = set()
    for _ in range(20):
        before = log.at(topic, 0).end
        writer = place.writer()
        for value in (b"a", b"b"):
            writer.produce(topic, value, b"k", 0)
        log.kill("one")
        assert writer.flush(1) == 2
        log.land()
        found = [entry.value for entry in log.at(topic, 0).entries[before:]]
        assert found == [b"a", b"b"][: len(found)]
        lengths.add(len(found))
    assert lengths == {0, 1, 2}


def test_compaction_keeps_the_last_of_each_key(log: Log, place: Place) -> None:
    """Offsets stay, with gaps; a reader passes over them to the same end."""
    topic = place.topic("compact", 1)
    for key, value in ((b"a", b"1"), (b"b", b"1"), (b"a", b"2")):
        log.append(topic, 0, key, value)
    log.compact(topic)
    reader = place.reader(enable_partition_eof=True)
    reader.assign([TopicPartition(topic, 0, 0)])
    found = read(reader, 3)
    assert [(m.offset(), m.value()) for m in found[:2]] == [(1, b"1"), (2, b"2")]
    assert found[2].offset() == 3


def test_a_lost_tail_is_an_error_to_who_had_read_it(log: Log, place: Place) -> None:
    """Beyond the new end there is nothing to wait for: the reader is told."""
    topic = place.topic("tail", 1)
    place.fill(topic, b"a", b"b", b"c")
    reader = place.reader()
    reader.assign([TopicPartition(topic, 0, 0)])
    read(reader, 3)
    log.lose_tail(topic, 0, 2)
    (found,) = read(reader, 1)
    assert found.error().code() == KafkaError._AUTO_OFFSET_RESET


def test_a_slow_fetch_leaves_a_lane_empty_for_a_while(log: Log, place: Place) -> None:
    """What stands in the log may not have come yet; in the end it does, in order."""
    topic = place.topic("slow", 1)
    place.fill(topic, *(bytes([n]) for n in range(1, 9)))
    log.sloth["slow"] = 0.9
    reader = place.reader()
    reader.assign([TopicPartition(topic, 0, 0)])
    assert [m.value() for m in read(reader, 8)] == [bytes([n]) for n in range(1, 9)]


def test_every_point_of_a_client_can_be_interrupted(log: Log, place: Place) -> None:
    """Before a call and after its effect, so that a crash or a rival may come in between."""
    topic = place.topic("points", 1)
    points: list[tuple[str, str]] = []
    writer = Producer(producer_config(place.settings("w")))
    reader = Consumer(consumer_config(place.settings("r"), None))
    log.interrupt = lambda client, what: points.append((client, what))
    writer.produce(topic, b"v", b"k", 0)
    writer.flush(1)
    reader.assign([TopicPartition(topic, 0, 0)])
    reader.poll(0)
    assert points == [("w", "produce"), ("w", "flush"), ("w", "appended"), ("r", "poll")]
