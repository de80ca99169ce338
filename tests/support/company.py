"""A company in memory: facts, decisions, connectors, an application that lies. Chance decides.

What happens in what order comes from a seed; nothing here knows of any watcher.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, NamedTuple

from connectors.frontier import Frontier

APP: Final = "crm"
#: Another application of the same partition of the receipts: it drifts, and is put right.
OTHER: Final = "web"
PARTITIONS: Final = 3
PERSONS: Final = 2
TOKENS: Final = 7
WORKERS: Final = ("w1", "w2")


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


class Company:
    """All but the watchers. `happenings`: what may happen next, once each."""

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
        self.other_drifts = False

    def happenings(self) -> list[Callable[[], None]]:
        """What may happen next."""
        return [
            self._objection, self._person, self._hand_on, self._party_beacon, self._decide,
            self._beacon, self._read, self._read, self._answer, self._answer, self._deliver,
            self._report, self._rebalance, self._notice, self._spoil, self._look, self._mend,
            self._quarantine, self._resolve, self._other, self._other,
        ]  # fmt: skip

    def flow(self) -> None:
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

    def _other(self) -> None:
        """The other application reports; and what it holds wrongly is found, or found mended."""
        points = [
            {"partition": n, "frontier": self.now, "as_of": self.now} for n in range(PARTITIONS)
        ]
        self.receipts.append(("noli.Report", {**_report("o", self.now, points), "app": OTHER}))
        self.other_drifts = not self.other_drifts
        change = {
            "token": bytes(17), "version": 1, "offset": 0, "accepted": 500, "reason": None,
            "outcome": "drifted" if self.other_drifts else "verified",
        }  # fmt: skip
        datum = {
            "app": OTHER, "worker": "o", "at": self.now, "partition": 0, "frontier": 0,
            "as_of": None, "changes": [change],
        }  # fmt: skip
        self.receipts.append(("noli.Receipt", datum))

    def _quarantine(self) -> None:
        self.quarantined[len(self.quarantined)] = self.now - self.chance.randrange(2_000)

    def _resolve(self) -> None:
        if self.quarantined:
            self.quarantined.pop(self.chance.choice(sorted(self.quarantined)))

    def wind_up(self) -> None:
        """Everything under way arrives, honestly, and a newer word settles what was refused."""
        self._notice()
        while any(self.persons):
            self._hand_on()
        for token in range(TOKENS):
            self.lanes[token % PARTITIONS].append((self.now, self._fact(token)))
        self.quarantined.clear()
        if self.other_drifts:
            self._other()
        for _ in range(3):
            self.now += 2_000
            self._all_arrives()

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
