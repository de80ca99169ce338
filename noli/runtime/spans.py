"""A topic read between two moments, every partition of it: for what is asked about the past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from noli.runtime import scan
from noli.runtime.clock import steady
from noli.runtime.kafka import consumer_config, mends_itself, watermarks
from noli.runtime.part import Record
from noli.runtime.scan import LogUnavailable
from noli.runtime.settings import Settings

#: Records taken at once, and seconds to wait for the first of them.
_BATCH: Final = 10_000
_WAIT_S: Final = 0.5
#: A broker that sends nothing for so long will not answer, in seconds.
_SILENCE_S: Final = 15.0


class Spans:
    """Reads spans of one topic, one after the other. For one thread."""

    def __init__(self, settings: Settings, topic: str) -> None:
        """Raises `LogUnavailable`."""
        self._topic = topic
        self._partitions = scan.partitions(settings, [topic])[topic]
        self._consumer = Consumer(consumer_config(settings, None))

    def read(self, since: int, until: int) -> Iterator[list[Record]]:
        """Batches of the records that the log took from `since` up to `until` (ms).

        By the log's timestamps, which clocks of several writers make: allow for some seconds.
        Batches may be empty, so that whoever reads can stop. Raises `LogUnavailable`.
        """
        try:
            left = self._ends(self._offsets(since), self._offsets(until + 1))
            starts = [TopicPartition(self._topic, p, start) for p, (start, _) in left.items()]
            self._consumer.assign(starts)
            yield from self._read({number: end for number, (_, end) in left.items()})
        except KafkaException as error:
            raise LogUnavailable(f"the log stopped: {error}") from error

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()

    def _offsets(self, moment: int) -> dict[int, int]:
        """The first offset at or after a moment, by partition; the end where there is none."""
        asked = [TopicPartition(self._topic, p, moment) for p in range(self._partitions)]
        found = {}
        for place in self._consumer.offsets_for_times(asked, timeout=_SILENCE_S):
            if place.error is not None:
                raise KafkaException(place.error)
            if place.offset == OFFSET_END:
                whole = TopicPartition(self._topic, place.partition)
                found[place.partition] = watermarks(self._consumer, whole, _SILENCE_S)[1]
            else:
                found[place.partition] = place.offset
        return found

    @staticmethod
    def _ends(starts: dict[int, int], ends: dict[int, int]) -> dict[int, tuple[int, int]]:
        """Start and end of the partitions in which anything lies between."""
        return {p: (start, ends[p]) for p, start in starts.items() if start < ends[p]}

    def _read(self, left: dict[int, int]) -> Iterator[list[Record]]:
        """Records below the ends in `left`, which it empties."""
        heard = steady()
        while left:
            first = self._consumer.poll(_WAIT_S)
            if first is None:
                if steady() - heard > _SILENCE_S:
                    raise LogUnavailable(f"the log was silent for {_SILENCE_S:.0f} s")
                yield []
                continue
            heard = steady()
            batch = []
            for message in (first, *self._consumer.consume(_BATCH, 0)):
                if (error := message.error()) is not None:
                    if not mends_itself(error):
                        raise KafkaException(error)
                    continue
                number, offset = message.partition() or 0, message.offset() or 0
                end = left.get(number)
                if end is None:
                    continue
                if offset + 1 >= end:
                    del left[number]
                if offset < end:
                    at = message.timestamp()[1]
                    batch.append(
                        Record(self._topic, number, offset, message.key(), message.value(), at)
                    )
            yield batch
