"""Filling an empty copy: sort first, then append.

A token is a keyed hash, so a register's contacts arrive in random order, and putting them into
LMDB as they come rewrites a page of 4 KiB for each: measured, 160 bytes a contact on disk and a
pace that falls with size. Spooled into buckets by their first hash byte, sorted bucket by bucket
and appended, they fill whole pages once: 45 to 52 bytes a contact, at any size, with the memory of
one bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import lmdb
import msgspec

from noli.replica.head import Head
from noli.replica.intern import Interner
from noli.replica.store import Store
from noli.replica.take import Entries

#: One per value of the first hash byte, which follows the pepper's version in every token. At 30
#: million contacts a bucket holds 117,000.
_BUCKETS: Final = 256
_BUCKET_BYTE: Final = 1

#: Entries held in memory before they go to disk; about 150 bytes each in Python.
_HELD: Final = 400_000

#: A frame of the spool begins with its length.
_LENGTH_BYTES: Final = 4


class Spool:
    """Entries on their way into an empty store, in buckets that are in key order."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: list[Entries] = [[] for _ in range(_BUCKETS)]
        self._count = 0

    def add(self, entries: Entries) -> None:
        """Take entries in log order."""
        held = self._held
        for entry in entries:
            held[entry[0][_BUCKET_BYTE]].append(entry)
        self._count += len(entries)
        if self._count >= _HELD:
            self._spill()

    def drain(self, interner: Interner) -> Iterator[Entries]:
        """The standing entry of each contact, sorted; a bucket at a time."""
        for number in range(_BUCKETS):
            entries = self._bucket(number)
            standing = dict(entries)
            if len(standing) < len(entries):
                standing = _settled(entries, interner)
            yield [(token, standing[token]) for token in sorted(standing)]

    def _spill(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number, entries in enumerate(self._held):
            if entries:
                frame = msgspec.msgpack.encode(entries)
                with self._path(number).open("ab") as file:
                    file.write(len(frame).to_bytes(_LENGTH_BYTES, "big") + frame)
                self._held[number] = []
        self._count = 0

    def _bucket(self, number: int) -> Entries:
        """Entries of a bucket in log order; they are not kept."""
        entries: Entries = []
        path = self._path(number)
        if path.exists():
            data = path.read_bytes()
            at = 0
            while at < len(data):
                start = at + _LENGTH_BYTES
                at = start + int.from_bytes(data[at:start], "big")
                entries += msgspec.msgpack.decode(data[start:at], type=Entries)
            path.unlink()
        entries += self._held[number]
        self._held[number] = []
        return entries

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:02x}"


def _settled(entries: Entries, interner: Interner) -> dict[bytes, bytes]:
    standing: dict[bytes, bytes] = {}
    for token, value in entries:
        there = standing.get(token)
        if there is None or interner.supersedes(value, there):
            standing[token] = value
    return standing


def fill(
    store: Store,
    spool: Spool,
    interner: Interner,
    head: Head,
    stopped: Callable[[], bool] = lambda: False,
) -> bool:
    """Append everything to an empty store, then its head; durable when this returns.

    False where it was asked to stop before: the store has no head then, and is refused by all.
    """
    for entries in spool.drain(interner):
        if stopped():
            return False
        store.write(partial(store.append, entries=entries))
    first, shapes = interner.unsaved()

    def finish(txn: lmdb.Transaction[bytes]) -> None:
        store.put_shapes(txn, first, shapes)
        store.put_head(txn, head)

    store.write(finish)
    interner.saved(len(shapes))
    store.flush()
    return True
