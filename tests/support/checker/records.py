"""What the checker is fed. Times in ms of one clock; contacts are opaque names (use the token).

Verdicts are the set of pairs allowed: whatever is not in it is denied (law.md: unknown answers D).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from tests.support.checker.facts import CHANNELS, PURPOSES, Fact, Pair

#: Topics whose denials an alignment's as_of speaks of (beacons follow the lead lane).
COVERED: Final = frozenset({"noli.objections", "noli.parties"})
_NOTHING: Final[frozenset[Pair]] = frozenset()


class Op(NamedTuple):
    """A line of the history of senders and askers; one operation at a time for each process.

    kind `submit`: value of invoke `{"event": source|id}`; of ok also `{"receipt": "t:p:o"}`.
    kind `ask`: value of invoke `{"contact", "pair": [channel, purpose, brand]}`; of ok
    `{"allowed"}`, and where known `{"as_of", "version", "replica"}`.
    `fail`: it surely did not happen; `info`: nobody knows.
    """

    op: Literal["invoke", "ok", "fail", "info"]
    process: str
    t: int
    kind: str
    value: Mapping[str, Any]


class Logged(NamedTuple):
    """A record of an input lane. `at`: the time the log shows, ms: not before then was it taken."""

    topic: str
    partition: int
    offset: int
    at: int
    fact: Fact


class Decided(NamedTuple):
    """A record of noli.decisions; with `contact` None a claim of `epoch`."""

    partition: int
    offset: int
    at: int
    epoch: int
    contact: str | None = None
    version: int = 0
    allowed: frozenset[Pair] = _NOTHING
    #: Pairs denied for an objection, a withdrawal, an erasure or a quarantine, by their reasons.
    objected: frozenset[Pair] = _NOTHING
    #: Acceptance of the fact behind it, ms: whoever was told this version was told of that fact.
    accepted: int | None = None


class Told(NamedTuple):
    """An arrival at an application (or a replica), in the order of its own log.

    `taken`: whether it kept it; an application passes over what is older than what it holds.
    """

    app: str
    at: int
    contact: str
    version: int
    allowed: frozenset[Pair]
    objected: frozenset[Pair] = _NOTHING
    taken: bool = True


class Restored(NamedTuple):
    """The application was put back to a backup: it forgot what it was told after `back_to`."""

    app: str
    at: int
    back_to: int


class Receipt(NamedTuple):
    """A receipt of one contact. `outcome`: applied, verified, superseded, rejected …."""

    app: str
    at: int
    contact: str
    version: int
    outcome: str


class Aligned(NamedTuple):
    """What was published of an application at a moment; `as_of` None claims nothing."""

    app: str
    at: int
    as_of: int | None
    held_by: tuple[str, ...] = ()


class Published(NamedTuple):
    """The same from who watches them all: of facts of persons too. `app` `*`: all together."""

    app: str
    at: int
    as_of: int | None
    held_by: tuple[str, ...] = ()


class Held(NamedTuple):
    """What an application holds of a contact at the end."""

    version: int
    allowed: frozenset[Pair]


class Counted(NamedTuple):
    """An application's own numbers, at rest, in changes."""

    app: str
    accepted: int
    applied: int
    superseded: int
    in_flight: int
    quarantined: int


class Digest(NamedTuple):
    """Two ways to one state: `snapshot + tail` and `replay`, `state` and `fold of the log`, …."""

    what: str
    left: str
    right: str


class Scope(NamedTuple):
    """What an application is served with; its dump is only held to that."""

    channels: frozenset[str] = CHANNELS
    purposes: frozenset[str] = PURPOSES


@dataclass(frozen=True)
class Bounds:
    """What the promises allow, in ms."""

    #: How old a lookup's knowledge may be.
    lease_ms: int = 10_000
    #: How far clocks may be apart.
    skew_ms: int = 0
    #: The topics that watermarks speak of.
    covered: frozenset[str] = COVERED


@dataclass
class History:
    """Everything that was observed in one run. What is left empty is not checked."""

    ops: list[Op] = field(default_factory=list)
    log: list[Logged] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    #: Arrivals and restorations; of each application in its own order.
    arrivals: list[Told | Restored] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    aligned: list[Aligned] = field(default_factory=list)
    #: In the order of publication, as a reader keeps them.
    published: list[Published] = field(default_factory=list)
    #: Application → contact → what it holds at the end.
    dumps: dict[str, dict[str, Held]] = field(default_factory=dict)
    scopes: dict[str, Scope] = field(default_factory=dict)
    counts: list[Counted] = field(default_factory=list)
    digests: list[Digest] = field(default_factory=list)
