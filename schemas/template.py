"""Bytes with holes: a record learnt from one example, written again with other values.

Nothing here knows a schema. Whoever learns a template must see, on other values, that it writes
what the encoder writes.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from schemas.codec import UnreadableError, read_long

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BITS: Final = 7
_LOW: Final = (1 << _BITS) - 1
_MORE: Final = 1 << _BITS
_SIGN: Final = 63
#: What takes six bytes: milliseconds of the years 1970 to 2039.
_SIX_FROM: Final = 1 << 34
_SIX_TO: Final = 1 << 41
_HOLE: Final = b"%b"
#: `itemgetter` of one item gives no tuple.
_HOLES_MIN: Final = 2


class Template:
    """A record's bytes with some values left out; they are given in the order of the example's."""

    __slots__ = ("_order", "_text")

    def __init__(self, example: bytes, values: Sequence[bytes]) -> None:
        """Cut every one of `values` out of `example`; of equal ones the first has the hole.

        Raises ValueError for fewer than two holes: there is nothing to be gained.
        """
        place = {value: at for at, value in reversed(list(enumerate(values))) if value}
        longest_first = sorted(place, key=len, reverse=True)
        parts = re.split(b"(" + b"|".join(map(re.escape, longest_first)) + b")", example)
        order = [place[part] for part in parts[1::2]]
        if len(order) < _HOLES_MIN:
            raise ValueError("a template needs two holes at least")
        self._text = _HOLE.join(part.replace(b"%", b"%%") for part in parts[::2])
        self._order: Callable[[Sequence[bytes]], tuple[bytes, ...]] = itemgetter(*order)

    def filled(self, values: Sequence[bytes]) -> bytes:
        """The bytes with these values in the holes."""
        return self._text % self._order(values)


def long_bytes(value: int) -> bytes:
    """An Avro long: zigzag, variable length."""
    if _SIX_FROM <= value < _SIX_TO:  # nearly every moment; five times as fast
        return bytes(
            (
                value << 1 & _LOW | _MORE,
                value >> 6 & _LOW | _MORE,
                value >> 13 & _LOW | _MORE,
                value >> 20 & _LOW | _MORE,
                value >> 27 & _LOW | _MORE,
                value >> 34,
            )
        )
    rest = value << 1 ^ value >> _SIGN
    out = bytearray()
    while rest > _LOW:
        out.append(rest & _LOW | _MORE)
        rest >>= _BITS
    out.append(rest)
    return bytes(out)


def long_of(data: bytes) -> int:
    """The number of an Avro long, written as an encoder writes it. Raises `UnreadableError`."""
    value, end = read_long(data, 0)
    if end != len(data) or long_bytes(value) != data:
        raise UnreadableError("not the shortest form of a long")
    return value
