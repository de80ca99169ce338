"""A partition's state on local disk: RocksDB, a cache of the compacted state topic, and indexes.

The topic is the truth. The disk holds, in one atomic write, values and the frontier up to which the
topic was read, so any copy of it is a valid prefix: a crash, an old backup or a lost memtable costs
a longer tail, never an answer. That is why the write-ahead log is off.

Damage is found by RocksDB's checksums. It ends the process, whose next start begins with an empty
disk and reads the topic from its beginning. Nor is a directory of another partition believed.

Two indexes are derived from what every state record begins with (`schemas.codec.indexed`): when a
key wants to be looked at again, and under which labels it is found. Entries are only added with a
value; one that no longer holds is recognised, and removed, when it is used.
"""

from __future__ import annotations

import json
import shutil
import struct
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from rocksdict import BlockBasedOptions, Options, Rdict, WriteBatch, WriteOptions

from noli.runtime.logging import get_logger
from schemas.codec import indexed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

#: Raised whenever the meaning of stored bytes changes; another value on disk is rebuilt.
FORMAT: Final = 3

#: How RocksDB's errors begin (the binding has one class for all of them).
_CORRUPTION: Final = "Corruption"
_GONE: Final = "IO error: No such file or directory"

#: Contact tokens begin with a pepper version >= 1, so a leading NUL can never be one.
_META_KEY: Final = b"\x00meta"
#: The first key that an item may have: everything of our own begins with NUL.
_FIRST_KEY: Final = b"\x01"
_WAKE: Final = b"\x00t"
_LABEL: Final = b"\x00s"
_WAKE_TIME: Final = struct.Struct(">Q")
#: Bytes of a label.
LABEL_SIZE: Final = 8

#: Bytes of writes held in memory before a flush: at ~150 bytes a contact, some 400,000 of them.
_WRITE_BUFFER: Final = 64 * 1024 * 1024

_BLOOM_BITS: Final = 10


@dataclass(frozen=True, slots=True)
class Meta:
    """What the copy on disk is worth.

    `frontier`: offsets of the state topic below it are in. `epoch`: highest claim among them.
    `topic_id`: Kafka's id of that topic; another id is another log. `partition` of it: a directory
    put back under the wrong name would pass over what it has never read.
    """

    frontier: int = 0
    epoch: int = 0
    topic_id: str = ""
    partition: int = 0
    format: int = FORMAT


class DamagedState(Exception):
    """The copy on disk is broken, and marked: the next start throws it away and reads the topic."""


