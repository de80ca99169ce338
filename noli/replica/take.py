"""Records of noli.decisions to entries: who may speak, how far we are, how fresh.

The epoch rule: a record whose epoch is below the highest claim seen before it in its partition was
written by an owner that had been replaced, and is passed over. Source: blueprint, "One writer per
partition".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from noli.domain import token
from noli.replica.head import Position
from noli.replica.intern import Interner
from schemas.codec import Codec, UnreadableError, leading_long
from schemas.names import BEACON_KEY, CLAIM_KEY

#: What became of a record; values of the metric's `outcome` label.
TAKEN: Final = "taken"
STALE: Final = "stale_epoch"
UNREADABLE: Final = "unreadable"
FOREIGN_KEY: Final = "foreign_key"
OTHER_PEPPER: Final = "other_pepper"


class Record(Protocol):
    """What is used of a Kafka message that is not an error."""

    def key(self) -> bytes | None:
        """The record's key."""

    def value(self) -> bytes | None:
        """The record's value."""

    def partition(self) -> int | None:
        """The partition it stands in."""

    def offset(self) -> int | None:
        """Its offset there."""


Entries = list[tuple[bytes, bytes]]


class Taken(NamedTuple):
    """`entries` in log order, and how many records met which outcome."""

    entries: Entries
    outcomes: Counter[str]


class _Replaced(Exception):
    """The record's writer had been replaced before it wrote."""


class _Lane:
    """One partition: where we are, and what records of the epoch that speaks begin with."""

    __slots__ = ("at", "opening")

    def __init__(self, at: Position) -> None:
        self.at = Position(at.frontier, at.epoch, at.as_of)
        self.opening = b""


class Taker:
    """Holds the position of every partition while records are taken in log order."""

    def __init__(
        self, codec: Codec, interner: Interner, pepper_version: int, positions: Iterable[Position]
    ) -> None:
        self._codec = codec
        self._interner = interner
        self._pepper_version = pepper_version
        self._lanes = [_Lane(position) for position in positions]

    def positions(self) -> tuple[Position, ...]:
        """A copy of where we are, by partition."""
        return tuple(
            Position(lane.at.frontier, lane.at.epoch, lane.at.as_of) for lane in self._lanes
        )

    def reached(self, partition: int, offset: int) -> None:
        """The partition ends before `offset`, for now: nothing below it is left to read."""
        at = self._lanes[partition].at
        at.frontier = max(at.frontier, offset)

    def take(self, messages: Iterable[Record]) -> Taken:
        """Take records, none of which is an error.

        Raises whatever the registry raises when it cannot be asked about a newer schema.
        """
        entries: Entries = []
        outcomes: Counter[str] = Counter()
        lanes, entry, pepper = self._lanes, self._interner.entry, self._pepper_version
        unreadable = 0
        for message in messages:
            key, value = message.key(), message.value() or b""
            lane = lanes[message.partition()]  # type: ignore[index] # every record has one
            if key is None or len(key) != token.SIZE or key[0] != pepper:
                outcomes[self._other(lane, key, value)] += 1
            else:
                try:
                    # Nearly every record speaks in the epoch of the one before.
                    if not lane.opening or not value.startswith(lane.opening):
                        self._listen(lane, value)
                    entries.append((key, entry(key, value, lane.opening)))
                except _Replaced:
                    outcomes[STALE] += 1
                except UnreadableError:
                    entries.append((key, self._interner.unreadable(key, lane.at.epoch)))
                    unreadable += 1
            lane.at.frontier = message.offset() + 1  # type: ignore[operator] # as above
        outcomes[UNREADABLE] += unreadable
        outcomes[TAKEN] += len(entries) - unreadable
        return Taken(entries, outcomes)

    def _listen(self, lane: _Lane, value: bytes) -> None:
        """A record of another epoch than the last. Raises `_Replaced`, `UnreadableError`."""
        if leading_long(value) < lane.at.epoch:
            raise _Replaced
        lane.opening = self._interner.opening(value)

    def _other(self, lane: _Lane, key: bytes | None, value: bytes) -> str:
        if key is not None and len(key) == token.SIZE:
            return OTHER_PEPPER
        if key not in {CLAIM_KEY, BEACON_KEY}:
            return FOREIGN_KEY
        try:
            epoch = leading_long(value)
            if epoch < lane.at.epoch:
                return STALE
            _, datum = self._codec.decode(value)
        except UnreadableError:
            return UNREADABLE
        if key == CLAIM_KEY:
            lane.at.epoch = epoch
            lane.opening = b""
        else:
            # The last one, not the greatest: a replaced owner's clock may have been ahead.
            lane.at.as_of = datum["as_of"]
        return TAKEN
