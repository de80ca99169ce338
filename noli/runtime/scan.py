"""A partition read from its beginning to where it ended when the reading began."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from noli.runtime import broker
from noli.runtime.clock import steady
from noli.runtime.kafka import consumer_config, watermarks
from noli.runtime.part import Record
from noli.runtime.settings import Settings

#: Told how many records were passed, out of how many.
Progress = Callable[[int, int], object]

#: Records taken at once, and seconds to wait for the first of them.
_BATCH: Final = 5_000
_WAIT_S: Final = 0.5
#: A broker that sends nothing for so long will not answer, in seconds.
_SILENCE_S: Final = 20.0


class LogUnavailable(Exception):
    """The log cannot be read to its end; the text says why."""


def partitions(settings: Settings, topics: Sequence[str]) -> dict[str, int]:
    """How many partitions each topic has. Raises `LogUnavailable`, also where one is missing."""
    try:
        found = broker.look(broker.admin(settings)).topics
    except broker.BrokerUnavailable as error:
        raise LogUnavailable(f"no Kafka at {settings.kafka}: {error}") from error
    missing = [topic for topic in topics if topic not in found]
    if missing:
        raise LogUnavailable(f"no topic {', '.join(missing)} at {settings.kafka}")
    return {topic: found[topic][0] for topic in topics}


def _unheard(_passed: int, _total: int) -> None:
    """Nobody watches."""


def records(
    settings: Settings,
    places: Mapping[str, int],
    progress: Progress = _unheard,
    since: Mapping[str, int] | None = None,
) -> Iterator[Record]:
    """Every record of one partition per topic, from the offset `since` or its beginning.

    Raises `LogUnavailable`.
    """
    since = since or {}
    try:
        consumer = Consumer(consumer_config(settings, None, enable_partition_eof=True))
    except KafkaException as error:
        raise LogUnavailable(f"no reader: {error}") from error
    try:
        lows, left = _ends(consumer, places, since)
        total = sum(left.values())
        # What is no more is not asked for: the broker would refuse all of it.
        starts = {t: max(since[t], lows[t]) if t in since else OFFSET_BEGINNING for t in places}
        consumer.assign([TopicPartition(t, p, starts[t]) for t, p in places.items()])
        progress(0, total)
        yield from _read(consumer, left, lambda passed: progress(min(passed, total), total))
    except KafkaException as error:
        raise LogUnavailable(f"the log stopped: {error}") from error
    finally:
        consumer.close()


def _ends(
    consumer: Consumer, places: Mapping[str, int], since: Mapping[str, int]
) -> tuple[dict[str, int], dict[str, int]]:
    """First offset of each partition, and the end of those that hold anything to be read."""
    lows, ends = {}, {}
    for topic, partition in places.items():
        low, high = watermarks(consumer, TopicPartition(topic, partition), _SILENCE_S)
        lows[topic] = low
        if high > max(low, since.get(topic, low)):
            ends[topic] = high
    return lows, ends


def _read(
    consumer: Consumer, left: dict[str, int], passed: Callable[[int], object]
) -> Iterator[Record]:
    """Records below the ends in `left`, which it empties."""
    at = dict.fromkeys(left, 0)
    heard = steady()
    while left:
        # Not `consume` with a timeout: it waits for a full batch, at the end of each partition too.
        first = consumer.poll(_WAIT_S)
        batch = [] if first is None else [first, *consumer.consume(_BATCH, 0)]
        if batch:
            heard = steady()
        elif steady() - heard > _SILENCE_S:
            raise LogUnavailable(f"the log was silent for {_SILENCE_S:.0f} s")
        for message in batch:
            topic = message.topic() or ""
            if topic not in left:
                continue  # accepted after the reading began
            if _ended(message):
                del left[topic]
                continue
            offset = message.offset() or 0
            if offset < left[topic]:
                yield _record(message, topic, offset)
            at[topic] = offset + 1
            if at[topic] >= left[topic]:
                del left[topic]
        passed(sum(at.values()))


def _ended(message: Message) -> bool:
    """Whether this says that there is no more for now. Raises `KafkaException` for other errors."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - confluent's name for it
        return True
    raise KafkaException(error)


def _record(message: Message, topic: str, offset: int) -> Record:
    return Record(
        topic,
        message.partition() or 0,
        offset,
        message.key(),
        message.value(),
        message.timestamp()[1],
    )
