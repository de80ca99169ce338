"""noli.decisions from a place on, as changes. Blocks: each stream has one, on a thread of its own.

A consumer per stream, since each stands elsewhere; librdkafka stops fetching once `_QUEUED_KB` are
held, so a client that reads slowly costs that much and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from noli.domain import canary, token
from noli.replica.changes import vector, verdicts
from noli.replica.changes.vector import Vector
from noli.replica.follow import Batch, Follower, Source
from noli.replica.head import Head, Position, as_of
from noli.replica.take import Record
from noli.runtime.clock import now_ms
from noli.runtime.settings import Settings
from schemas.codec import Codec, UnreadableError, leading_long
from schemas.names import BEACON_KEY, CLAIM_KEY

#: Records taken at once: a client that leaves has that many decoded for nothing.
_BATCH: Final = 200
_QUEUED_KB: Final = 1_024

DECISION: Final = "noli.Decision"


class Log(Protocol):
    """What is used of a `Follower`."""

    def source(self) -> Source:
        """The topic as it is now."""

    def start(self, positions: tuple[Position, ...], /) -> None:
        """Read from there."""

    def batch(self) -> Batch:
        """What is new."""

    def close(self) -> None:
        """Leave."""


class Told(NamedTuple):
    """A change, and the place after it."""

    at: str
    data: dict[str, Any]


class Feed:
    """Changes for one client; `controllers` empty means all."""

    def __init__(
        self, log: Log, codec: Codec, pepper_version: int, controllers: Collection[str] = ()
    ) -> None:
        self._log = log
        self._codec = codec
        self._pepper_version = pepper_version
        self._controllers = frozenset(controllers)
        self._at = Vector("", ())

    def start(self, wanted: str | None, copy: Head) -> str | None:
        """Begin at `wanted` ("beginning", or a vector's text), else where the copy stands.

        Why that cannot be, if so: the client must build anew, and is fed from where the copy
        stands. Raises ValueError for a text that is no place, `LogUnavailable`.
        """
        source = self._log.source()
        here = vector.of_head(copy)
        if wanted is None:
            lost, begin = None, here
        elif wanted == "beginning":
            lost, begin = None, vector.beginning(source)
        else:
            begin = vector.parse(wanted)
            lost = begin.lost(source)
        lost = lost or (begin.lost(source) if begin is here else None)
        if lost:
            begin = here if here.lost(source) is None else vector.beginning(source)
        self._at = begin
        self._log.start(begin.positions)
        return lost

    def again(self, copy: Head) -> None:
        """Begin where the copy stands, after `read` was refused."""
        self.start(None, copy)

    def read(self) -> list[Told]:
        """What is new; empty after a quarter of a second without anything.

        Raises `Refused` where the log has thrown away what comes next, `LogUnavailable`.
        """
        batch = self._log.batch()
        told = [*self._told(batch.records)]
        for number, end in batch.ends:
            position = self._at.positions[number]
            position.frontier = max(position.frontier, end)
        return told

    def at(self) -> str:
        """The place after what was read."""
        return self._at.text()

    def as_of(self) -> int | None:
        """Every objection the log took before this (ms) was told; None before the first beacon."""
        return as_of(self._at.positions)

    def close(self) -> None:
        """Leave the brokers."""
        self._log.close()

    def _told(self, records: Iterable[Record]) -> Iterable[Told]:
        for record in records:
            position = self._at.positions[record.partition() or 0]
            data = self._data(position, record.key(), record.value() or b"")
            position.frontier = (record.offset() or 0) + 1
            if data is not None:
                yield Told(self._at.text(), data)

    def _data(self, at: Position, key: bytes | None, value: bytes) -> dict[str, Any] | None:
        """The change in a record, if it holds one for this client."""
        if key in {CLAIM_KEY, BEACON_KEY}:
            self._sign(at, key, value)
            return None
        if key is None or len(key) != token.SIZE or key[0] != self._pepper_version:
            return None
        try:
            if leading_long(value) < at.epoch:
                return None  # of an owner that had been replaced
            name, decision = self._codec.decode(value)
        except UnreadableError:
            name, decision = "", {}
        if name != DECISION:
            return verdicts.unreadable(key)
        if not self._is_theirs(decision):
            return None
        return verdicts.change(key, decision, now_ms())

    def _is_theirs(self, decision: Mapping[str, Any]) -> bool:
        contact = decision["contact"]
        if contact is not None and canary.is_canary((contact["kind"], contact["value"])):
            return False  # ours, and nobody's
        return not self._controllers or decision["controller"] in self._controllers

    def _sign(self, at: Position, key: bytes | None, value: bytes) -> None:
        try:
            epoch = leading_long(value)
            if epoch < at.epoch:
                return
            if key == CLAIM_KEY:
                at.epoch = epoch
            else:
                at.as_of = self._codec.decode(value)[1]["as_of"]
        except UnreadableError:
            return  # a beacon that cannot be read only makes the client think itself older


@dataclass(frozen=True, slots=True)
class Feeds:
    """Makes feeds; blocks. `codec` is called at the first: a lookup starts without a registry."""

    settings: Settings
    codec: Callable[[], Codec]

    def __call__(self, controllers: Collection[str]) -> Feed:
        """A feed of its own. Raises `RegistryUnavailable`."""
        follower = Follower(self.settings, batch=_BATCH, queued_kb=_QUEUED_KB)
        return Feed(follower, self.codec(), self.settings.pepper_version, controllers)
