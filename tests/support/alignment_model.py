"""A company in memory: facts, decisions, connectors, an application that lies, watchers that die.

Chance decides what happens next, from a seed. Beside the real accounts and books stands an oracle
that reads all of it from the start: `check` compares what is published with what is so.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, NamedTuple

from connectors.frontier import Frontier
from noli.runtime.part import Record
from noli.wire import alignment
from noli.wire.alignment import Aligned
from noli.wire.apps import App
from streams.watch.alignment import Quarantined, World
from streams.watch.book import Book
from streams.watch.parties import Parties
from tests.support.decisions import CODEC

APP: Final = "crm"
PARTITIONS: Final = 3
PERSONS: Final = 2
TOKENS: Final = 7
WORKERS: Final = ("w1", "w2")
WATCHERS: Final = ("a", "b")


class Fact(NamedTuple):
    """Somebody said something of a contact; of a person, where `taken` by the lane is later."""

    accepted: int
    token: int
    version: int


@dataclass
class Worker:
    """A connector's process, as far as it has come; what it says may be under way for long."""

    frontiers: dict[int, Frontier] = field(default_factory=dict)
    open: dict[int, dict[int, Fact]] = field(default_factory=dict)
    outbox: deque[tuple[str, dict[str, Any]]] = field(default_factory=deque)


@dataclass
class Watcher:
    """A watcher's process; `flight`: sent, and not in the log yet."""

    name: str
    book: Book | None = None
    beacons: int = 0
    parties: Parties = field(default_factory=lambda: Parties(PERSONS))
    flight: list[Aligned] = field(default_factory=list)


