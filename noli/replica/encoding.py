"""What the copy holds for one contact, in as few bytes as will do.

An entry is keyed by the contact token and holds no contact. Most contacts share their set of rows
with many others (a register's 30 million numbers share one), so a row set without its times is
stored once, as a *shape*, and an entry only names it:

    checksum 4 | shape 4 | until 6 × n | epoch and version, as two Avro longs

n is the shape's number of distinct times (milliseconds since the epoch, big-endian). The checksum
(CRC-32 of token and rest) is what tells a flipped bit from a verdict: LMDB itself has none, and an
answer read from a damaged page could open the gate. With LMDB's 27 bytes of node and key a contact
on the register costs 44 to 52 bytes of a full page.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from zlib import crc32

#: Milliseconds in 48 bits last until the year 10889.
UNTIL_BYTES: Final = 6

_SHAPE_AT: Final = 4
_UNTIL_AT: Final = 8

_VARINT_MORE: Final = 0x80
_VARINT_BITS: Final = 7


class Damaged(Exception):
    """The bytes are not what was written: whoever reads them denies."""


class Entry(NamedTuple):
    """One contact as stored. `untils` are milliseconds since the epoch."""

    shape: int
    untils: tuple[int, ...]
    epoch: int
    version: int


def pack(token: bytes, shape: int, untils: bytes, stamp: bytes) -> bytes:
    """The stored value. `untils` as `pack_untils` gives them, `stamp` as `pack_stamp` does."""
    body = shape.to_bytes(_UNTIL_AT - _SHAPE_AT, "big") + untils + stamp
    return _checksum(token + body) + body


def pack_untils(untils: tuple[int, ...]) -> bytes:
    """Times in milliseconds since the epoch, packed."""
    return b"".join(until.to_bytes(UNTIL_BYTES, "big") for until in untils)


def pack_stamp(epoch: int, version: int) -> bytes:
    """Epoch and version as Avro writes them, so that a record's own bytes can be copied."""
    return _zigzag(epoch) + _zigzag(version)


def shape_of(token: bytes, value: bytes) -> int:
    """The shape an entry names. Raises `Damaged` when the entry is not the one written."""
    if len(value) < _UNTIL_AT or value[:_SHAPE_AT] != _checksum(token + value[_SHAPE_AT:]):
        raise Damaged("checksum of an entry")
    return int.from_bytes(value[_SHAPE_AT:_UNTIL_AT], "big")


def checksum_of(value: bytes) -> bytes:
    """What tells an entry from every other, of its contact and of others."""
    return value[:_SHAPE_AT]


def is_damaged(token: bytes, value: bytes) -> bool:
    """Whether an entry is not the one written."""
    return value[:_SHAPE_AT] != _checksum(token + value[_SHAPE_AT:])


def until_of(value: bytes, number: int) -> int:
    """The entry's time of that number. Raises `Damaged` when it has no such time."""
    at = _UNTIL_AT + UNTIL_BYTES * number
    if at + UNTIL_BYTES > len(value):
        raise Damaged("an entry shorter than its shape")
    return int.from_bytes(value[at : at + UNTIL_BYTES], "big")


def order_of(value: bytes, count: int) -> tuple[int, int]:
    """(epoch, version) of an entry: of two for one contact the greater stands.

    The checksum is not looked at. Raises `Damaged` when the bytes end early.
    """
    epoch, at = _long(value, _UNTIL_AT + UNTIL_BYTES * count)
    version, _ = _long(value, at)
    return epoch, version


def unpack(token: bytes, value: bytes, count: int) -> Entry:
    """The whole entry. Raises `Damaged`."""
    shape = shape_of(token, value)
    untils = tuple(until_of(value, number) for number in range(count))
    return Entry(shape, untils, *order_of(value, count))


def seal(data: bytes) -> bytes:
    """`data` with its checksum in front; `unseal` gives it back or raises `Damaged`."""
    return _checksum(data) + data


def unseal(sealed: bytes) -> bytes:
    """What `seal` was given. Raises `Damaged`."""
    data = sealed[_SHAPE_AT:]
    if sealed[:_SHAPE_AT] != _checksum(data):
        raise Damaged("checksum of a sealed value")
    return data


def _checksum(data: bytes) -> bytes:
    return crc32(data).to_bytes(_SHAPE_AT, "big")


def _zigzag(number: int) -> bytes:
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest >= _VARINT_MORE:
        out.append(rest & (_VARINT_MORE - 1) | _VARINT_MORE)
        rest >>= _VARINT_BITS
    out.append(rest)
    return bytes(out)


def _long(data: bytes, at: int) -> tuple[int, int]:
    shift = result = 0
    for index in range(at, len(data)):
        byte = data[index]
        result |= (byte & (_VARINT_MORE - 1)) << shift
        if byte < _VARINT_MORE:
            return (result >> 1) ^ -(result & 1), index + 1
        shift += _VARINT_BITS
    raise Damaged("an entry that ends within a number")
