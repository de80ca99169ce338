"""What one application may see of a decision. Pure: a decoded record in, a `Change` out.

Its controllers, its channels, its purposes, and no grant that is not its own. Everything unknown
reads as denied: a symbol of a newer build, a pair that stands in no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from connectors.protocol import Change, Contact, Verdict
from noli.domain import canary as canaries
from noli.domain.channel import CHANNELS, PURPOSES, Channel, Kind, Purpose, channels_of, reach
from noli.domain.facts import EVERY_BRAND

Datum = Mapping[str, Any]
#: channel, purpose, brand
Pair = tuple[str, str, str]

_UNKNOWN: Final = "unknown"
#: Sets of rows remembered with their verdicts: real decisions have a few hundred shapes, and many
#: waiting changes then share one tuple.
_SHAPES: Final = 4_096
_NO_BASIS: Final = ("NO_BASIS",)
_KINDS: Final = frozenset(kind.value for kind in Kind)


class Place(NamedTuple):
    """Where a record stands, and the newest beacon before it (ms; None: none seen)."""

    partition: int
    offset: int
    as_of: int | None


class Row(NamedTuple):
    """A row of a decision, as far as applications see it; equal rows are worked out once."""

    channels: tuple[str, ...]
    purposes: tuple[str, ...]
    brand: str
    allowed: bool
    reasons: tuple[str, ...]
    conditions: tuple[str, ...]
    until: int | None


class Lens:
    """The view of one application."""

    def __init__(
        self,
        controllers: Iterable[str],
        channels: Iterable[str] = CHANNELS,
        purposes: Iterable[str] = PURPOSES,
        *,
        third_party: bool = False,
        canary: bool = True,
    ) -> None:
        """`canary`: whether it is told of its own canaries; of others' it never is."""
        self._controllers = frozenset(controllers)
        self._purposes = tuple(purposes)
        self._third_party = third_party
        served = frozenset(channels)
        perch = canaries.perch(self._controllers, served, self._purposes) if canary else None
        self._perch = perch and perch.controller
        self._flock = frozenset(canaries.flock(perch.kind, perch.purpose) if perch else ())
        #: Channels served, by kind of contact; None is a contact nobody can name any more.
        self._channels: dict[Kind | None, tuple[Channel, ...]] = {
            kind: tuple(channel for channel in channels_of(reach(kind)) if channel in served)
            for kind in (*Kind, None)
        }

    def change(self, token: bytes, decision: Datum, place: Place) -> Change | None:
        """The change this decision asks of the application; None: it concerns others only."""
        if decision["controller"] not in self._controllers:
            return None
        contact = _contact(decision["contact"])
        channels = self._channels[contact.kind if contact else None]
        if not channels or (canaries.is_canary(contact) and not self._is_ours(contact, decision)):
            return None
        return Change(
            token=token.hex(),
            contact=contact,
            controller=decision["controller"],
            version=decision["version"],
            accepted=decision["accepted"],
            partition=place.partition,
            offset=place.offset,
            verdicts=self._verdicts(decision["rows"], channels),
            as_of=place.as_of,
        )

    def _is_ours(self, canary: Contact | None, decision: Datum) -> bool:
        return canary in self._flock and decision["controller"] == self._perch

    def _verdicts(
        self, rows: Sequence[Datum], channels: tuple[Channel, ...]
    ) -> tuple[Verdict, ...]:
        shape = tuple(_row(row) for row in rows)
        return _complete(shape, channels, self._purposes, third_party=self._third_party)


@lru_cache(_SHAPES)
def _complete(
    rows: tuple[Row, ...],
    channels: tuple[Channel, ...],
    purposes: tuple[str, ...],
    *,
    third_party: bool,
) -> tuple[Verdict, ...]:
    """Every pair that is served, for `*` and for each brand that the rows name."""
    stated = _stated(rows)
    if third_party:
        stated = {pair: _disclosed(verdict, stated) for pair, verdict in stated.items()}
    return tuple(
        stated.get((channel, purpose, brand)) or _denied(channel, purpose, brand)
        for brand in dict.fromkeys((EVERY_BRAND, *(row.brand for row in rows)))
        for channel in channels
        for purpose in purposes
    )


def _row(row: Datum) -> Row:
    return Row(
        tuple(row["channels"]),
        tuple(row["purposes"]),
        row["brand"],
        row["allowed"] and row["basis"] != _UNKNOWN,
        tuple(row["reasons"]),
        # SOFT-OPT-IN-PRODUCT: who cannot name a product is denied, and told which it would be.
        tuple(row["products"] or row["conditions"]),
        row["until"],
    )


def _contact(found: Datum | None) -> Contact | None:
    if found is None or found["kind"] not in _KINDS:
        return None
    return Contact(Kind(found["kind"]), found["value"])


def _stated(rows: Sequence[Row]) -> dict[Pair, Verdict]:
    """Every pair that stands in a row; where two rows disagree, the denial."""
    stated: dict[Pair, Verdict] = {}
    for row in rows:
        said = (row.allowed, row.reasons, row.conditions, row.until)
        for channel in _widen(row.channels, CHANNELS, denial=not row.allowed):
            for purpose in _widen(row.purposes, PURPOSES, denial=not row.allowed):
                pair = (channel, purpose, row.brand)
                if pair not in stated or stated[pair].allowed:
                    stated[pair] = Verdict._make((*pair, *said))
    return stated


def _denied(channel: str, purpose: str, brand: str) -> Verdict:
    return Verdict(channel, purpose, brand, allowed=False, reasons=_NO_BASIS)


def _widen(symbols: Sequence[str], every: Sequence[str], *, denial: bool) -> Sequence[str]:
    """A symbol of a newer build means all in a denial and nothing in an allowance."""
    if _UNKNOWN not in symbols:
        return symbols
    return every if denial else [symbol for symbol in symbols if symbol != _UNKNOWN]


def _disclosed(verdict: Verdict, stated: Mapping[Pair, Verdict]) -> Verdict:
    """DISCLOSURE: what a third party may hold. A grant needs leave to disclose; a denial never."""
    if not verdict.allowed:
        return verdict
    leave = stated.get((verdict.channel, Purpose.THIRD_PARTY_DISCLOSURE, verdict.brand))
    if leave is None or not leave.allowed:
        return verdict._replace(allowed=False, reasons=leave.reasons if leave else _NO_BASIS)
    ends = [until for until in (verdict.until, leave.until) if until is not None]
    return verdict._replace(
        until=min(ends, default=None),
        conditions=tuple(dict.fromkeys(verdict.conditions + leave.conditions)),
    )
