"""Decisions to entries: each distinct shape gets a number once, and is then known by its bytes."""

from __future__ import annotations

from typing import Any, Final
from zlib import crc32

from noli.domain.facts import EVERY_BRAND
from noli.replica.encoding import Damaged, order_of, pack, pack_stamp, pack_untils
from noli.replica.raw import (
    HEADER_BYTES,
    Unsure,
    long_at,
    milliseconds,
    rows_at,
    stamp_end,
    template,
)
from noli.replica.shape import UNKNOWN, Shape, take_apart
from schemas.codec import Codec, UnreadableError

DECISION: Final = "noli.Decision"

#: Templates kept; beyond, they are learnt again. A shape's template takes about 300 bytes.
_TEMPLATES: Final = 100_000

#: The rows of a contact whose decision nobody could read: denied, everywhere, for everything.
_UNREADABLE_ROWS: Final[list[dict[str, Any]]] = [
    {
        "channels": [UNKNOWN],
        "purposes": [UNKNOWN],
        "brand": EVERY_BRAND,
        "allowed": False,
        "basis": None,
        "reasons": ["QUARANTINED"],
        "conditions": [],
        "products": [],
        "until": None,
        "lapse": [],
    }
]

_EMPTY: Final = {
    "epoch": 0,
    "version": 0,
    "controller": "",
    "contact": None,
    "accepted": 0,
    "decided": 0,
    "next_change": None,
    "rows": [],
}


class Interner:
    """Makes the stored value of a decision. `stored` are the shapes the copy has, by number."""

    def __init__(self, codec: Codec, stored: list[bytes]) -> None:
        self._codec = codec
        self._shapes = list(stored)
        self._numbers = {shape: number for number, shape in enumerate(stored)}
        self._times = [Shape(shape).times for shape in stored]
        self._known: dict[object, bytes] = {}
        self._saved = len(stored)
        # The fast path holds for the schema this build was released with, and no other.
        self._header = codec.encode(DECISION, _EMPTY)[:HEADER_BYTES]
        self._unreadable = self._number(*take_apart(_UNREADABLE_ROWS))

    def unsaved(self) -> tuple[int, list[bytes]]:
        """The first number and the shapes that no transaction has stored yet."""
        return self._saved, self._shapes[self._saved :]

    def saved(self, count: int) -> None:
        """`count` more of them are stored now."""
        self._saved += count

    def opening(self, value: bytes) -> bytes:
        """What a decision of the released schema and of that epoch begins with.

        Empty where its bytes cannot be read in place.
        """
        epoch = long_at(value, HEADER_BYTES)
        return value[: epoch.end()] if epoch and value.startswith(self._header) else b""

    def entry(self, token: bytes, value: bytes, opening: bytes) -> bytes:
        """The stored value of a decision that begins with `opening`. Raises `UnreadableError`."""
        if not opening:
            return self._learn(token, value)
        try:
            version = long_at(value, len(opening))
            end = version.end() if version else len(value)
            rows = value[rows_at(value, end) :]
        except Unsure:
            return self._learn(token, value)
        shape = self._known.get(rows)
        if shape is None:
            shape, untils = self._template(rows)
            if shape is None:
                return self._learn(token, value)
            shape += untils
        # `encoding.pack`, without a call: this line is run for each of 30 million contacts.
        body = shape + value[HEADER_BYTES:end]
        return crc32(token + body).to_bytes(4, "big") + body

    def _template(self, rows: bytes) -> tuple[bytes | None, bytes]:
        """The shape number, packed, and the packed times of rows that have some."""
        shared, times = template(rows)
        if not times:
            return None, b""
        distinct = tuple(dict.fromkeys(times))
        moments = tuple(map(milliseconds, distinct))
        if min(moments) < 0:
            return None, b""
        return self._known.get((shared, tuple(map(distinct.index, times)))), pack_untils(moments)

    def unreadable(self, token: bytes, epoch: int) -> bytes:
        """The value of a contact whose decision cannot be read; any later decision replaces it."""
        return pack(token, self._unreadable, b"", pack_stamp(epoch, 0))

    def supersedes(self, value: bytes, standing: bytes) -> bool:
        """Whether `value` replaces `standing`: a later epoch or version, or a doubt."""
        if self.is_unreadable(value):
            return True
        try:
            order = self._order(standing)
        except (Damaged, IndexError):
            return True  # a damaged entry denies; a decision read from the log is better
        return self._order(value) > order

    def is_unreadable(self, value: bytes) -> bool:
        """Whether a value is one of `unreadable`."""
        return int.from_bytes(value[4:8], "big") == self._unreadable

    def _order(self, value: bytes) -> tuple[int, int]:
        return order_of(value, self._times[int.from_bytes(value[4:8], "big")])

    def _learn(self, token: bytes, value: bytes) -> bytes:
        """Decode in full; remember the template if its times are exactly the rows' own."""
        name, datum = self._codec.decode(value)
        if name != DECISION:
            raise UnreadableError(f"{name} under a contact's key")
        shaped = take_apart(datum["rows"])
        number = self._number(*shaped)
        if value.startswith(self._header):
            own = tuple(row["until"] for row in datum["rows"] if row["until"] is not None)
            self._remember(value, own, number)
        stamp = pack_stamp(datum["epoch"], datum["version"])
        return pack(token, number, pack_untils(shaped.untils), stamp)

    def _remember(self, value: bytes, own: tuple[int, ...], number: int) -> None:
        try:
            rows = value[rows_at(value, stamp_end(value)) :]
        except Unsure:
            return
        shared, times = template(rows)
        if own != tuple(map(milliseconds, times)) or min(own, default=0) < 0:
            return
        if len(self._known) >= _TEMPLATES:
            self._known.clear()
        distinct = tuple(dict.fromkeys(times))
        key = (shared, tuple(map(distinct.index, times))) if times else rows
        self._known[key] = number.to_bytes(4, "big")

    def _number(self, shape: bytes, untils: tuple[int, ...]) -> int:
        number = self._numbers.get(shape)
        if number is None:
            number = self._numbers[shape] = len(self._shapes)
            self._shapes.append(shape)
            self._times.append(len(untils))
        return number
