"""Decisions to entries: each distinct shape gets a number once, and is then known by its bytes."""

from __future__ import annotations

from typing import Any, Final

from noli.domain.facts import EVERY_BRAND
from noli.replica.encoding import Damaged, order_of, pack, pack_stamp, pack_untils
from noli.replica.raw import HEADER_BYTES, Raw, milliseconds, split, template
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
        self._known: dict[object, int] = {}
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

    def raw(self, value: bytes) -> Raw | None:
        """The decision's parts, where its bytes can be read in place."""
        return split(value) if value[:HEADER_BYTES] == self._header else None

    def entry(self, token: bytes, value: bytes, raw: Raw | None) -> bytes:
        """The stored value of a decision. Raises `UnreadableError`."""
        if raw is None:
            return self._learn(token, value, None, ())
        shared, times = template(raw.rows)
        if not times:
            number = self._known.get(shared)
            if number is None:
                return self._learn(token, value, shared, ())
            return pack(token, number, b"", raw.stamp)
        distinct = tuple(dict.fromkeys(times))
        key = (shared, tuple(map(distinct.index, times)))
        number = self._known.get(key)
        moments = tuple(map(milliseconds, distinct))
        if number is None or min(moments) < 0:
            return self._learn(token, value, key, tuple(map(milliseconds, times)))
        return pack(token, number, pack_untils(moments), raw.stamp)

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

    def _learn(self, token: bytes, value: bytes, key: object, times: tuple[int, ...]) -> bytes:
        """Decode in full; remember the template if its times are exactly the rows' own."""
        name, datum = self._codec.decode(value)
        if name != DECISION:
            raise UnreadableError(f"{name} under a contact's key")
        shaped = take_apart(datum["rows"])
        number = self._number(*shaped)
        own = tuple(row["until"] for row in datum["rows"] if row["until"] is not None)
        if key is not None and own == times and min(own, default=0) >= 0:
            if len(self._known) >= _TEMPLATES:
                self._known.clear()
            self._known[key] = number
        stamp = pack_stamp(datum["epoch"], datum["version"])
        return pack(token, number, pack_untils(shaped.untils), stamp)

    def _number(self, shape: bytes, untils: tuple[int, ...]) -> int:
        number = self._numbers.get(shape)
        if number is None:
            number = self._numbers[shape] = len(self._shapes)
            self._shapes.append(shape)
            self._times.append(len(untils))
        return number