class Company:
    """All of it. `step` lets something happen; `settle` lets everything come to its end."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.now = 1_000_000
        self.version = 0
        self.facts: list[Fact] = []
        self.lanes: list[deque[tuple[int, Fact]]] = [deque() for _ in range(PARTITIONS)]
        self.persons: list[deque[tuple[int, list[Fact]]]] = [deque() for _ in range(PERSONS)]
        self.beacons: list[tuple[int, int, int]] = []
        self.decisions: list[list[Fact | int]] = [[] for _ in range(PARTITIONS)]
        self.owner = ["w1"] * PARTITIONS
        self.committed: list[tuple[int, int | None]] = [(0, None)] * PARTITIONS
        self.workers = {name: Worker() for name in WORKERS}
        for number in range(PARTITIONS):
            self._gain("w1", number)
        self.held: dict[int, int] = {}
        self.confirmed: dict[int, Fact] = {}
        self.doubted: dict[int, Fact] = {}
        self.receipts: list[tuple[str, dict[str, Any]]] = []
        self.quarantined: dict[int, int] = {}
        self.watchers = {name: Watcher(name) for name in WATCHERS}
        self.log: list[Aligned] = []
        self.view: dict[str, Aligned] = {}

    def step(self) -> None:
        """One thing happens, and some time passes."""
        self.now += self.chance.choice((1, 20, 300, 1_200))
        happenings = (
            self._objection, self._person, self._hand_on, self._party_beacon, self._decide,
            self._beacon, self._read, self._read, self._answer, self._answer, self._deliver,
            self._report, self._rebalance, self._notice, self._spoil, self._look, self._mend,
            self._quarantine, self._resolve, self._take, self._take, self._publish, self._publish,
            self._die, self._land, self._flow, self._flow, self._flow, self._flow,
        )  # fmt: skip
        self.chance.choice(happenings)()

    def _flow(self) -> None:
        """A second as most are: nearly all of it is handed on, decided, applied and reported."""
        for _ in range(4):
            self._hand_on()
        for _ in range(PERSONS * 2):
            self._party_beacon()
        self.now += 1_100
        for _ in range(PARTITIONS * 4):
            self._decide()
            self._beacon()
        for _ in range(PARTITIONS * 16):
            self._read()
            self._answer()
        for _ in WORKERS:
            self._report()
        self._take()
        self._publish()

    # --- facts and decisions ----------------------------------------------------------------------

    def _fact(self, token: int) -> Fact:
        self.version += 1
        fact = Fact(self.now, token, self.version)
        self.facts.append(fact)
        return fact

    def _objection(self) -> None:
        fact = self._fact(self.chance.randrange(TOKENS))
        self.lanes[fact.token % PARTITIONS].append((self.now, fact))

    def _person(self) -> None:
        tokens = self.chance.sample(range(TOKENS), 2)
        facts = [self._fact(token) for token in tokens]
        self.persons[self.chance.randrange(PERSONS)].append((self.now, facts))

    def _hand_on(self) -> None:
        lane = self.chance.choice(self.persons)
        if lane:
            for fact in lane.popleft()[1]:
                self.version += 1  # decided when it comes, whatever was decided meanwhile
                later = fact._replace(version=self.version)
                self.facts[self.facts.index(fact)] = later
                self.lanes[fact.token % PARTITIONS].append((self.now, later))

    def _party_beacon(self) -> None:
        number = self.chance.randrange(PERSONS)
        lane = self.persons[number]
        as_of = lane[0][0] if lane else self.now
        skew = self.chance.choice((0, -999, 1_000))
        self.beacons.append((number, self.now + skew, as_of))

    def _decide(self) -> None:
        number = self.chance.randrange(PARTITIONS)
        if self.lanes[number]:
            self.decisions[number].append(self.lanes[number].popleft()[1])

    def _beacon(self) -> None:
        number = self.chance.randrange(PARTITIONS)
        lane = self.lanes[number]
        self.decisions[number].append(lane[0][0] if lane else self.now)

    # --- connectors and their application ---------------------------------------------------------

    def _gain(self, name: str, number: int) -> None:
        offset, as_of = self.committed[number]
        self.workers[name].frontiers[number] = Frontier(offset, as_of)
        self.workers[name].open[number] = {}

    def _serving(self) -> tuple[Worker, int] | None:
        worker = self.workers[self.chance.choice(WORKERS)]
        if not worker.frontiers:
            return None
        return worker, self.chance.choice(sorted(worker.frontiers))

    def _read(self) -> None:
        if (at := self._serving()) is None:
            return
        worker, number = at
        frontier = worker.frontiers[number]
        if frontier.position >= len(self.decisions[number]):
            return
        offset, record = frontier.position, self.decisions[number][frontier.position]
        if isinstance(record, Fact):
            frontier.hold(offset)
            worker.open[number][offset] = record
        else:
            frontier.beacon(offset, record)

    def _answer(self) -> None:
        if (at := self._serving()) is None or not at[0].open[at[1]]:
            return
        worker, number = at
        offset = self.chance.choice(sorted(worker.open[number]))
        outcome = self.chance.choice(("applied",) * 8 + ("lie", "rejected", "retry"))
        if outcome != "retry":
            self._settle(worker, number, offset, outcome)

    def _settle(self, worker: Worker, number: int, offset: int, outcome: str) -> None:
        fact = worker.open[number].pop(offset)
        if outcome == "applied":
            self.held[fact.token] = max(self.held.get(fact.token, 0), fact.version)
        said = "rejected" if outcome == "rejected" else "applied"
        known = self.confirmed.get(fact.token)
        if said == "applied" and (known is None or fact.version > known.version):
            self.confirmed[fact.token] = fact
            self.doubted.pop(fact.token, None)
        self._receipt(worker, number, said, fact, worker.frontiers[number].point({offset}))
        worker.frontiers[number].settle({offset})

    def _receipt(self, worker: Worker, number: int, outcome: str, fact: Fact, point: Any) -> None:  # noqa: ANN401
        change = {
            "token": fact.token.to_bytes(17), "version": fact.version, "offset": 0,
            "accepted": fact.accepted, "outcome": outcome, "reason": None,
        }  # fmt: skip
        datum = {
            "app": APP, "worker": "w", "at": self.now, "partition": number,
            "frontier": point.offset, "as_of": point.as_of, "changes": [change],
        }  # fmt: skip
        worker.outbox.append(("noli.Receipt", datum))
        if self.chance.random() < 0.8:
            self._flush(worker)

    def _report(self) -> None:
        name = self.chance.choice(WORKERS)
        worker = self.workers[name]
        points = []
        for number, frontier in sorted(worker.frontiers.items()):
            point = frontier.point()
            points.append({"partition": number, "frontier": point.offset, "as_of": point.as_of})
            if self.owner[number] == name and not worker.outbox:
                self.committed[number] = (point.offset, point.as_of)
        datum = {
            "app": APP, "worker": name, "at": self.now, "paused": False, "points": points,
            "pending": 0, "oldest_pending": None, "failures": 0, "unreadable": 0,
            "last_error": None, "next_try": None, "attempts": [],
        }  # fmt: skip
        worker.outbox.append(("noli.Report", datum))
        if self.chance.random() < 0.8:
            self._flush(worker)

    def _flush(self, worker: Worker) -> None:
        while worker.outbox:
            self.receipts.append(worker.outbox.popleft())

    def _deliver(self) -> None:
        worker = self.workers[self.chance.choice(WORKERS)]
        if worker.outbox:
            self.receipts.append(worker.outbox.popleft())

    def _rebalance(self) -> None:
        number = self.chance.randrange(PARTITIONS)
        before = self.owner[number]
        after = WORKERS[1 - WORKERS.index(before)]
        self.owner[number] = after
        self._gain(after, number)
        if self.chance.random() < 0.5:
            self._lose(before, number)

    def _notice(self) -> None:
        for name, worker in self.workers.items():
            for number in [n for n in worker.frontiers if self.owner[n] != name]:
                self._lose(name, number)

    def _lose(self, name: str, number: int) -> None:
        self.workers[name].frontiers.pop(number, None)
        self.workers[name].open.pop(number, None)

    def _spoil(self) -> None:
        self.held[self.chance.randrange(TOKENS)] = 0

    def _look(self) -> None:
        if not self.confirmed:
            return
        fact = self.confirmed[self.chance.choice(sorted(self.confirmed))]
        number = fact.token % PARTITIONS
        worker = self.workers[self.owner[number]]
        if any(each.token == fact.token for each in worker.open[number].values()):
            return
        point = worker.frontiers[number].point()
        if self.held.get(fact.token, 0) < fact.version:
            self.doubted[fact.token] = fact
            self._receipt(worker, number, "drifted", fact, point)
        else:
            self.doubted.pop(fact.token, None)
            self._receipt(worker, number, "verified", fact, point)

    def _mend(self) -> None:
        """Somebody offers it again; perhaps it is a lie again."""
        for fact in self.doubted.values():
            worker = self.workers[self.owner[fact.token % PARTITIONS]]
            if self.chance.random() < 0.8:
                self.held[fact.token] = max(self.held.get(fact.token, 0), fact.version)
            number = fact.token % PARTITIONS
            point = worker.frontiers[number].point()
            self._receipt(worker, number, "applied", fact, point)

    def _quarantine(self) -> None:
        self.quarantined[len(self.quarantined)] = self.now - self.chance.randrange(2_000)

    def _resolve(self) -> None:
        if self.quarantined:
            self.quarantined.pop(self.chance.choice(sorted(self.quarantined)))

    # --- watchers ---------------------------------------------------------------------------------

    def _opened(self, watcher: Watcher) -> Book:
        if watcher.book is None:
            for partition, at, as_of in self.beacons[watcher.beacons :]:
                watcher.parties.add(partition, at, as_of)
            watcher.beacons = len(self.beacons)
            watcher.book = Book(0, CODEC, dict(self.view), self._world(watcher))
            watcher.book.catch_up(self._records)
        return watcher.book

    def _world(self, watcher: Watcher) -> World:
        held = Quarantined(len(self.quarantined), min(self.quarantined.values(), default=None))
        return World(PARTITIONS, {APP: App(APP)}, held, watcher.parties)

    def _records(self, since: int) -> list[Record]:
        return [
            Record("noli.receipts", 0, offset, b"", CODEC.encode(*said), 0)
            for offset, said in enumerate(self.receipts)
            if offset >= since
        ]

    def _take(self) -> None:
        watcher = self.watchers[self.chance.choice(WATCHERS)]
        book = self._opened(watcher)
        for record in self._records(book.position)[: self.chance.randrange(1, 6)]:
            book.take(record.offset, record.value)

    def _publish(self) -> None:
        watcher = self.watchers[self.chance.choice(WATCHERS)]
        book = self._opened(watcher)
        if self.chance.random() < 0.7 and watcher.beacons < len(self.beacons):
            watcher.parties.add(*self.beacons[watcher.beacons])
            watcher.beacons += 1
        found = book.publishable(self._world(watcher), watcher.name, self.now)
        oldest = min(self.quarantined.values(), default=self.now)
        assert all((one.as_of or 0) <= oldest for one in found), "past the quarantine"
        if self.chance.random() < 0.2:
            watcher.flight += found
            watcher.book = None
        else:
            book.published(found)
            self._append(found)

    def _land(self) -> None:
        watcher = self.watchers[self.chance.choice(WATCHERS)]
        found, watcher.flight = watcher.flight, []
        self._append(found)

    def _die(self) -> None:
        name = self.chance.choice(WATCHERS)
        self.watchers[name] = Watcher(name, flight=self.watchers[name].flight)

    def _append(self, found: list[Aligned]) -> None:
        for one in found:
            again = alignment.read(CODEC.decode(CODEC.encode("noli.Alignment", one.datum()))[1])
            assert again == one
            if alignment.newer(self.view.get(one.app), one):
                self.view[one.app] = one
            self.check()

    # --- the oracle -------------------------------------------------------------------------------

    def check(self) -> None:
        """What whoever reads is told now is not ahead of what is so, as far as anybody knows."""
        shown = self.view[APP]
        if shown.as_of is None:
            return
        before = self.receipts[: shown.origin.offset]
        said = [
            (int.from_bytes(c["token"]), c["version"], c["outcome"], c["accepted"])
            for name, datum in before
            if name == "noli.Receipt"
            for c in datum["changes"]
        ]
        for fact in self.facts:
            if fact.accepted < shown.as_of:
                answers = [o for t, v, o, _ in said if t == fact.token and v >= fact.version]
                assert answers, f"{fact} was never answered for, as of {shown.as_of}"
        for place, (token, version, outcome, accepted) in enumerate(said):
            if outcome in {"drifted", "rejected"} and accepted < shown.as_of:
                after = [(v, o) for t, v, o, _ in said[place + 1 :] if t == token]
                assert _cleared(version, outcome, after), f"{outcome} {token} v{version}"

    def settle(self) -> Aligned:
        """Everything that is under way arrives, honestly; what is shown then."""
        self._notice()
        while any(self.persons):
            self._hand_on()
        for token in range(TOKENS):  # a newer word settles what was refused
            self.lanes[token % PARTITIONS].append((self.now, self._fact(token)))
        self.quarantined.clear()
        for _ in range(3):
            self.now += 2_000
            self._all_arrives()
        for watcher in self.watchers.values():
            watcher.flight, watcher.book = [], None
        self.now += 1
        book = self._opened(self.watchers["a"])
        self._append(book.publishable(self._world(self.watchers["a"]), "a", self.now))
        return self.view[APP]

    def _all_arrives(self) -> None:
        for number in range(PERSONS):
            self.beacons.append((number, self.now, self.now))
        for number, lane in enumerate(self.lanes):
            while lane:
                self.decisions[number].append(lane.popleft()[1])
            self.decisions[number].append(self.now)
            worker = self.workers[self.owner[number]]
            frontier = worker.frontiers[number]
            while frontier.position < len(self.decisions[number]):
                offset, record = frontier.position, self.decisions[number][frontier.position]
                if isinstance(record, Fact):
                    frontier.hold(offset)
                    worker.open[number][offset] = record
                else:
                    frontier.beacon(offset, record)
            for offset in sorted(worker.open[number]):
                self._settle(worker, number, offset, "applied")
        for name in WORKERS:
            worker = self.workers[name]
            points = [
                {"partition": n, "frontier": f.point().offset, "as_of": f.point().as_of}
                for n, f in sorted(worker.frontiers.items())
            ]
            self._flush(worker)
            self.receipts.append(("noli.Report", _report(name, self.now, points)))


def _report(name: str, now: int, points: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "app": APP, "worker": name, "at": now, "paused": False, "points": points, "pending": 0,
        "oldest_pending": None, "failures": 0, "unreadable": 0, "last_error": None,
        "next_try": None, "attempts": [],
    }  # fmt: skip


def _cleared(version: int, outcome: str, after: list[tuple[int, str]]) -> bool:
    """Whether a later word settles what was wrong."""
    return any(
        (o == "verified" and v >= version)
        or (o == "applied" and (v > version or (v == version and outcome == "rejected")))
        for v, o in after
    )
