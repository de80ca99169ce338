"""`noli.Alignment`: as of when an application holds everything, and what holds it back. Pure.

Whoever reads `noli.alignment` keeps the newest by `newer`, not by its place in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

#: The key, and the name, under which all applications together stand.
OVERALL: Final = "*"
#: A connector that says nothing for so long is dead, in ms: it speaks every second.
DEAD_MS: Final = 10_000
#: A lower place in the receipts is a watcher's that was replaced; unless no higher one was heard of
#: for so long (ms): then the receipts themselves were replaced, by a restored cluster.
_REPLACED_MS: Final = 60_000


class Why(StrEnum):
    """What holds an application back; the symbols of the contract."""

    #: No connector has ever said anything, or not since it was added again.
    NOT_REPORTED = "not_reported"
    #: Of some partitions it is not known how far it is.
    PARTITION_UNKNOWN = "partition_unknown"
    PAUSED = "paused"
    #: It refused a verdict, or does not hold one that it confirmed.
    WRONG = "wrong"
    #: Decisions that nobody can read.
    UNREADABLE = "unreadable"
    #: Records in noli.quarantine that nobody has dealt with.
    QUARANTINE = "quarantine"
    #: How far the facts of persons are is not known, or not known freshly.
    PARTIES = "parties"
    #: No connector has said anything for `DEAD_MS`.
    DEAD = "dead"


class Origin(NamedTuple):
    """A place in noli.receipts: everything of the application below it is accounted for.

    `needed`: where whoever takes over begins to read, if more is wrong than is named; None: there.
    """

    partition: int
    offset: int
    needed: int | None = None

    @property
    def begin(self) -> int:
        """The first record to read for whoever takes over."""
        return self.offset if self.needed is None else self.needed


@dataclass(frozen=True, slots=True)
class Hold:
    """Why it is not aligned now. `since`, ms; `detail`: words, without a contact."""

    why: str
    since: int | None
    count: int
    detail: str | None


class Point(NamedTuple):
    """How far an application is on a partition of noli.decisions; `as_of` in ms."""

    partition: int
    frontier: int
    as_of: int | None


class Attempt(NamedTuple):
    """One batch offered: `at` in ms, what came of it, how long it took (`ms`)."""

    at: int
    contacts: int
    outcome: str
    reason: str | None
    ms: int


class Wrong(NamedTuple):
    """A verdict the application is known not to hold. `accepted`, ms: of the oldest such.

    `found`: offset in noli.receipts from which on it can be found again.
    """

    partition: int
    token: bytes
    version: int
    found: int
    accepted: int
    outcome: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Aligned:
    """The record. Times are ms since the epoch; `as_of` None: not known. See the contract."""

    app: str
    at: int
    watcher: str
    origin: Origin
    as_of: int | None
    held_by: tuple[Hold, ...] = ()
    points: tuple[Point, ...] = ()
    pending: int = 0
    oldest_pending: int | None = None
    failures: int = 0
    unreadable: int = 0
    last_error: str | None = None
    next_try: int | None = None
    paused: bool = False
    attempts: tuple[Attempt, ...] = ()
    wrong: tuple[Wrong, ...] = ()
    wrong_more: int = 0
    reported_at: int | None = None

    def datum(self) -> dict[str, Any]:
        """As the contract has it."""
        lists = ("held_by", "points", "attempts", "wrong")
        found = {
            name: [asdict(each) if isinstance(each, Hold) else each._asdict() for each in entries]
            for name in lists
            for entries in [getattr(self, name)]
        }
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in lists}
        return {**plain, **found, "origin": self.origin._asdict()}

    def frontier(self) -> int | None:
        """The decisions' own as_of, before what holds it back; None: a partition is unknown."""
        known = [point.as_of for point in self.points]
        return min((a for a in known if a is not None), default=None) if all(known) else None


def read(datum: Mapping[str, Any]) -> Aligned:
    """From the contract."""
    lists: dict[str, Any] = {
        "held_by": Hold, "points": Point, "attempts": Attempt, "wrong": Wrong,
    }  # fmt: skip
    found = {name: tuple(kind(**each) for each in datum[name]) for name, kind in lists.items()}
    return Aligned(**{**datum, **found, "origin": Origin(**datum["origin"])})


def newer(known: Aligned | None, found: Aligned) -> bool:
    """Whether `found` replaces `known`, which was read before it under the same key.

    A watcher that was stopped and went on after another one took its place writes once more what
    it knew: that has a lower origin, or an earlier time, and may claim what was found false since.
    """
    if known is None or known.origin.partition != found.origin.partition:
        return True
    places = (found.origin.offset, found.at), (known.origin.offset, known.at)
    return places[0] >= places[1] or found.at > known.at + _REPLACED_MS
