"""Watchers that die beside a company in memory, and an oracle that reads all from the start.

`check` compares what is published with what is so, after each publication.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from noli.runtime.part import Record
from noli.wire import alignment
from noli.wire.alignment import Aligned
from noli.wire.apps import App
from streams.watch.alignment import Quarantined, World
from streams.watch.book import Book
from streams.watch.parties import Parties
from tests.support.company import APP, PARTITIONS, PERSONS, Company
from tests.support.decisions import CODEC

WATCHERS: Final = ("a", "b")
#: A watcher that lags behind for longer reads on by itself, in ms.
_LAGS_MS: Final = 3_000


@dataclass
class Watcher:
    """A watcher's process; `flight`: sent, and not in the log yet."""

    name: str
    book: Book | None = None
    beacons: int = 0
    parties: Parties = field(default_factory=lambda: Parties(PERSONS))
    flight: list[Aligned] = field(default_factory=list)
    #: When it read the receipts to their end last; it never lags for long (`Hands.overtake`).
    current: int = 0


class Model:
    """A company and its watchers. `step` lets something happen; `settle` brings all to its end."""

    def __init__(self, seed: int) -> None:
        self.company = Company(seed)
        self.watchers = {name: Watcher(name) for name in WATCHERS}
        self.view: dict[str, Aligned] = {}
        #: By application: up to where the receipts were accounted for by anything published.
        self.known: dict[str, int] = {}

    def step(self) -> None:
        """One thing happens, and some time passes."""
        self.company.now += self.company.chance.choice((1, 20, 300, 1_200))
        ours = [self._take, self._take, self._publish, self._publish, self._die, self._land]
        self.company.chance.choice([*self.company.happenings(), *ours, *[self._flow] * 4])()

    def _flow(self) -> None:
        self.company.flow()
        self._take()
        self._publish()

    # --- watchers ---------------------------------------------------------------------------------

    def _opened(self, watcher: Watcher) -> Book:
        if watcher.book is None:
            for partition, at, as_of in self.company.beacons[watcher.beacons :]:
                watcher.parties.add(partition, at, as_of)
            watcher.beacons = len(self.company.beacons)
            watcher.book = Book(0, CODEC, dict(self.view), self._world(watcher))
            watcher.book.catch_up(self._records)
        return watcher.book

    def _world(self, watcher: Watcher) -> World:
        held = Quarantined(
            len(self.company.quarantined), min(self.company.quarantined.values(), default=None)
        )
        return World(PARTITIONS, {APP: App(APP)}, held, watcher.parties)

    def _records(self, since: int) -> list[Record]:
        return [
            Record("noli.receipts", 0, offset, b"", CODEC.encode(*said), 0)
            for offset, said in enumerate(self.company.receipts)
            if offset >= since
        ]

    def _take(self) -> None:
        watcher = self.watchers[self.company.chance.choice(WATCHERS)]
        book = self._opened(watcher)
        for record in self._records(book.position)[: self.company.chance.randrange(1, 6)]:
            book.take(record.offset, record.value)

    def _publish(self) -> None:
        watcher = self.watchers[self.company.chance.choice(WATCHERS)]
        book = self._opened(watcher)
        if self.company.now - watcher.current > _LAGS_MS:
            book.catch_up(self._records)
            watcher.current = self.company.now
        if self.company.chance.random() < 0.7 and watcher.beacons < len(self.company.beacons):
            watcher.parties.add(*self.company.beacons[watcher.beacons])
            watcher.beacons += 1
        found = book.publishable(self._world(watcher), watcher.name, self.company.now)
        oldest = min(self.company.quarantined.values(), default=self.company.now)
        assert all((one.as_of or 0) <= oldest for one in found), "past the quarantine"
        if self.company.chance.random() < 0.2:
            # One died between two records of the same publication, perhaps.
            watcher.flight += (
                found[: self.company.chance.randrange(1, len(found) + 1)] if found else []
            )
            watcher.book = None
        else:
            book.published(found)
            self._append(found)

    def _land(self) -> None:
        watcher = self.watchers[self.company.chance.choice(WATCHERS)]
        found, watcher.flight = watcher.flight, []
        self._append(found)

    def _die(self) -> None:
        name = self.company.chance.choice(WATCHERS)
        self.watchers[name] = Watcher(name, flight=self.watchers[name].flight)

    def _append(self, found: list[Aligned]) -> None:
        for one in found:
            again = alignment.read(CODEC.decode(CODEC.encode("noli.Alignment", one.datum()))[1])
            assert again == one
            self.known[one.app] = max(self.known.get(one.app, 0), one.origin.offset)
            if alignment.newer(self.view.get(one.app), one):
                self.view[one.app] = one
            self.check()

    # --- the oracle -------------------------------------------------------------------------------

    def check(self) -> None:
        """What whoever reads is told now is not ahead of what is so, as far as anybody knows."""
        for shown in self.view.values():
            if shown.as_of is not None:
                self._check(shown, shown.as_of)

    def _check(self, shown: Aligned, as_of: int) -> None:
        before = self.company.receipts[: self.known[shown.app]]
        said = [
            (int.from_bytes(c["token"]), c["version"], c["outcome"], c["accepted"])
            for name, datum in before
            if name == "noli.Receipt" and datum["app"] == shown.app
            for c in datum["changes"]
        ]
        for fact in self.company.facts if shown.app == APP else ():
            if fact.accepted < as_of:
                answers = [o for t, v, o, _ in said if t == fact.token and v >= fact.version]
                assert answers, f"{fact} was never answered for, as of {as_of}"
        for place, (token, version, outcome, accepted) in enumerate(said):
            if outcome in {"drifted", "rejected"} and accepted < as_of:
                after = [(v, o) for t, v, o, _ in said[place + 1 :] if t == token]
                assert _cleared(version, outcome, after), f"{outcome} {token} v{version}"

    def settle(self) -> Aligned:
        """Everything that is under way arrives, honestly; what is shown then."""
        self.company.wind_up()
        for watcher in self.watchers.values():
            watcher.flight, watcher.book = [], None
        self.company.now += 1
        watcher = self.watchers["a"]
        book = self._opened(watcher)
        self._append(book.publishable(self._world(watcher), "a", self.company.now))
        return self.view[APP]


def _cleared(version: int, outcome: str, after: list[tuple[int, str]]) -> bool:
    """Whether a later word settles what was wrong."""
    return any(
        (o == "verified" and v >= version)
        or (o == "applied" and (v > version or (v == version and outcome == "rejected")))
        for v, o in after
    )
