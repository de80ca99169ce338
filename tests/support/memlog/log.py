"""The log itself: topics of partitions of records, kept in memory.

Everything a broker may do to a record is a method: append, compact, lose the tail that was never
flushed. Who may reach it, what was under way when a client died, and when clients are interrupted
is decided here too, so that one seed repeats a run.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from random import Random
from typing import Final, NamedTuple

from tests.support.memlog.clock import Clock
from tests.support.memlog.group import Group

#: Logs by the address under which clients find them.
LOGS: Final[dict[str, Log]] = {}
#: How far below zero the partitions of a topic stand, in `Log.written`, that was made anew.
BYGONE: Final = 1_000
_NUMBERS: Final = itertools.count(1)


class Entry(NamedTuple):
    """A record as it stands, ms: `at` the broker appended it, `created` its producer took it.

    Readers see the latter (`message.timestamp.type=CreateTime`, Kafka's default and ours).
    """

    offset: int
    at: int
    created: int
    key: bytes | None
    value: bytes | None


class Late(NamedTuple):
    """A record that a client had sent when it died: it may still land."""

    client: str
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


@dataclass
class Partition:
    """Records by rising offset; compaction leaves gaps."""

    start: int = 0
    end: int = 0
    entries: list[Entry] = field(default_factory=list)

    def read(self, offset: int, limit: int) -> list[Entry]:
        """Records from an offset on."""
        at = bisect_left(self.entries, offset, key=attrgetter("offset"))
        return self.entries[at : at + limit]


@dataclass
class Topic:
    """A topic; `id` is another once it is made anew."""

    id: str
    partitions: list[Partition]


class Log:
    """An in-memory Kafka. `chance` decides what a real one leaves to chance."""

    def __init__(self, seed: int = 0) -> None:
        self.address = f"memlog-{next(_NUMBERS)}"
        self.clock = Clock()
        self.chance = Random(seed)
        self.topics: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        #: Clients, by `client.id`, that the brokers cannot hear, and those that stand still.
        self.cut: set[str] = set()
        self.paused: set[str] = set()
        #: Clients whose acknowledgements get lost: their records may be appended, or not.
        self.unheard: set[str] = set()
        #: What every commit is refused with, as an error code.
        self.refusing: int | None = None
        #: How likely a fetch of a topic has not arrived yet when a client looks.
        self.sloth: dict[str, float] = {}
        self.late: list[Late] = []
        #: Called with (client, what) before each call of a client and after what it changed.
        self.interrupt: Callable[[str, str], None] = lambda _client, _what: None
        #: Everything ever appended, by topic, whatever became of it.
        self.written: dict[str, list[tuple[int, Entry]]] = defaultdict(list)
        self._dead: set[int] = set()
        self._stopped: set[str] = set()
        self._clients: dict[str, list[object]] = {}
        LOGS[self.address] = self

    def close(self) -> None:
        """Nobody finds it any more."""
        LOGS.pop(self.address, None)

    def create(self, name: str, partitions: int = 1) -> None:
        """A topic; one of that name is made anew, and what it held was written elsewhere."""
        self.written[name] = [(number - BYGONE, entry) for number, entry in self.written[name]]
        topic_id = f"{name}#{self.chance.getrandbits(64):x}"
        self.topics[name] = Topic(topic_id, [Partition() for _ in range(partitions)])

    def group(self, name: str) -> Group:
        """The group of that name."""
        return self.groups.setdefault(name, Group(self.partition_counts))

    def partition_counts(self) -> dict[str, int]:
        """Partitions by topic."""
        return {name: len(topic.partitions) for name, topic in self.topics.items()}

    def at(self, topic: str, partition: int) -> Partition:
        """A partition. Raises KeyError, IndexError where there is none."""
        return self.topics[topic].partitions[partition]

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None,
        created: int | None = None,
    ) -> Entry:  # fmt: skip
        """Append one record."""
        there, now = self.at(topic, partition), self.clock.ms
        entry = Entry(there.end, now, now if created is None else created, key, value)
        there.entries.append(entry)
        self.written[topic].append((partition, entry))
        there.end += 1
        return entry

    def everything(self, topic: str) -> Iterator[tuple[int, Entry]]:
        """(partition, record) of a topic, partition by partition."""
        for number, partition in enumerate(self.topics[topic].partitions):
            for entry in partition.entries:
                yield number, entry

    # --- what brokers do to records ---------------------------------------------------------------

    def compact(self, topic: str, lag_s: float = 0) -> None:
        """Of what is older than `min.compaction.lag.ms`, keep the last record of each key."""
        before = self.clock.ms - lag_s * 1000
        for partition in self.topics[topic].partitions:
            old = [e for e in partition.entries if e.created <= before and e.key is not None]
            last = {entry.key: entry.offset for entry in old}
            gone = {entry.offset for entry in old if last[entry.key] != entry.offset}
            partition.entries = [e for e in partition.entries if e.offset not in gone]

    def lose_tail(self, topic: str, partition: int, count: int) -> None:
        """The last records were in the page cache of a broker that lost its power."""
        there = self.at(topic, partition)
        there.end = max(there.start, there.end - count)
        there.entries = [entry for entry in there.entries if entry.offset < there.end]

    def truncate(self, topic: str, partition: int, start: int) -> None:
        """Retention took what is below `start`."""
        there = self.at(topic, partition)
        there.start = max(there.start, start)
        there.entries = [entry for entry in there.entries if entry.offset >= start]

    # --- clients ----------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Time passes for everybody: sessions run out for those who are not heard."""
        self.clock.advance(seconds)
        for group in self.groups.values():
            group.beat(self.clock.ms, self._silent)

    def reachable(self, client: str) -> bool:
        """Whether the brokers hear a client."""
        return client not in self.cut

    def register(self, client: str, what: object) -> None:
        """A client object that lives in a process of that name, which runs then."""
        self._stopped.discard(client)
        self._clients.setdefault(client, []).append(what)

    def dead(self, what: object) -> bool:
        """Whether the process of a client object was killed."""
        return id(what) in self._dead

    def kill(self, client: str) -> None:
        """The process is gone: its objects do nothing any more, what it had sent may still land."""
        self._stopped.add(client)
        for what in self._clients.pop(client, []):
            self._dead.add(id(what))
            self._remember(what)
            sent = getattr(what, "sent", None)
            if sent is not None:
                self._leave(client, sent())

    def land(self) -> None:
        """What dead clients had sent arrives."""
        late, self.late = self.late, []
        for record in late:
            self.append(record.topic, record.partition, record.key, record.value)

    def _leave(self, client: str, queue: list[tuple[str, int, bytes | None, bytes | None]]) -> None:
        """Of each partition any prefix may be on its way: records are sent in order."""
        by_place: dict[tuple[str, int], list[Late]] = {}
        for topic, partition, key, value in queue:
            by_place.setdefault((topic, partition), []).append(
                Late(client, topic, partition, key, value)
            )
        for records in by_place.values():
            self.late += records[: self.chance.randint(0, len(records))]

    def _remember(self, what: object) -> None:
        """Keep dead objects alive, or another would get their identity."""
        self._clients.setdefault("", []).append(what)

    def _silent(self, client: str) -> bool:
        return client in self.cut or client in self.paused or client in self._stopped
