"""Reads a Decision's bytes without decoding them, where that is safe; else says so.

Building the copy of a register takes 30 million decisions, and Avro decoding in Python costs ten
times what everything else does. A decision is `epoch, version, controller, contact, accepted,
decided, next_change, rows`; all the copy needs is the first two, as they are, and the rows. Rows
that differ only in their times are told apart by a split at everything that could be a time; a
template seen before, whose first appearance was decoded in full and matched piece by piece, is
then recognised by its bytes alone.
"""

from __future__ import annotations

import re
from typing import Final

_LONG: Final = rb"[\x80-\xff]{0,9}[\x00-\x7f]"

#: One Avro long; `long_at(data, at).end()` is the place after it.
long_at: Final = re.compile(_LONG).match

#: accepted, decided, next_change.
_TIMES: Final = re.compile(_LONG + _LONG + rb"(?:\x00|\x02" + _LONG + rb")").match

#: What a time in a row looks like: the union's second branch, and a long of six bytes, which is
#: what milliseconds take from 1987 to 2109. Others are left to the codec.
_SPLIT: Final = re.compile(rb"\x02([\x80-\xff]{5}[\x00-\x7f])").split

#: Bytes before the epoch: magic byte and schema id.
HEADER_BYTES: Final = 5

_ODD: Final = 0x81  # a length of one byte, not negative, has neither of these bits
_SOMEONE: Final = 2  # the union branch of a contact that is there


class Unsure(Exception):
    """Only the codec can tell."""


def stamp_end(value: bytes, at: int = HEADER_BYTES) -> int:
    """The place after epoch and version, the epoch being at `at`. Raises `Unsure`."""
    epoch = long_at(value, at)
    version = epoch and long_at(value, epoch.end())
    if version is None:
        raise Unsure
    return version.end()


def rows_at(value: bytes, at: int) -> int:
    """The place of the rows in a decision whose stamp ends at `at`. Raises `Unsure`."""
    try:
        length = value[at]
        at += 1 + (length >> 1)
        branch = value[at]
        if branch:
            value_length = value[at + 2]
            at += 3 + (value_length >> 1)
            length |= value_length
        else:
            at += 1
    except IndexError:
        raise Unsure from None
    times = _TIMES(value, at)
    if length & _ODD or branch not in (0, _SOMEONE) or times is None:
        raise Unsure
    return times.end()


def template(rows: bytes) -> tuple[object, tuple[bytes, ...]]:
    """Rows as (what they share with others, their times as Avro longs of six bytes).

    The first part is equal for two sets of rows exactly when they differ in those times only.
    """
    pieces = _SPLIT(rows)
    if len(pieces) == 1:
        return rows, ()
    return tuple(pieces[::2]), tuple(pieces[1::2])


def milliseconds(time: bytes) -> int:
    """A time of `template` as a number."""
    b0, b1, b2, b3, b4, b5 = time
    rest = (
        b0 & 0x7F
        | (b1 & 0x7F) << 7
        | (b2 & 0x7F) << 14
        | (b3 & 0x7F) << 21
        | (b4 & 0x7F) << 28
        | b5 << 35
    )
    return (rest >> 1) ^ -(rest & 1)