class PartitionStore:
    """Key-value state of one partition, for one thread; RocksDB's lock refuses a second process."""

    def __init__(self, path: Path, topic_id: str) -> None:
        """The partition's number is the directory's name. Raises what RocksDB raises."""
        self._mark = path.with_name(f"{path.name}.damaged")
        self._wakes_from = _WAKE
        self._db = self._opened(path)
        blank = Meta(topic_id=topic_id, partition=int(path.name))
        found = _read_meta(self._db)
        if found is None or replace(found, frontier=0, epoch=0) != blank:
            self._db.close()
            shutil.rmtree(path)
            self._db = _open(path)
            found = blank
        self.meta = found

    def _opened(self, path: Path) -> Rdict:
        """The directory as it stands, empty where it was marked or cannot be read."""
        if self._mark.exists():
            get_logger().warning("state.discarded", why="marked as damaged", path=str(path))
            shutil.rmtree(path, ignore_errors=True)
            self._mark.unlink()
        try:
            return _open(path)
        except Exception as error:
            if not _is_damage(error):
                raise
            get_logger().warning("state.discarded", why=str(error), path=str(path))
            shutil.rmtree(path)
            return _open(path)

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None. Raises `DamagedState`."""
        try:
            value: bytes | None = self._db.get(key)
        except Exception as error:
            raise self._told(error) from error
        return value

    def _told(self, error: Exception) -> Exception:
        """What to raise for it; damage is marked first."""
        if not _is_damage(error):
            return error
        self._mark.touch()
        return DamagedState(str(error))

    def entries(self) -> int:
        """How many keys are held, indexes too; RocksDB's estimate, without reading."""
        return self._db.property_int_value("rocksdb.estimate-num-keys") or 0

    def write(
        self, items: Iterable[tuple[bytes, bytes]], frontier: int, epoch: int | None = None
    ) -> None:
        """Store `items` and move the frontier, all or nothing. Raises `DamagedState`."""
        self.meta = replace(
            self.meta, frontier=frontier, epoch=self.meta.epoch if epoch is None else epoch
        )
        batch = WriteBatch(raw_mode=True)
        for key, value in items:
            batch.put(key, value)
            wake, labels = indexed(value)
            if wake is not None:
                batch.put(_WAKE + wake + key, b"")
                self._wakes_from = min(self._wakes_from, _WAKE + wake)
            for start in range(0, len(labels), LABEL_SIZE):
                batch.put(_LABEL + labels[start : start + LABEL_SIZE] + key, b"")
        batch.put(_META_KEY, json.dumps(asdict(self.meta)).encode())
        try:
            self._db.write(batch)
        except Exception as error:
            raise self._told(error) from error

    def due(self, until: int, limit: int) -> list[tuple[int, bytes]]:
        """The first `limit` wakes not after `until` (ms), in order: (moment, key)."""
        found: list[tuple[int, bytes]] = []
        end = _WAKE + _WAKE_TIME.pack(until + 1)
        for entry in self._keys(self._wakes_from):
            if entry >= end or len(found) == limit:
                break
            head = len(_WAKE) + _WAKE_TIME.size
            found.append((_WAKE_TIME.unpack_from(entry, len(_WAKE))[0], entry[head:]))
        return found

    def woken(self, entries: Sequence[tuple[int, bytes]]) -> None:
        """Remove wakes that were seen to."""
        batch = WriteBatch(raw_mode=True)
        for moment, key in entries:
            batch.delete(_WAKE + _WAKE_TIME.pack(moment) + key)
        self._db.write(batch)
        # Start behind them: a scan over deleted entries is as slow as one over living ones.
        self._wakes_from = _WAKE + _WAKE_TIME.pack(entries[-1][0])

    def labelled(self, label: bytes, after: bytes, limit: int) -> list[bytes]:
        """Keys under a label, in order, behind `after`."""
        prefix = _LABEL + label
        found: list[bytes] = []
        for entry in self._keys(prefix + after + (b"\x00" if after else b"")):
            if not entry.startswith(prefix) or len(found) == limit:
                break
            found.append(entry[len(prefix) :])
        return found

    def behind(self, after: bytes, limit: int) -> list[bytes]:
        """Keys of items in order, behind `after`; b"" for the first."""
        found: list[bytes] = []
        for key in self._keys(after + b"\x00" if after else _FIRST_KEY):
            found.append(key)
            if len(found) == limit:
                break
        return found

    def starting(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """All items whose key begins with `prefix`; meant for the few that are not contacts."""
        found: list[tuple[bytes, bytes]] = []
        for key in self._keys(prefix):
            if not key.startswith(prefix):
                break
            value = self.get(key)
            if value is not None:
                found.append((key, value))
        return found

    def _keys(self, start: bytes) -> Iterator[bytes]:
        """Keys in order. In raw mode all are bytes; the stubs know only the other mode.

        A broken block ends a scan as the end does, without a word, so an end is made sure of: else
        timers would never go off, and contacts of a person not be told. Raises `DamagedState`.
        """
        last = start
        for key in cast("Iterator[bytes]", self._db.keys(from_key=start)):
            yield key
            last = key
        entries = self._db.iter()
        entries.seek_to_last()
        try:
            entries.status()
        except Exception as error:
            raise self._told(error) from error
        if entries.valid() and cast("bytes", entries.key()) > last:
            raise self._told(Exception(f"{_CORRUPTION}: a scan ended before the last key"))

    def close(self) -> None:
        """Flush and release the directory."""
        self._db.flush()
        self._db.close()


def _is_damage(error: Exception) -> bool:
    """Whether files are broken, or some are gone. A full disk, or no leave to read, is neither."""
    return str(error).startswith((_CORRUPTION, _GONE))


def _open(path: Path) -> Rdict:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = Options(raw_mode=True)
    options.create_if_missing(create_if_missing=True)
    options.set_write_buffer_size(_WRITE_BUFFER)
    options.set_keep_log_file_num(1)
    blocks = BlockBasedOptions()
    blocks.set_bloom_filter(_BLOOM_BITS, block_based=False)
    options.set_block_based_table_factory(blocks)
    database = Rdict(str(path), options)
    writes = WriteOptions()
    # The stub declares a method where the class has a property.
    setattr(writes, "disable_wal", True)  # noqa: B010
    database.set_write_options(writes)
    return database


def _read_meta(database: Rdict) -> Meta | None:
    stored = database.get(_META_KEY)
    if stored is None:
        return None
    fields = json.loads(stored)
    return Meta(**fields) if set(fields) == set(Meta.__dataclass_fields__) else None
