"""The newest decision of every contact of a partition, as an application sees it.

The log holds several versions of a contact until it is compacted. So it is read twice: once for the
place of each contact's newest decision, once for what stands there. What is kept meanwhile, on
disk, is tokens and offsets, never a contact. Memory stays flat however many there are.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from connectors.lens import Lens, Place
from connectors.protocol import Change
from noli.runtime import scan
from noli.runtime.part import Record
from noli.runtime.settings import Settings
from schemas.codec import Codec, UnreadableError

_DECISION: Final = "noli.Decision"
#: Records that tell the epoch of the owner that wrote them.
_OF_OWNERS: Final = frozenset({_DECISION, "noli.Claim", "noli.Beacon"})
#: Records looked up or written at once.
_SOME: Final = 1_000
_LAYOUT: Final = (
    "PRAGMA journal_mode = OFF",  # scratch: made anew by whoever comes next
    "PRAGMA synchronous = OFF",
    "CREATE TABLE newest (key BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
)


@dataclass(frozen=True, slots=True)
class View:
    """Whose eyes the decisions are seen with. `scratch`: a directory for places of contacts."""

    settings: Settings
    topic: str
    lens: Lens
    codec: Codec
    scratch: Path


class Source:
    """The changes, for an event loop: read on a thread of their own."""

    def __init__(self, view: View, partition: int, passed: scan.Progress) -> None:
        self._thread = ThreadPoolExecutor(1, "snapshot")
        self._changes = changes(view, partition, passed)

    async def take(self, most: int) -> list[Change]:
        """The next ones; empty at the end. Raises `scan.LogUnavailable`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, lambda: list(itertools.islice(self._changes, most))
        )

    async def aclose(self) -> None:
        """Stop reading, after what is being read just now."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._changes.close)
        self._thread.shutdown(wait=False)


def changes(view: View, partition: int, passed: scan.Progress) -> Generator[Change]:
    """The newest change of each contact the application sees, in the order of the log.

    `passed` is told how many records of how many were passed. Raises `scan.LogUnavailable`.
    A record that nobody can read is left to the runner, which holds the application open at it.
    """
    view.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = view.scratch / f"newest-{partition}.sqlite"
    file.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(file, check_same_thread=False)) as places:
            for statement in _LAYOUT:
                places.execute(statement)
            _note(view, partition, places)
            for record in _newest(view, partition, places, passed):
                if change := _change(view, record):
                    yield change
    finally:
        file.unlink(missing_ok=True)


def _note(view: View, partition: int, places: sqlite3.Connection) -> None:
    """Write down where the newest decision of each contact stands."""
    epoch = 0
    records = scan.records(view.settings, {view.topic: partition})
    while some := list(itertools.islice(records, _SOME)):
        rows = []
        for record in some:
            name, datum = _read(view, record)
            # A late record of an owner that had lost the partition says nothing.
            if name not in _OF_OWNERS or datum["epoch"] < epoch:
                continue
            epoch = datum["epoch"]
            if name == _DECISION:
                rows.append((record.key, record.offset))
        places.executemany("INSERT OR REPLACE INTO newest VALUES (?, ?)", rows)


def _newest(
    view: View, partition: int, places: sqlite3.Connection, passed: scan.Progress
) -> Iterator[Record]:
    records = scan.records(view.settings, {view.topic: partition}, passed)
    while some := list(itertools.islice(records, _SOME)):
        newest = _places(places, [r.key for r in some if r.key is not None])
        yield from (record for record in some if newest.get(record.key) == record.offset)


def _places(places: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes | None, int]:
    marks = ",".join("?" * len(keys))
    ask = f"SELECT key, at FROM newest WHERE key IN ({marks})"  # noqa: S608 - only marks
    return dict(places.execute(ask, keys))


def _change(view: View, record: Record) -> Change | None:
    name, datum = _read(view, record)
    if name != _DECISION or record.key is None:
        return None
    return view.lens.change(record.key, datum, Place(record.partition, record.offset, None))


def _read(view: View, record: Record) -> tuple[str, Mapping[str, Any]]:
    try:
        return view.codec.decode(record.value)
    except UnreadableError:
        return "", {}
