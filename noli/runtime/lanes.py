"""Input lanes of a worker: one group member leads, the other lanes follow its partitions.

The member of the group subscribes to the first lane only. Every other lane is fetched by an
assigned consumer without a group that follows the same partition numbers, and its offsets are
committed through the member, so each commit is fenced by the group's generation. The lead lane is
always asked first: a backlog behind it never delays it. The others take turns, so that none of them
starves another.

"Read empty" says little before the first fetch has come. So at a takeover the lanes that can only
deny are processed up to where they ended then, before any record of another flows: whoever folds a
past anew meets its denials first (docs/adr/0018).
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from noli.runtime.backlog import Backlog
from noli.runtime.callbacks import catchable
from noli.runtime.committed import Committed
from noli.runtime.failpoints import Failpoint, failpoint
from noli.runtime.heights import Heights
from noli.runtime.kafka import consumer_config, mends_itself
from noli.runtime.logging import get_logger
from noli.runtime.membership import MOVES, NOT_TAKEN_BACK, Membership
from noli.runtime.metrics import clients

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from confluent_kafka import Message

    from noli.runtime.part import Topology
    from noli.runtime.settings import Settings

#: Records of the lead lane taken at once.
_LEAD_BATCH: Final = 500
#: Records of a following lane taken at once, and of one of chunks, which hold about a hundred
#: intents each. How many of them one turn does is a matter of time: the loop gives the rest back.
_FOLLOW_BATCH: Final = 1_000
_CHUNK_BATCH: Final = 32
#: Kilobytes of a chunked lane fetched ahead. Its backlog may be millions; the worker wants little.
_CHUNKS_AHEAD_KB: Final = 4 * 1024
#: How long one call waits on the lead lane when nothing is there, in seconds: the followers' delay.
_IDLE_WAIT_S: Final = 0.005

#: A restore or a long batch must not cost the membership, in ms.
_MAX_POLL_MS: Final = 600_000

#: How long the broker may take to tell committed offsets, in seconds.
_COMMITTED_TIMEOUT_S: Final = 10.0

#: The broker no longer takes commits of this generation: somebody else may own the partition.
_FENCED: Final = MOVES | {KafkaError.FENCED_INSTANCE_ID}


def _nothing(_partition: int) -> str:
    """Nothing to remember."""
    return ""


class LanesError(Exception):
    """The input cannot be read on: lost offsets, a fenced member, a refused client."""


class Lanes:
    """`topics[0]` leads. Partitions gained and lost are collected for the loop to act on."""

    def __init__(
        self, settings: Settings, topology: Topology, mark: Callable[[int], str] = _nothing
    ) -> None:
        """`mark`: what is to be remembered of an owned partition with each commit."""
        self.topics = topology.lanes
        self.group = topology.group
        self._mark = mark
        #: What was remembered with the commits of the partitions gained, a text per lane.
        self.remembered: dict[int, list[str]] = {}
        #: Lanes of loads: nobody waits for what stands there.
        self.chunked = topology.chunked
        self.gained: set[int] = set()
        self.lost: set[int] = set()
        self.owned: set[int] = set()
        #: Owned partitions of which the denying lanes are not yet where they were at the takeover:
        #: nothing else of them flows.
        self.waiting: set[int] = set()
        self._denying = topology.denying
        self._backlog = Backlog()
        #: Next offset to commit, per lane and partition.
        self.position: dict[tuple[str, int], int] = {}
        self._committed = Committed()
        self._member = Membership(self.group, _FENCED)
        self._wait_s = _IDLE_WAIT_S
        self._follow_now = False
        self._starts: dict[tuple[str, int], int] = {}
        self._log = get_logger()
        self._heights = Heights(settings.data, topology.group)
        self._lead = Consumer(
            consumer_config(
                settings,
                topology.group,
                group_instance_id=settings.instance,
                max_poll_interval_ms=_MAX_POLL_MS,
                enable_partition_eof=True,
            )
            | {"on_commit": self._on_commit}
        )
        self._followers = {
            topic: Consumer(consumer_config(settings, None, **self._fetch(topic)))
            for topic in self.topics[1:]
        }
        #: Records of a follower that its last turn had no time for.
        self._rest: dict[str, list[Message]] = {}
        #: Followers in the order in which they are asked: whoever had its turn goes last.
        self._turns = deque(self._followers)

    def join(self) -> None:
        """Become the member of the group that `settings.instance` names, in place of any other."""
        self._lead.subscribe(
            [self.topics[0]],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def poll(self) -> list[Message]:
        """The next records, all of one lane; the lead lane's first. Empty when nothing came.

        A lead lane that was read empty lets one batch of a follower pass: else a trickle on it,
        beside work that takes the loop's time, would keep the followers waiting for ever.
        """
        if self._member.is_forgotten():
            raise LanesError(NOT_TAKEN_BACK)
        self._open()
        if self._follow_now:
            self._follow_now = False
            found = self._follow()
            if found:
                return found
        first = self._lead.poll(self._wait_s)
        if first is not None:
            batch = [first, *self._lead.consume(_LEAD_BATCH, 0)]
            found = self._usable(batch, self.topics[0])
            if found:
                self._follow_now = len(batch) <= _LEAD_BATCH
                return found
        return self._follow()

    def _open(self) -> None:
        """Let the other lanes of a partition flow, once nothing that denies is left to be read."""
        for number in [n for n in self.waiting if self._reached(self._denying, n)]:
            self.waiting.discard(number)
            for topic, follower in self._followers.items():
                if topic not in self._denying:
                    follower.resume([TopicPartition(topic, number)])

    def caught_up(self, partition: int) -> bool:
        """Whether every lane is processed up to where it ended when the partition became ours."""
        return partition not in self.waiting and self._reached(self.topics, partition)

    def _reached(self, topics: Collection[str], number: int) -> bool:
        if not self._backlog:
            return True
        places = [(topic, number) for topic in topics]
        return all(self._backlog.reached(at, self.position.get(at, 0)) for at in places)

    def _follow(self) -> list[Message]:
        """A batch of the following lane whose turn it is, of those that have one."""
        for topic in tuple(self._turns):
            size = _CHUNK_BATCH if topic in self.chunked else _FOLLOW_BATCH
            taken = self._rest.pop(topic, None) or self._followers[topic].consume(size, 0)
            found = self._usable(taken, topic)
            if found:
                self._turns.remove(topic)
                self._turns.append(topic)
                self._wait_s = 0.0  # there may be more: only look at the lead, do not wait for it
                return found
        self._wait_s = _IDLE_WAIT_S
        return []

    def give_back(self, topic: str, messages: list[Message]) -> None:
        """Records of a following lane, not begun: what its next turn begins with."""
        self._rest[topic] = messages

    def start(self, partition: int, *, whole: bool) -> None:
        """Let a restored partition's records flow from the committed offsets: denials first.

        `whole`: somebody asks whether it has caught up with all of its lanes.
        """
        for topic, follower in self._followers.items():
            start = self._starts[topic, partition]
            follower.incremental_assign([TopicPartition(topic, partition, start)])
            if topic not in self._denying:
                follower.pause([TopicPartition(topic, partition)])
        for topic in self.topics if whole else self._denying:
            self._backlog.begin((topic, partition))
        self._lead.resume([TopicPartition(self.topics[0], partition)])
        self.owned.add(partition)
        self.waiting.add(partition)
        self.gained.discard(partition)

    def drop(self, partition: int) -> None:
        """Stop reading a partition on every following lane; the lead's is the group's affair."""
        self.owned.discard(partition)
        self.gained.discard(partition)
        self.waiting.discard(partition)
        self._backlog.forget(partition)
        for topic, follower in self._followers.items():
            if any(place.partition == partition for place in follower.assignment()):
                follower.incremental_unassign([TopicPartition(topic, partition)])
            rest = self._rest.get(topic, [])
            self._rest[topic] = [each for each in rest if each.partition() != partition]
        for topic in self.topics:
            self.position.pop((topic, partition), None)
            self._committed.forget((topic, partition))

    def commit(self, *, wait: bool = False) -> None:
        """Commit the positions that moved, of owned partitions only, through the group member."""
        moved = self._committed.moved(self._to_commit())
        if not moved:
            return
        offsets = [TopicPartition(*place, at, metadata=text) for place, (at, text) in moved.items()]
        failpoint(Failpoint.PROCESSOR_BEFORE_COMMIT)
        try:
            if wait:
                _check(self._lead.commit(offsets=offsets, asynchronous=False))
            else:
                self._lead.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._refused(error.args[0])
        else:
            self._committed.asked(moved)
            failpoint(Failpoint.PROCESSOR_AFTER_COMMIT)

    def _to_commit(self) -> dict[tuple[str, int], tuple[int, str]]:
        """Offset and mark of every place of ours; the mark with one lane of each partition."""
        marks = {number: self._mark(number) for number in self.owned}
        return {
            (topic, number): (self.position[topic, number], marks.pop(number, ""))
            for topic in self.topics
            for number in self.owned
            if (topic, number) in self.position
        }

    def done(self, partitions: Collection[int]) -> set[int]:
        """Those of these partitions of which anything was ever committed."""
        return {number for (_, number), at in self.position.items() if at and number in partitions}

    def set_back(self, partitions: Collection[int]) -> None:
        """Commit the beginning of every lane of these partitions."""
        places = [TopicPartition(topic, n, 0) for topic in self.topics for n in partitions]
        self._lead.commit(offsets=places, asynchronous=False)

    def close(self) -> None:
        """Commit and leave; a static member keeps its place for the session time."""
        self.commit(wait=True)
        self._heights.keep()
        self._lead.close()  # its last revocation still takes partitions from the followers
        for follower in self._followers.values():
            follower.close()

    def _fetch(self, topic: str) -> dict[str, int]:
        """How much of a following lane is fetched."""
        found = {"fetch_message_max_bytes": 256 * 1024, "enable_partition_eof": True}
        if topic in self.chunked:
            found["queued_max_messages_kbytes"] = _CHUNKS_AHEAD_KB
        return found

    def _find_starts(self, partitions: list[TopicPartition]) -> None:
        """Committed offsets of every lane; what was never committed starts at the beginning."""
        self.remembered = {place.partition: [] for place in partitions}
        places = [TopicPartition(t, p.partition) for t in self.topics for p in partitions]
        for place in self._lead.committed(places, timeout=_COMMITTED_TIMEOUT_S):
            if place.error is not None:
                raise LanesError(f"committed offset of {place.topic}: {place.error.str()}")
            known = place.offset != OFFSET_INVALID
            at = place.offset if known else None
            self._heights.found((place.topic, place.partition), at)
            self._starts[place.topic, place.partition] = place.offset if known else OFFSET_BEGINNING
            if known:
                self.position[place.topic, place.partition] = place.offset
                self.remembered[place.partition].append(place.metadata or "")

    def _usable(self, messages: list[Message], topic: str) -> list[Message]:
        found = [
            message
            for message in messages
            if not self._is_error(message, topic) and message.partition() in self.owned
        ]
        if self._backlog:
            self._look(messages, topic)
        return found

    def _look(self, messages: list[Message], topic: str) -> None:
        """What these say of where their partitions end."""
        consumer = self._followers.get(topic, self._lead)
        for message in messages:
            place = topic, message.partition() or 0
            error = message.error()
            if error is None:
                self._backlog.record(place, message.offset() or 0, partial(_end, consumer, place))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - public error code
                self._backlog.ended(place)

    def _is_error(self, message: Message, topic: str) -> bool:
        error = message.error()
        if error is None:
            return False
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - public error code
            return True
        if mends_itself(error):
            self._log.warning("fetch.retried", topic=topic, error=error.name())
            return True
        raise LanesError(f"{topic}[{message.partition()}]: {error.str()}")

    @catchable(LanesError)
    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        clients.REBALANCES.labels(self.group, "assigned").inc()
        self._member.assigned()
        self._find_starts(partitions)
        # Nothing flows before the state is restored and claimed: assigned, but paused.
        consumer.assign(
            [
                TopicPartition(p.topic, p.partition, self._starts[p.topic, p.partition])
                for p in partitions
            ]
        )
        consumer.pause(partitions)
        self.gained = {p.partition for p in partitions}
        self._log.info("lanes.assigned", partitions=sorted(self.gained))

    @catchable(LanesError)
    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        clients.REBALANCES.labels(self.group, "revoked").inc()
        # Everything in `position` is delivered and stored: it may be committed while still ours.
        self.commit(wait=True)
        self._forget(partitions, "lanes.revoked")

    @catchable(LanesError)
    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        clients.REBALANCES.labels(self.group, "lost").inc()
        self._forget(partitions, "lanes.lost")

    def _forget(self, partitions: list[TopicPartition], event: str) -> None:
        self._member.out()
        numbers = {p.partition for p in partitions}
        self._log.info(event, partitions=sorted(numbers))
        self.lost |= numbers & (self.owned | self.gained)
        for number in numbers:
            self.drop(number)

    @catchable(LanesError)
    def _on_commit(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        refusals = [place.error for place in offsets if place.error is not None]
        if error is not None or refusals:
            self._refused(error or refusals[0])
        else:
            self._member.committed()
            taken = (place for place in offsets if place.offset >= 0)
            self._heights.committed({(p.topic, p.partition): p.offset for p in taken})

    def _refused(self, error: KafkaError) -> None:
        self._log.warning("commit.refused", error=error.name())
        # What was refused is committed again with the next progress, if it is still ours then.
        self._committed.forget_all()
        if not self._member.later(error):
            raise LanesError(f"commit refused: {error.str()}")


def _end(consumer: Consumer, place: tuple[str, int]) -> int:
    """Where the last fetch of a place saw it end; negative where none has told."""
    return consumer.get_watermark_offsets(TopicPartition(*place), cached=True)[1]


def _check(committed: list[TopicPartition] | None) -> None:
    """Raise KafkaException where one partition was refused, of which the call says nothing."""
    for place in committed or ():
        if place.error is not None:
            raise KafkaException(place.error)
