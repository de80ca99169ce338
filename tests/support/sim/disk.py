"""Local disks in memory: what RocksDB keeps, with what a crash takes from it.

The store's own code runs; only the database under it is a dictionary. Its write-ahead log being
off, a crash leaves what was flushed last: any earlier prefix.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Final
from unittest.mock import patch

#: How often RocksDB has flushed by itself between two writes.
_FLUSHES: Final = 0.2


class Batch:
    """What is written all or not at all."""

    def __init__(self, *, raw_mode: bool = True) -> None:
        self.changes: list[tuple[bytes, bytes | None]] = []

    def put(self, key: bytes, value: bytes) -> None:
        """Set a key."""
        self.changes.append((key, value))

    def delete(self, key: bytes) -> None:
        """Take a key away."""
        self.changes.append((key, None))


class Last:
    """A cursor at the last key of a database that is whole."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    def seek_to_last(self) -> None:
        """It stands there."""

    def status(self) -> None:
        """Nothing is broken."""

    def valid(self) -> bool:
        """Whether there is any key."""
        return self._key is not None

    def key(self) -> bytes:
        """The key."""
        return self._key or b""


class Database:
    """A database that is open."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self._path = path
        self._items = dict(disk.flushed.get(path, {}))

    def get(self, key: bytes) -> bytes | None:
        """A value."""
        return self._items.get(key)

    def write(self, batch: Batch) -> None:
        """All changes of a batch."""
        for key, value in batch.changes:
            if value is None:
                self._items.pop(key, None)
            else:
                self._items[key] = value
        if self._disk.chance.random() < _FLUSHES:
            self.flush()

    def keys(self, from_key: bytes) -> Iterator[bytes]:
        """Keys in order, from one on."""
        return iter(sorted(key for key in self._items if key >= from_key))

    def iter(self) -> Last:
        """A cursor, of which only the last key is asked."""
        return Last(max(self._items, default=None))

    def property_int_value(self, _name: str) -> int:
        """How many keys."""
        return len(self._items)

    def flush(self) -> None:
        """What is held survives a crash."""
        self._disk.flushed[self._path] = dict(self._items)

    def close(self) -> None:
        """Let go of it."""
        self.flush()


class Disk:
    """Every disk of the simulated machines. A process that dies just lets its databases go."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.flushed: dict[Path, dict[bytes, bytes]] = {}

    def open(self, path: Path) -> Database:
        """The database in a folder; a folder that was deleted held nothing."""
        if not path.exists():
            self.flushed.pop(path, None)
            path.mkdir(parents=True)
        return Database(self, path)

    def lose(self, folder: Path) -> None:
        """The disk of a machine is gone."""
        for path in [path for path in self.flushed if path.is_relative_to(folder)]:
            del self.flushed[path]

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The store's databases are these."""
        with ExitStack() as stack:
            stack.enter_context(patch("noli.runtime.store._open", self.open))
            stack.enter_context(patch("noli.runtime.store.WriteBatch", Batch))
            yield
