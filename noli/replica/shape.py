"""Row sets without their times: what contacts share, and the answers they give.

A shape is stored as JSON (an operator can read it with any LMDB tool) and compiled once per
process into a table from (channel, purpose) to rows. Reading rows is the reader's half of the
decision contract (`schemas/avro/decision.avsc`): it never adds an allowance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from noli.replica.encoding import UNTIL_BYTES, Damaged

#: A brand row that answers who asks without one, and who asks for a brand that has no row.
ANY_BRAND: Final = "*"

#: A symbol of a newer writer that this build does not know, as Avro's enum default gives it.
UNKNOWN: Final = "unknown"

_LATEST_MS: Final = (1 << 8 * UNTIL_BYTES) - 1


class ShapeRow(msgspec.Struct, frozen=True, array_like=True):
    """One row. `until` is an index into the contact's times, or None."""

    channels: tuple[str, ...]
    purposes: tuple[str, ...]
    brand: str
    allowed: bool
    basis: str | None
    reasons: tuple[str, ...]
    conditions: tuple[str, ...]
    products: tuple[str, ...]
    until: int | None
    lapse: tuple[str, ...]


class Shaped(NamedTuple):
    """A decision's rows taken apart: the stored shape, and the contact's own times."""

    shape: bytes
    untils: tuple[int, ...]


def take_apart(rows: Iterable[Mapping[str, Any]]) -> Shaped:
    """Split rows (as `noli.Decision` has them) into shape and times."""
    untils: dict[int, int] = {}
    shaped = []
    for row in rows:
        until = row["until"]
        index = None
        if until is not None:
            # Out of 48 bits is a writer's fault; an earlier time denies sooner.
            index = untils.setdefault(min(max(until, 0), _LATEST_MS), len(untils))
        shaped.append(
            ShapeRow(
                tuple(row["channels"]),
                tuple(row["purposes"]),
                row["brand"],
                row["allowed"],
                row["basis"],
                tuple(row["reasons"]),
                tuple(row["conditions"]),
                tuple(row["products"]),
                index,
                tuple(row["lapse"]),
            )
        )
    return Shaped(msgspec.json.encode(shaped), tuple(untils))


class Verdict(NamedTuple):
    """What the rows say at one moment. `until` is in milliseconds since the epoch."""

    allowed: bool
    basis: str | None
    reasons: tuple[str, ...]
    conditions: tuple[str, ...]
    until: int | None


#: No row, no basis (law: NO-BASIS).
NO_BASIS: Final = Verdict(
    allowed=False, basis=None, reasons=("NO_BASIS",), conditions=(), until=None
)


class Shape:
    """A compiled shape. Not thread-safe to build, safe to ask from many threads."""

    __slots__ = ("_brands", "_found", "_rows", "times")

    def __init__(self, stored: bytes) -> None:
        try:
            self._rows = msgspec.json.decode(stored, type=tuple[ShapeRow, ...])
        except msgspec.MsgspecError as error:
            raise Damaged("a shape that is not JSON rows") from error
        self.times: int = 1 + max((r.until for r in self._rows if r.until is not None), default=-1)
        self._brands = frozenset(row.brand for row in self._rows)
        self._found: dict[tuple[str, str, str], tuple[ShapeRow, ...]] = {}

    def rows(self, channel: str, purpose: str, brand: str | None) -> tuple[ShapeRow, ...]:
        """The rows that answer for a pair: all of them must allow it."""
        key = (channel, purpose, brand if brand in self._brands else ANY_BRAND)
        found = self._found.get(key)
        if found is None:
            found = tuple(row for row in self._rows if _covers(row, *key))
            if found:  # an asker's own symbols are without number: not kept
                self._found[key] = found
        return found


def _covers(row: ShapeRow, channel: str, purpose: str, brand: str) -> bool:
    """Whether a row speaks for a pair: an unknown symbol denies everywhere and allows nowhere."""
    if not row.allowed and (UNKNOWN in row.channels or UNKNOWN in row.purposes):
        return (channel in row.channels or UNKNOWN in row.channels) and (
            purpose in row.purposes or UNKNOWN in row.purposes
        )
    return channel in row.channels and purpose in row.purposes and row.brand == brand
