"""Row sets without their times: what contacts share, and the answers they give.

A shape is stored as JSON (an operator can read it with any LMDB tool) and turned once per
process into the law's own rows (`noli.domain.verdict`), which alone knows what they answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from noli.domain.channel import (
    CHANNEL_BIT,
    CHANNELS,
    PURPOSE_BIT,
    PURPOSES,
    Channel,
    Kind,
    Purpose,
)
from noli.domain.facts import EVERY_BRAND
from noli.domain.reason import Reason
from noli.domain.verdict import Query, Row, Verdict, answer_from
from noli.replica.encoding import UNTIL_BYTES, Damaged

#: A symbol of a newer writer that this build does not know, as Avro's enum default gives it.
UNKNOWN: Final = "unknown"

_LATEST_MS: Final = (1 << 8 * UNTIL_BYTES) - 1

_REASONS: Final = frozenset(Reason)
_NO_BASIS: Final = (Reason.NO_BASIS,)

#: Stands for a brand, and for a product, that no row names.
_UNNAMED: Final = "\0"

#: In compiled rows the entry's time number n is this moment and n more: it tells which one counts.
_FAR_MS: Final = 1 << 60


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


class Ruling(NamedTuple):
    """What a shape answers to a question, but for the entry's own time.

    `now` holds up to and including the entry's time number `until`, `then` after it. Where `until`
    is None, `now` holds until another decision comes.
    """

    now: Verdict
    then: Verdict
    until: int | None


_NOTHING_KNOWN: Final = Verdict(
    allowed=False, basis=None, reasons=_NO_BASIS, conditions=(), until=None
)

#: The ruling on a symbol that this build does not know.
UNHEARD_OF: Final = Ruling(_NOTHING_KNOWN, _NOTHING_KNOWN, None)


class Shape:
    """A compiled shape: the law's answers to the questions asked of it, kept."""

    __slots__ = ("_brands", "_products", "_rows", "_rulings", "allows", "times")

    def __init__(self, stored: bytes) -> None:
        try:
            rows = msgspec.json.decode(stored, type=tuple[ShapeRow, ...])
        except msgspec.MsgspecError as error:
            raise Damaged("a shape that is not JSON rows") from error
        self.times: int = 1 + max((r.until for r in rows if r.until is not None), default=-1)
        #: Whether it allows anything, to anybody.
        self.allows: bool = any(row.allowed for row in rows)
        self._brands = frozenset(row.brand for row in rows) | {EVERY_BRAND}
        self._products = frozenset(product for row in rows for product in row.products)
        self._rows = _known(rows, self._brands)
        self._rulings: dict[tuple[Kind | None, str, str, str | None, str | None], Ruling] = {}

    def ruling(
        self, kind: Kind | None, channel: str, purpose: str, brand: str | None, product: str | None
    ) -> Ruling:
        """The law's answer; asked for once per kind, pair, named brand and named product.

        A channel or purpose that nobody has heard of has no basis.
        """
        found = self._rulings.get((kind, channel, purpose, brand, product))
        if found is not None:
            return found
        if channel not in CHANNEL_BIT or purpose not in PURPOSE_BIT:
            return UNHEARD_OF
        # Brands that no row names are answered alike, and so are products: keep one of each.
        brand = brand if not brand or brand in self._brands else _UNNAMED
        product = product if product is None or product in self._products else _UNNAMED
        key = (kind, channel, purpose, brand, product)
        found = self._rulings.get(key)
        if found is None:
            query = Query(Channel(channel), Purpose(purpose), brand or EVERY_BRAND, product)
            found = self._rulings[key] = _rule(self._rows, kind, query)
        return found


def _rule(rows: tuple[Row, ...], kind: Kind | None, query: Query) -> Ruling:
    now = answer_from(rows, kind, query, 0)
    then = answer_from(rows, kind, query, _FAR_MS * 2)
    return Ruling(now, then, None if now.until is None else now.until - _FAR_MS)


def _known(rows: tuple[ShapeRow, ...], brands: frozenset[str]) -> tuple[Row, ...]:
    """Rows in this build's symbols: an unknown one denies everywhere and allows nowhere."""
    doubtful = [row for row in rows if not row.allowed and _is_doubtful(row)]
    everywhere = [_row(row, CHANNELS, PURPOSES, brand) for row in doubtful for brand in brands]
    exact = [
        _row(
            row,
            tuple(Channel(symbol) for symbol in row.channels if symbol in CHANNEL_BIT),
            tuple(Purpose(symbol) for symbol in row.purposes if symbol in PURPOSE_BIT),
            row.brand,
        )
        for row in rows
    ]
    return (*everywhere, *exact)  # the first row that matches answers: doubts come first


def _is_doubtful(row: ShapeRow) -> bool:
    return not (CHANNEL_BIT.keys() >= set(row.channels) and PURPOSE_BIT.keys() >= set(row.purposes))


def _row(
    row: ShapeRow, channels: tuple[Channel, ...], purposes: tuple[Purpose, ...], brand: str
) -> Row:
    doubtful = _is_doubtful(row) or (row.allowed and row.basis == UNKNOWN)
    return Row(
        channels=channels,
        purposes=purposes,
        brand=brand,
        allowed=row.allowed and row.basis != UNKNOWN,
        basis=row.basis if row.basis != UNKNOWN else None,
        reasons=_reasons(row.reasons) or (() if row.allowed and not doubtful else _NO_BASIS),
        conditions=row.conditions,
        products=() if doubtful and not row.allowed else row.products,
        until=None if row.until is None else _FAR_MS + row.until,
        lapse=_reasons(row.lapse),
    )


def _reasons(symbols: tuple[str, ...]) -> tuple[Reason, ...]:
    return tuple(Reason(symbol) for symbol in symbols if symbol in _REASONS)
