"""Which facts a state already holds: the latest few, so that a duplicate changes nothing."""

from __future__ import annotations

import struct
from typing import Final

#: Facts remembered per contact. A retry comes within minutes; nobody acts 64 times in them.
KEPT: Final = 64
_ENTRY: Final = struct.Struct(">Q16s")
_ID_AT: Final = 8
#: Makes times before 1970 sort before later ones as unsigned bytes.
_BIAS: Final = 1 << 63


def holds(seen: bytes, fact_id: bytes) -> bool:
    """Whether the fact is among the remembered."""
    at = seen.find(fact_id)
    while at >= 0:
        if at % _ENTRY.size == _ID_AT:
            return True
        at = seen.find(fact_id, at + 1)
    return False


def add(seen: bytes, accepted: int, fact_id: bytes) -> bytes:
    """With one more fact, in order of acceptance; not cut (see `cut`)."""
    entry = _ENTRY.pack(accepted + _BIAS, fact_id)
    if not seen or entry > seen[-_ENTRY.size :]:
        return seen + entry
    return _packed({entry, *_entries(seen)})


def join(one: bytes, other: bytes) -> bytes:
    """Both, in order of acceptance; the earliest acceptance where both hold a fact."""
    earliest: dict[bytes, bytes] = {}
    for entry in sorted({*_entries(one), *_entries(other)}):
        earliest.setdefault(entry[_ID_AT:], entry)
    return _packed(set(earliest.values()))


def cut(seen: bytes, forgotten: int) -> tuple[bytes, int]:
    """The latest `KEPT`, and the latest acceptance that is no longer remembered."""
    excess = len(seen) - KEPT * _ENTRY.size
    if excess <= 0:
        return seen, forgotten
    last = _ENTRY.unpack_from(seen, excess - _ENTRY.size)[0] - _BIAS
    return seen[excess:], max(forgotten, last)


def _entries(seen: bytes) -> list[bytes]:
    return [seen[at : at + _ENTRY.size] for at in range(0, len(seen), _ENTRY.size)]


def _packed(entries: set[bytes]) -> bytes:
    return b"".join(sorted(entries))
