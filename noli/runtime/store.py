"""A partition's state on local disk: RocksDB, a cache of the compacted state topic.

The topic is the truth. The disk holds, in one atomic write, values and the frontier up to which the
topic was read, so any copy of it is a valid prefix: a crash, an old backup or a lost memtable costs
a longer tail, never an answer. That is why the write-ahead log is off.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from rocksdict import BlockBasedOptions, Options, Rdict, WriteBatch, WriteOptions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: Raised whenever the meaning of stored bytes changes; another value on disk is rebuilt.
FORMAT: Final = 1

#: Contact tokens begin with a pepper version >= 1, so a leading NUL can never be one.
_META_KEY: Final = b"\x00meta"

#: Bytes of writes held in memory before a flush: at ~150 bytes a contact, some 400,000 of them.
_WRITE_BUFFER: Final = 64 * 1024 * 1024

_BLOOM_BITS: Final = 10


@dataclass(frozen=True, slots=True)
class Meta:
    """What the copy on disk is worth.

    `frontier`: offsets of the state topic below it are in. `epoch`: highest claim among them.
    `topic_id`: Kafka's id of that topic; another id is another log.
    """

    frontier: int = 0
    epoch: int = 0
    topic_id: str = ""
    format: int = FORMAT


class PartitionStore:
    """Key-value state of one partition, for one thread; RocksDB's lock refuses a second process."""

    def __init__(self, path: Path, topic_id: str) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = _open(path)
        found = _read_meta(self._db)
        if found is None or (found.topic_id, found.format) != (topic_id, FORMAT):
            self._db.close()
            shutil.rmtree(path)
            self._db = _open(path)
            found = Meta(topic_id=topic_id)
        self.meta = found

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        value: bytes | None = self._db.get(key)
        return value

    def write(
        self, items: Iterable[tuple[bytes, bytes]], frontier: int, epoch: int | None = None
    ) -> None:
        """Store `items` and move the frontier, all or nothing."""
        self.meta = replace(
            self.meta, frontier=frontier, epoch=self.meta.epoch if epoch is None else epoch
        )
        batch = WriteBatch(raw_mode=True)
        for key, value in items:
            batch.put(key, value)
        batch.put(_META_KEY, json.dumps(asdict(self.meta)).encode())
        self._db.write(batch)

    def close(self) -> None:
        """Flush and release the directory."""
        self._db.flush()
        self._db.close()


def _open(path: Path) -> Rdict:
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
