"""`noli.decisions` as one application reads it: its own consumer group, one static member.

The consumer lives on a thread of its own; what happens there (partitions gained and lost, records)
comes out of `read` as one list, in order. Nothing is committed but what `commit` is told.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple, TypeVar

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from noli.runtime import broker
from noli.runtime.callbacks import catchable
from noli.runtime.clientstats import heard_by, lags
from noli.runtime.clock import steady
from noli.runtime.heights import Heights
from noli.runtime.kafka import consumer_config, mends_itself, watermarks, watermarks_now
from noli.runtime.logging import get_logger
from noli.runtime.membership import NOT_TAKEN_BACK, Membership
from noli.runtime.metrics import clients
from noli.runtime.process import die
from noli.runtime.settings import Settings

#: Records taken at once: at ~0.1 ms each, the event loop is never busy with them for long.
_BATCH: Final = 200
#: How long one read waits when nothing is there, in seconds; a stop waits for it at most.
_IDLE_S: Final = 0.2
#: How long the broker may take to answer about offsets, in seconds.
_OFFSETS_S: Final = 10.0
#: And, of all that an assignment gives, within it, in seconds.
_LOOK_S: Final = 3.0
#: A call that takes so long will not return, in seconds: twice all that it may wait for.
_HANGS_S: Final = 120.0
#: How a commit names the topic it is of.
_TOPIC: Final = "topic"

T = TypeVar("T")


class InletError(Exception):
    """The decisions cannot be read on: lost offsets, a second member of this name, a refusal."""


class Mark(NamedTuple):
    """What is remembered with a committed offset: a reader that starts there has not seen it.

    `epoch`: highest claim below the offset; `as_of`: newest beacon below it (ms), None if none.
    """

    epoch: int
    as_of: int | None

    def text(self) -> str:
        """As the commit's metadata."""
        return f"epoch={self.epoch}" + ("" if self.as_of is None else f" as_of={self.as_of}")

    @classmethod
    def read(cls, text: str | None) -> Mark:
        """From a commit's metadata; what is not there is not known."""
        found = dict(re.findall(r"(\w+)=(\d+)", text or ""))
        return cls(int(found.get("epoch", 0)), int(found["as_of"]) if "as_of" in found else None)


class Gained(NamedTuple):
    """A partition is ours. `start`: first offset to read; `end`: where the log ended just now.

    `first`: the application has never committed there, so everything up to `end` is older than it.
    So it is where the topic is another one than then, or has lost its end: all of it is told again.
    """

    partition: int
    start: int
    end: int
    mark: Mark
    first: bool


class Lost(NamedTuple):
    """A partition is somebody else's now, or nobody's."""

    partition: int


Happening = Gained | Lost | Message


