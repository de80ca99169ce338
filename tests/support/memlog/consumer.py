"""The consuming client: assignment, positions, the calls of the group and their callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    OFFSET_INVALID,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from tests.support.memlog.admin import metadata
from tests.support.memlog.group import Committed, Member, Place
from tests.support.memlog.log import LOGS, Log
from tests.support.memlog.messages import Message, Metadata, error_of

_DEFAULT_SESSION_MS: Final = 45_000
#: Records of one partition that arrive by one fetch.
_FETCH: Final = 50
Callback = Callable[[Any, list[TopicPartition]], None]


@dataclass
class _Position:
    """Where a partition is read. `told`: the end that was told by an end-of-partition."""

    offset: int
    paused: bool = False
    told: int = -1
    lost: bool = False
    #: Where the last fetch saw it end; what librdkafka says from its memory before the first.
    end: int = -1001


class Consumer:
    """One consumer; of a group once it subscribes."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._log: Log = LOGS[config["bootstrap.servers"]]
        self._client: str = config["client.id"]
        self._group = self._log.group(config["group.id"])
        self._instance: str | None = config.get("group.instance.id")
        self._session_ms: int = config.get("session.timeout.ms", _DEFAULT_SESSION_MS)
        self._eof: bool = config.get("enable.partition.eof", False)
        self._on_commit: Any = config.get("on_commit")
        self._positions: dict[Place, _Position] = {}
        self._turn: list[Place] = []
        self._member: Member | None = None
        self._generation = -1
        self._topics: list[str] = []
        self._callbacks: dict[str, Callback | None] = {}
        self._called = False
        self._commits: list[tuple[KafkaError | None, list[TopicPartition]]] = []
        self._fatal = False
        self._closed = False
        self._heard = self._log.clock.ms
        self._log.register(self._client, self)

    # --- assignment -------------------------------------------------------------------------------

    def subscribe(
        self, topics: Sequence[str], on_assign: Callback | None = None,
        on_revoke: Callback | None = None, on_lost: Callback | None = None,
    ) -> None:  # fmt: skip
        """Join the group at the next call."""
        self._topics = list(topics)
        self._callbacks = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost or on_revoke}

    def assign(self, places: Sequence[TopicPartition]) -> None:
        """Read these and no others."""
        self._called = True
        self._positions = {}
        self.incremental_assign(places)

    def unassign(self) -> None:
        """Read nothing."""
        self.assign([])

    def incremental_assign(self, places: Sequence[TopicPartition]) -> None:
        """Read these too."""
        for place in places:
            key = (place.topic, place.partition)
            if key in self._positions:
                raise KafkaException(error_of(KafkaError._CONFLICT))
            self._positions[key] = _Position(self._start(place))
        self._turn = list(self._positions)

    def incremental_unassign(self, places: Sequence[TopicPartition]) -> None:
        """Read these no longer."""
        for place in places:
            if self._positions.pop((place.topic, place.partition), None) is None:
                raise KafkaException(error_of(KafkaError._INVALID_ARG))
        self._turn = list(self._positions)

    def assignment(self) -> list[TopicPartition]:
        """What is read."""
        return [TopicPartition(*place) for place in self._positions]

    def pause(self, places: Sequence[TopicPartition]) -> None:
        """Hand out nothing of these."""
        for place in places:
            self._positions[place.topic, place.partition].paused = True

    def resume(self, places: Sequence[TopicPartition]) -> None:
        """Go on with these."""
        for place in places:
            self._positions[place.topic, place.partition].paused = False

    def seek(self, place: TopicPartition) -> None:
        """Go on elsewhere."""
        position = self._positions[place.topic, place.partition]
        position.offset, position.told, position.lost = self._start(place), -1, False

    # --- reading ----------------------------------------------------------------------------------

    def poll(self, timeout: float = -1) -> Message | None:
        """Serve what happened to the group; the next message, if it comes in time."""
        found = self._take(1, timeout)
        return found[0] if found else None

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """As `poll`, up to so many messages."""
        return self._take(num_messages, timeout)

    def close(self) -> None:
        """Give back what is read, and leave; a static member keeps its place."""
        if self._closed or self._log.dead(self):
            return
        if self._member is not None and self._positions:
            self._call("revoke")
        if self._member is not None:
            self._group.leave(self._member)
        self._closed = True

    # --- offsets ----------------------------------------------------------------------------------

    def committed(self, places: Sequence[TopicPartition], timeout: float = -1) -> list[Any]:
        """What the group has committed. Raises `KafkaException` when nobody answers."""
        self._answer(timeout)
        return [self._committed(place) for place in places]

    def commit(
        self, message: object = None, offsets: Sequence[TopicPartition] = (),
        asynchronous: bool = True,
    ) -> Any:  # fmt: skip  # noqa: ANN401 - as confluent's
        """Commit offsets; a refusal is raised, or told at a later call where asynchronous."""
        if self._log.dead(self):
            return None
        self._log.interrupt(self._client, "commit")
        refused = self._commit(list(offsets))
        if asynchronous:
            self._commits.append((error_of(refused) if refused is not None else None, [*offsets]))
            return None
        if refused is not None:
            raise KafkaException(error_of(refused))
        self._log.interrupt(self._client, "committed")
        return list(offsets)

    def get_watermark_offsets(
        self, place: TopicPartition, timeout: float = -1, cached: bool = False
    ) -> tuple[int, int]:
        """First offset and end; from memory with `cached`. Raises where nobody answers."""
        if cached:
            known = self._positions.get((place.topic, place.partition))
            return (-1001, -1001) if known is None else (0, known.end)
        self._answer(timeout)
        there = self._log.at(place.topic, place.partition)
        return there.start, there.end

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Metadata:
        """Topics and their partitions. Raises `KafkaException` when nobody answers."""
        self._answer(timeout)
        return metadata(self._log, topic)

    # --- inside -----------------------------------------------------------------------------------

    def _take(self, most: int, timeout: float) -> list[Message]:
        if self._log.dead(self) or self._closed:
            return []
        self._log.interrupt(self._client, "poll")
        self._serve_commits()
        if self._topics and not self._fatal:
            self._serve_group()
        if self._fatal:
            return [self._error(KafkaError._FATAL, fatal=True)]
        found = self._fetched(most)
        if not found and timeout > 0:
            self._log.pass_time(timeout)
            found = self._fetched(most)
        return found

    def _fetched(self, most: int) -> list[Message]:
        if not self._log.reachable(self._client):
            return []
        found: list[Message] = []
        for place in list(self._turn):
            if len(found) >= most:
                break
            position = self._positions.get(place)
            if position is None or position.paused or position.lost:
                continue
            if self._log.chance.random() < self._log.sloth.get(place[0], 0.0):
                continue  # asked for, and not here yet
            found += self._read(place, position, most - len(found))
            self._turn.remove(place)
            self._turn.append(place)
        return found

    def _read(self, place: Place, position: _Position, most: int) -> list[Message]:
        there = self._log.at(*place)
        if not there.start <= position.offset <= there.end:
            position.lost = True
            return [self._error(KafkaError._AUTO_OFFSET_RESET, place, position.offset)]
        position.end = there.end
        entries = there.read(position.offset, min(most, _FETCH))
        found = [Message((*place, e.offset), e.created, e.key, e.value) for e in entries]
        if entries:
            position.offset = entries[-1].offset + 1
        elif position.offset < there.end:
            position.offset = there.end  # compacted away to the end
        ended = len(found) < most and not there.read(position.offset, 1)
        if ended and self._eof and position.told != there.end:
            position.offset = position.told = there.end
            found.append(self._error(KafkaError._PARTITION_EOF, place, there.end))
        return found

    def _error(
        self, code: int, place: Place = ("", -1), offset: int = -1001, *, fatal: bool = False
    ) -> Message:
        return Message((*place, offset), error=error_of(code, fatal=fatal))

    def _start(self, place: TopicPartition) -> int:
        there = self._log.at(place.topic, place.partition)
        if place.offset == OFFSET_BEGINNING:
            return there.start
        if place.offset == OFFSET_END:
            return there.end
        if place.offset == OFFSET_INVALID:
            committed = self._group.offsets.get((place.topic, place.partition))
            return committed.offset if committed else -1
        return int(place.offset)

    def _answer(self, timeout: float) -> None:
        """A call that waits for the broker."""
        self._log.interrupt(self._client, "ask")
        if not self._log.reachable(self._client):
            self._log.pass_time(max(0.0, timeout))
            raise KafkaException(error_of(KafkaError._TIMED_OUT))

    def _committed(self, place: TopicPartition) -> TopicPartition:
        found = self._group.offsets.get((place.topic, place.partition))
        if found is None:
            return TopicPartition(place.topic, place.partition, OFFSET_INVALID)
        answer = TopicPartition(place.topic, place.partition, found.offset)
        if found.metadata is not None:
            answer = TopicPartition(
                place.topic, place.partition, found.offset, metadata=found.metadata
            )
        return answer

    def _commit(self, offsets: Sequence[TopicPartition]) -> int | None:
        """Store them; an error code where refused."""
        if not self._log.reachable(self._client):
            return KafkaError._TIMED_OUT
        refused = self._log.refusing
        if refused is None:
            refused = self._group.refusal(self._member, self._generation)
        if refused is None:
            for place in offsets:
                committed = Committed(place.offset, place.metadata)
                self._group.offsets[place.topic, place.partition] = committed
        return refused

    def _serve_commits(self) -> None:
        commits, self._commits = self._commits, []
        for error, offsets in commits:
            if self._on_commit is not None:
                self._on_commit(error, offsets)

    def _serve_group(self) -> None:
        """Heartbeat, and what follows from its answer."""
        now = self._log.clock.ms
        if not self._log.reachable(self._client):
            if self._member is not None and now - self._heard > self._session_ms:
                self._lose()
            return
        self._heard = now
        if self._member is None:
            self._member = self._group.join(
                self._client, self._instance, self._topics, now, self._session_ms
            )
        refused = self._group.refusal(self._member, self._group.generation)
        if refused == KafkaError.FENCED_INSTANCE_ID:
            self._fatal = True
        elif refused is not None:
            self._lose()
        elif self._group.rebalancing and not self._member.joined:
            if self._generation >= 0:
                self._call("revoke")
            self._generation = -1
            self._group.rejoin(self._member, now)
        if not self._fatal and self._member is not None:
            self._begin(self._member)

    def _begin(self, member: Member) -> None:
        """The generation that everybody has joined."""
        if self._group.rebalancing or self._generation == self._group.generation:
            return
        if self._generation >= 0:
            self._call("revoke")
        self._generation = self._group.generation
        places = [TopicPartition(*place) for place in member.places]
        self._called = False
        callback = self._callbacks["assign"]
        if callback is not None:
            callback(self, places)
        if not self._called:
            self.assign(places)

    def _lose(self) -> None:
        """Somebody else may have our partitions already."""
        self._member, generation = None, self._generation
        self._generation = -1
        if generation >= 0:
            self._call("lost")

    def _call(self, what: str) -> None:
        places = self.assignment()
        self._called = False
        callback = self._callbacks.get(what)
        if callback is not None and places:
            callback(self, places)
        if not self._called:
            self.unassign()
