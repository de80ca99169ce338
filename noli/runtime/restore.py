"""Taking over partitions: read the state topic, claim, read up to the claim.

A claim is a record of a higher epoch than any before it. Once it stands in the log, whatever an
older owner still writes comes after it with a lower epoch, and every reader passes over it. What
former owners left unmended, here and at the end of the decisions, is found on the way.
Source: blueprint, "One writer per partition"; docs/adr/0003, 0015 and 0016.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from noli.runtime import broker, violations
from noli.runtime.clock import now_ms, now_us, steady
from noli.runtime.failpoints import Failpoint, failpoint
from noli.runtime.kafka import admin, consumer_config
from noli.runtime.logging import get_logger
from noli.runtime.metrics import loop
from noli.runtime.metrics.process import Invariant
from noli.runtime.outputs import Claim
from noli.runtime.store import PartitionStore
from noli.runtime.trail import Mark, Owes, Trail
from schemas.codec import UnreadableError, lead, leading_long
from schemas.names import CLAIM_KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from confluent_kafka import Message

    from noli.runtime.outputs import Outputs
    from noli.runtime.part import Topology
    from noli.runtime.settings import Settings
    from schemas.codec import Codec

_READ_BATCH: Final = 10_000
_READ_WAIT_S: Final = 0.1
#: Without a record or an end-of-partition for this long, the broker is not answering, in seconds.
_STALL_S: Final = 30.0
_ADMIN_TIMEOUT_S: Final = 10.0
#: What is said of an offset that the log does not have.
_GONE: Final = frozenset({KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET})  # noqa: SLF001 - public


class StateLost(Exception):
    """Input was committed, and the state topic knows of no owner: it is another one than then.

    `partitions`: where. What was folded is to be folded again, from the beginning of the input.
    """

    def __init__(self, topic: str, partitions: Collection[int]) -> None:
        super().__init__(
            f"{topic} was emptied or made anew: the lanes of partitions {sorted(partitions)} are "
            "read again from their beginning"
        )
        self.partitions = partitions


class RestoreError(Exception):
    """The state could not be read to its end; the worker must not start on less."""


@dataclass(slots=True)
class Tail:
    """Reading one partition of the state topic: what is to be stored, and how far."""

    store: PartitionStore
    frontier: int
    epoch: int
    items: dict[bytes, bytes] = field(default_factory=dict)
    stale: int = 0
    #: Keys whose newest record is not one to be believed, and where it stands.
    late: dict[bytes, int] = field(default_factory=dict)
    #: From here on a state may stand whose decision was never told; None: nowhere.
    since: int | None = None
    #: The keys of those states.
    owed: set[bytes] = field(default_factory=set)

    def take(self, key: bytes | None, value: bytes | None, offset: int) -> None:
        """One record: a claim raises the epoch, a value of a lower epoch is passed over."""
        self.frontier = offset + 1
        if key is None:
            self.stale += 1  # nothing of ours: we write no record without a key
        elif value is None:
            self._pass_over(key, offset)  # nor tombstones
        elif key == CLAIM_KEY:
            self.epoch = max(self.epoch, leading_long(value))
        elif self._is_foreign(key, value):
            self._pass_over(key, offset)
        else:
            self.items[key] = value
            self.late.pop(key, None)
            if self.since is not None and offset >= self.since:
                self.owed.add(key)

    def _is_foreign(self, key: bytes, value: bytes) -> bool:
        """Whether a former owner wrote it, or nobody of ours. Raises `UnreadableError`.

        Raised where we know nothing of the key: to go on would be to forget what was said.
        """
        try:
            return lead(value).epoch < self.epoch
        except UnreadableError:
            if key in self.items or self.store.get(key) is not None:
                return True
            raise

    def _pass_over(self, key: bytes, offset: int) -> None:
        self.stale += 1
        self.late.setdefault(key, offset)

    def flush(self) -> None:
        """Store what was read; not as read past what is still to be written over."""
        loop.RESTORED_KEYS.inc(len(self.items))
        sound = min(self.late.values(), default=self.frontier)
        self.store.write(self.items.items(), sound, self.epoch)
        self.items.clear()


@dataclass(frozen=True, slots=True)
class Taken:
    """A partition taken over: its store, and the epoch under which we write.

    `late`: keys to write over, as the newest record of each is a former owner's. `owed`: keys to
    decide again, as the state may stand without its decision. `version`: the highest in sight.
    `owes`: what else is not told; `topic`: the id of the decisions.
    """

    store: PartitionStore
    epoch: int
    late: frozenset[bytes]
    owed: frozenset[bytes]
    version: int
    owes: Owes
    topic: str


class _Reader(Protocol):
    """A partition being read. `frontier`: everything below is taken."""

    frontier: int

    def take(self, key: bytes | None, value: bytes | None, offset: int) -> None:
        """One record."""


_Place = tuple[str, int]


class Takeover:
    """Restores and claims partitions of the state; claims those of the decisions too."""

    def __init__(
        self, settings: Settings, codec: Codec, outputs: Outputs, topology: Topology
    ) -> None:
        self._settings = settings
        self._codec = codec
        self._outputs = outputs
        self._topics = topology.claimed
        self._state = topology.state
        self._decisions = topology.decisions
        self._log = get_logger()

    def take(
        self, remembered: Mapping[int, Sequence[str]], done: Collection[int] = ()
    ) -> dict[int, Taken]:
        """Own these partitions; with each, what was committed with its offsets.

        `done`: partitions of whose input anything was committed. Raises `RestoreError`,
        `LostDelivery`, `StateLost`.
        """
        numbers = sorted(remembered)
        started = steady()
        ids = self._topic_ids()
        decisions = ids.get(self._decisions, "")
        marks = {n: _mark(remembered[n]) for n in numbers}
        # Folded from nothing: no input was committed, or what was told of it was told elsewhere.
        fresh = {n for n in numbers if n not in done or _is_lost(marks[n], decisions)}
        marks |= dict.fromkeys(fresh)
        trails = {n: Trail.after(marks[n], decisions) for n in numbers}
        tails = {n: self._tail(n, ids[self._state], marks[n], fresh) for n in numbers}
        claimed = self._read_and_claim(tails, trails, done)
        taken = {
            n: Taken(
                tails[n].store,
                epoch,
                frozenset(tails[n].late) | trails[n].late,
                frozenset(tails[n].owed),
                trails[n].version,
                self._owes(marks[n], trails[n], fresh=n in fresh),
                decisions,
            )
            for n, epoch in claimed.items()
        }
        loop.RESTORE_SECONDS.set(steady() - started)
        late = sum(len(one.late) for one in taken.values())
        if late:
            violations.note(Invariant.FOREIGN_RECORD, late)
        failpoint(Failpoint.TAKEOVER_DONE)
        self._log.info(
            "partitions.claimed",
            partitions=numbers,
            seconds=round(steady() - started, 3),
            stale=sum(tail.stale for tail in tails.values()),
            late=late,
            owes={number: one.owes.name for number, one in taken.items() if one.owes},
        )
        return taken

    def _tail(self, number: int, topic_id: str, mark: Mark | None, fresh: Collection[int]) -> Tail:
        """Read on from what the disk holds, or from the mark where that is further back."""
        store = PartitionStore(self._settings.data / "state" / str(number), topic_id)
        tail = Tail(store, store.meta.frontier, store.meta.epoch)
        if self._decisions:
            tail.since = 0 if number in fresh else mark and mark.state
            if tail.since is not None and tail.since < tail.frontier:
                tail.frontier, tail.epoch = tail.since, mark.epoch if mark else 0
        return tail

    def _owes(self, mark: Mark | None, trail: Trail, *, fresh: bool) -> Owes:
        """What its decisions do not say, beside what was saved since the mark."""
        if not self._decisions:
            return Owes.NOTHING
        if fresh:
            return Owes.FOLD
        owes = mark.owes if mark else Owes.NOTHING
        return max(owes, Owes.EVERYTHING) if trail.gone else owes

    def _read_and_claim(
        self, tails: dict[int, Tail], trails: dict[int, Trail], done: Collection[int]
    ) -> dict[int, int]:
        """Our epochs, by partition."""
        consumer = Consumer(
            consumer_config(
                self._settings,
                None,
                enable_partition_eof=True,
                fetch_message_max_bytes=4 * 1024 * 1024,
            )
        )
        # The decisions from the start too: to add them later costs librdkafka a second.
        readers: dict[_Place, _Reader] = {(self._state, n): tail for n, tail in tails.items()}
        if self._decisions:
            readers |= {(self._decisions, n): trail for n, trail in trails.items()}
        try:
            consumer.assign(
                [TopicPartition(*at, reader.frontier) for at, reader in readers.items()]
            )
            self._read(consumer, readers, None)
            # Whoever committed had claimed before, and a claim is never deleted.
            if lost := {n for n, tail in tails.items() if n in done and not tail.epoch}:
                raise StateLost(self._state, lost)
            taken: dict[int, int] = {}
            open_claims = dict(tails)
            while open_claims:
                seen = {n: max(tail.epoch, trails[n].epoch) for n, tail in open_claims.items()}
                epochs, ends = self._claim(seen)
                failpoint(Failpoint.TAKEOVER_CLAIMED)
                self._read(consumer, readers, ends)
                for number, tail in list(open_claims.items()):
                    epoch = epochs[number]
                    if tail.epoch == epoch and trails[number].epoch in {epoch, 0}:
                        taken[number] = epoch
                        del open_claims[number]
            return taken
        finally:
            consumer.close()

    def _claim(self, seen: Mapping[int, int]) -> tuple[dict[int, int], dict[_Place, int]]:
        """Write claims above every epoch seen; (epochs, offset after each claim, by place)."""
        epochs = {number: max(epoch + 1, now_us()) for number, epoch in seen.items()}
        ends: dict[_Place, int] = {}
        for topic in self._topics:
            placed = self._outputs.claim(topic, {n: self._record(e) for n, e in epochs.items()})
            ends |= {(topic, number): offset + 1 for number, offset in placed.items()}
            failpoint(Failpoint.TAKEOVER_MID_CLAIM)
        return epochs, ends

    def _record(self, epoch: int) -> Claim:
        claim = {"epoch": epoch, "owner": self._settings.instance, "at": now_ms()}
        return Claim(epoch, CLAIM_KEY, self._codec.encode("noli.Claim", claim))

    def _read(
        self,
        consumer: Consumer,
        readers: Mapping[_Place, _Reader],
        ends: Mapping[_Place, int] | None,
    ) -> None:
        """Read every partition to its end: to `ends`, or where None to where the state ends now."""
        open_ends = {place for place in ends or readers if ends or place[0] == self._state}
        quiet_since = steady()
        while open_ends:
            first = consumer.poll(_READ_WAIT_S)
            if first is None:
                if steady() - quiet_since > _STALL_S:
                    raise RestoreError(f"{self._state} gave nothing for {_STALL_S:.0f} s")
                continue
            quiet_since = steady()
            for message in [first, *consumer.consume(_READ_BATCH, 0)]:
                place = self._take(message, readers, consumer)
                at_end = message.error() is not None
                if at_end if ends is None else readers[place].frontier >= ends.get(place, 0):
                    open_ends.discard(place)
            for reader in readers.values():
                if isinstance(reader, Tail):
                    reader.flush()
            self._tell_remaining(consumer, readers)
            failpoint(Failpoint.TAKEOVER_MID_RESTORE)

    def _tell_remaining(self, consumer: Consumer, readers: Mapping[_Place, _Reader]) -> None:
        """As far as the consumer knows the ends; it asks nobody."""
        left = 0
        for place, reader in readers.items():
            _, end = consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            left += max(0, end - reader.frontier)
        loop.RESTORE_REMAINING.set(left)

    def _take(
        self, message: Message, readers: Mapping[_Place, _Reader], consumer: Consumer
    ) -> _Place:
        topic, number = message.topic(), message.partition()
        assert topic is not None and number is not None  # noqa: S101, PT018 - every message has both
        error = message.error()
        if error is None:
            try:
                readers[topic, number].take(message.key(), message.value(), message.offset() or 0)
            except UnreadableError as unreadable:
                place = f"{topic}[{number}]@{message.offset()}"
                raise RestoreError(f"{place} is not a state record: {unreadable}") from unreadable
        elif topic == self._decisions and error.code() in _GONE:
            # The mark is of a topic that is no more, or no longer so long.
            reader = readers[topic, number]
            assert isinstance(reader, Trail)  # noqa: S101 - of the decisions
            reader.frontier, reader.gone = 0, True
            consumer.incremental_unassign([TopicPartition(topic, number)])
            consumer.incremental_assign([TopicPartition(topic, number, OFFSET_BEGINNING)])
        elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - public error code
            raise RestoreError(f"{topic}[{number}]: {error.str()}")
        return topic, number

    def _topic_ids(self) -> dict[str, str]:
        """Kafka's ids of the state and of the decisions."""
        client = admin(self._settings)  # must outlive its futures
        try:
            return broker.topic_ids(client, self._topics, _ADMIN_TIMEOUT_S)
        except broker.BrokerUnavailable as error:
            raise RestoreError(f"{', '.join(self._topics)}: not described: {error}") from error


def _mark(remembered: Sequence[str]) -> Mark | None:
    """The furthest mark of the newest owner; each was true when it was committed."""
    found = [mark for mark in map(Mark.read, remembered) if mark is not None]
    return max(found, key=lambda mark: (mark.epoch, mark.offset), default=None)


def _is_lost(mark: Mark | None, topic: str) -> bool:
    """Whether a fold was under way, and what it had told stood in decisions that are no more."""
    return mark is not None and mark.owes is Owes.FOLD and mark.topic != topic