class Inlet:
    """The member of the group. Use it from one event loop."""

    def __init__(self, settings: Settings, group: str, topic: str) -> None:
        self._group = group
        self._topic = topic
        self._log = get_logger()
        #: A place: gained, and not measured yet. No callback asks how far the log is (ADR 20).
        self._happened: list[TopicPartition | Lost | Message] = []
        #: False while a broker is out of reach, and until the first assignment.
        self.connected = False
        self._paused = False
        #: Touched by the consumer's thread only.
        self._owned: set[int] = set()
        self._thread = ThreadPoolExecutor(1, "decisions")
        config = consumer_config(settings, group, group_instance_id=settings.instance)
        self._heights = Heights(settings.data, group)
        self._admin = broker.admin(settings)
        self._member = Membership(group)
        #: Kafka's id of the topic, as it was when its partitions were assigned.
        self._topic_id = ""
        self._told = heard_by("member")
        told = {"error_cb": self._on_error, "stats_cb": self._on_statistics}
        self._consumer = Consumer(config | told)
        self._consumer.subscribe(
            [topic], on_assign=self._on_assign, on_revoke=self._on_lost, on_lost=self._on_lost
        )

    async def read(self) -> list[Happening]:
        """What happened next, in order; empty when nothing did. Raises `InletError`."""
        return await self._told_by(self._poll)

    async def commit(self, marks: Mapping[int, tuple[int, Mark]]) -> bool:
        """Commit an offset and its mark per partition, synchronously; whether it was taken.

        Not taken: the group is moving, and what is still ours then comes again. Raises
        `InletError` when the broker refuses for good.
        """
        offsets = [
            TopicPartition(self._topic, partition, offset, metadata=mark.text())
            for partition, (offset, mark) in marks.items()
        ]
        return await self._told_by(partial(self._commit, offsets))

    async def _told_by(self, call: Callable[[], T]) -> T:
        """What the client answers; one that does not answer any more ends the process."""
        try:
            async with asyncio.timeout(_HANGS_S):
                return await asyncio.get_running_loop().run_in_executor(self._thread, call)
        except TimeoutError:
            die(self._group, f"the Kafka client has not answered for {_HANGS_S:.0f} s")

    def pause(self, *, paused: bool) -> None:
        """Stop or go on fetching; the membership is kept up either way."""
        if paused == self._paused:
            return
        self._paused = paused
        partitions = self._consumer.assignment()
        (self._consumer.pause if paused else self._consumer.resume)(partitions)

    async def aclose(self) -> None:
        """Leave; a static member keeps its place for the session time."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _close(self) -> None:
        self._heights.keep()
        self._consumer.close()

    def _poll(self) -> list[Happening]:
        if self._member.is_forgotten():
            raise InletError(NOT_TAKEN_BACK)
        first = self._consumer.poll(_IDLE_S)
        messages = [first, *self._consumer.consume(_BATCH - 1, 0)] if first is not None else []
        for message in messages:
            if not self._is_error(message):
                self._happened.append(message)
        happened, self._happened = self._happened, []
        if any(isinstance(each, TopicPartition) for each in happened):
            self._topic_id = self._described()
        return [
            self._gained(each) if isinstance(each, TopicPartition) else each for each in happened
        ]

    def _commit(self, offsets: list[TopicPartition]) -> bool:
        offsets = [place for place in offsets if place.partition in self._owned]
        if not offsets:
            return False
        offsets = [self._of_topic(place) for place in offsets]
        try:
            places = self._consumer.commit(offsets=offsets, asynchronous=False) or ()
        except KafkaException as error:
            refusals = [error.args[0]]
        else:
            refusals = [place.error for place in places if place.error is not None]
        for refusal in refusals:
            if not self._member.later(refusal):
                raise InletError(f"commit refused: {refusal.str()}")
            self._log.warning("commit.put_off", error=refusal.name())
        if not refusals:
            self._member.committed()
            self._heights.committed({(p.topic, p.partition): p.offset for p in offsets})
        return not refusals

    def _of_topic(self, place: TopicPartition) -> TopicPartition:
        """As a commit of this topic: one that is made anew is read from its beginning."""
        said = f"{place.metadata or ''} {_TOPIC}={self._topic_id}"
        return TopicPartition(place.topic, place.partition, place.offset, metadata=said)

    def _is_error(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            self.connected = True
            return False
        if mends_itself(error):
            self._log.warning("fetch.retried", error=error.name())
            return True
        raise InletError(f"{self._topic}[{message.partition()}]: {error.str()}")

    @catchable(InletError)
    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        clients.REBALANCES.labels(self._group, "assigned").inc()
        self._member.assigned()
        places = consumer.committed(partitions, timeout=_OFFSETS_S)
        for place in places:
            if place.error is not None:
                raise InletError(f"committed offset: {place.error.str()}")
        # Never the reset policy: an application that never committed starts at the beginning,
        # because it may hold nothing yet, and an offset that is gone is an error.
        deadline = steady() + _LOOK_S
        consumer.assign(
            [
                TopicPartition(self._topic, p.partition, _start(consumer, p, deadline))
                for p in places
            ]
        )
        # Nothing comes before it is known to be of the topic that was committed to.
        consumer.pause(partitions)
        self._paused = False
        self._owned = {p.partition for p in places}
        self._happened.extend(places)
        self.connected = True
        self._log.info("decisions.assigned", partitions=sorted(self._owned))

    def _gained(self, place: TopicPartition) -> Gained:
        try:
            low, end = watermarks(self._consumer, place, _OFFSETS_S)
        except KafkaException as error:
            raise InletError(f"{place.topic}[{place.partition}]: {error}") from error
        first = _is_first(place)
        gone = not first and self._is_gone(place, end)
        committed = None if first or gone else place.offset
        before = place.offset if gone else 0
        self._heights.found((place.topic, place.partition), committed, before)
        if place.partition in self._owned:  # not lost again meanwhile
            if gone:
                self._consumer.seek(TopicPartition(self._topic, place.partition, OFFSET_BEGINNING))
            self._consumer.resume([TopicPartition(self._topic, place.partition)])
        if committed is None:
            return Gained(place.partition, low, end, Mark(0, None), first=True)
        return Gained(place.partition, committed, end, Mark.read(place.metadata), first=False)

    def _is_gone(self, place: TopicPartition, end: int) -> bool:
        """Whether what was committed is of a topic that is no more, or of an end that was lost."""
        of = re.search(rf"\b{_TOPIC}=(\S+)", place.metadata or "")
        if place.offset <= end and (of is None or of[1] == self._topic_id):
            return False
        self._log.error(
            "decisions.made_anew",
            topic=place.topic,
            partition=place.partition,
            committed=place.offset,
            end=end,
            remedy="none is needed: read from the beginning, all of it is told again",
        )
        return True

    def _described(self) -> str:
        """The topic's id. Raises `InletError`."""
        try:
            return broker.topic_ids(self._admin, [self._topic], _OFFSETS_S)[self._topic]
        except broker.BrokerUnavailable as error:
            raise InletError(f"{self._topic} cannot be described: {error}") from error

    @catchable(InletError)
    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        clients.REBALANCES.labels(self._group, "lost").inc()
        self._member.out()
        self._owned -= {place.partition for place in partitions}
        self._happened.extend(Lost(place.partition) for place in partitions)
        self._log.info("decisions.lost", partitions=sorted(p.partition for p in partitions))

    def _on_statistics(self, text: str) -> None:
        self._told(text)
        for topic, partition, behind in lags(text):
            if partition in self._owned:
                clients.LAG_RECORDS.labels(self._group, topic, partition).set(behind)

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - a public error code
            self.connected = False


def _start(consumer: Consumer, place: TopicPartition, deadline: float) -> int:
    """Where to fetch from: the committed offset, unless the log ends before it.

    A fetch may leave before the partition is paused, and of such an offset it fails. Where nobody
    tells the end now, it is looked at afterwards all the same.
    """
    if _is_first(place):
        return OFFSET_BEGINNING
    there = TopicPartition(place.topic, place.partition)
    try:
        _, end = watermarks_now(consumer, there, max(0.0, deadline - steady()))
    except KafkaException:
        return place.offset
    return OFFSET_BEGINNING if place.offset > end else place.offset


def _is_first(place: TopicPartition) -> bool:
    """Whether nothing was ever committed there."""
    return place.offset == OFFSET_INVALID
