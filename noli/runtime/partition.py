"""The partition of a key, as Java's producer and librdkafka's `murmur2_random` choose it."""

from __future__ import annotations

import struct
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_R: Final = 24
_WORD: Final = 4
_BITS_32: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Where records of a key stand in a topic of so many partitions."""
    return (murmur2(key) & _POSITIVE) % partitions


def murmur2(data: bytes) -> int:
    """Austin Appleby's MurmurHash2, 32 bits, with the seed that Kafka fixed."""
    h = _SEED ^ len(data)
    words = len(data) // _WORD
    whole = words * _WORD
    for word in struct.unpack_from(f"<{words}I", data):
        k = word * _M & _BITS_32
        h = h * _M & _BITS_32 ^ ((k ^ k >> _R) * _M & _BITS_32)
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _BITS_32
    h = (h ^ h >> 13) * _M & _BITS_32
    return h ^ h >> 15
