"""What a target cannot hold itself: which version of each contact it was given, and of whom.

A sink whose `Traits.versions` is `ledger` runs inside `Ledgered`: it then gets changes with their
contact, never an older one, and has only to set what they say.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from connectors.protocol import (
    Applied,
    Change,
    Contact,
    Held,
    Leased,
    Problem,
    Result,
    Sink,
    Subject,
)
from noli.domain.channel import Kind
from noli.runtime.failpoints import Failpoint, failpoint

#: Only this process's user may read the contacts in it.
_MODE: Final = 0o600
#: Parameters in one statement; SQLite takes 32,766.
_MOST: Final = 1_000
#: The contact was erased before the target ever heard of it: there is nobody to name.
NEVER_TOLD: Final = "never_told"

_LAYOUT: Final = (
    "CREATE TABLE IF NOT EXISTS told (token TEXT PRIMARY KEY, version INTEGER NOT NULL,"
    " kind TEXT, value TEXT, sum INTEGER) WITHOUT ROWID"
)
_TELL: Final = (
    "INSERT INTO told (token, version, kind, value, sum) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (token) DO UPDATE SET version = excluded.version, kind = excluded.kind,"
    " value = excluded.value, sum = excluded.sum WHERE excluded.version >= told.version"
)
#: SQLite has no checksums: a version that a disk made higher would keep an objection from a target.
_DAMAGED: Final = "a row is not what was written"

#: What was erased leaves the log of the file too, not only its pages.
_FORGET: Final = "PRAGMA wal_checkpoint(TRUNCATE)"
_NOBODY: Final = (None, None)


class LedgerBrokenError(Exception):
    """The ledger's file cannot be read or written; the message says what to do."""

    def __init__(self, file: Path, why: sqlite3.Error) -> None:
        remedy = "free the disk; a broken file is deleted, then `noli app backfill` makes it anew"
        super().__init__(f"{file}: {why}; {remedy}")


class Told(NamedTuple):
    """What the target was given last. `contact` is None once it was erased there too."""

    version: int
    contact: Contact | None


class Ledger:
    """Token → `Told`, in one SQLite file; durable when `tell` returns. For any thread."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def look(self, tokens: Sequence[str]) -> Mapping[str, Told]:
        """What was told of each; who was never mentioned is absent. Raises `LedgerBrokenError`."""
        found: dict[str, Told] = {}
        for start in range(0, len(tokens), _MOST):
            some = tokens[start : start + _MOST]
            marks = ",".join("?" * len(some))
            ask = f"SELECT token, version, kind, value, sum FROM told WHERE token IN ({marks})"  # noqa: S608
            for token, version, kind, value, known in self._run(ask, [some]):
                if known is not None and known != _sum(token, version, kind, value):
                    raise LedgerBrokenError(self._file, sqlite3.DatabaseError(_DAMAGED))
                found[token] = Told(version, Contact(Kind(kind), value) if kind else None)
        return found

    def tell(self, told: Iterable[tuple[str, Told]]) -> None:
        """Remember; an older version of a token changes nothing. Raises `LedgerBrokenError`."""
        rows = [(token, version, *(contact or _NOBODY)) for token, (version, contact) in told]
        self._run(_TELL, [(*row, _sum(*row)) for row in rows])
        if any(row[3] is None for row in rows):
            self._run(_FORGET, [()])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._kept is not None:
                self._kept.close()
                self._kept = None

    def _run(self, statement: str, rows: Sequence[Sequence[object]]) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                if self._kept is None:
                    self._kept = _opened(self._file)
                with self._kept as turn:  # one transaction
                    return [found for row in rows for found in turn.execute(statement, row)]
        except sqlite3.Error as error:
            raise LedgerBrokenError(self._file, error) from error


class Ledgered:
    """A sink together with the ledger its target lacks; itself a `Sink`."""

    def __init__(self, sink: Sink, ledger: Ledger) -> None:
        self._sink = sink
        self._ledger = ledger
        self.traits = replace(sink.traits, needs_contact=False)

    async def check(self) -> Sequence[Problem]:
        """What the sink finds."""
        return await self._sink.check()

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Offer what is not older than what was told, with its contact; then write it down.

        A crash between the two repeats the change. What the target refused is not written down.
        """
        told = await asyncio.to_thread(self._ledger.look, [change.token for change in changes])
        results: list[Result] = [Applied() for _ in changes]
        offered: list[tuple[int, Change]] = []
        for place, change in enumerate(changes):
            before = told.get(change.token)
            contact = change.contact or (before.contact if before else None)
            if before and _settled(before, change):
                continue
            if contact is None:
                results[place] = Applied(NEVER_TOLD)
            else:
                offered.append((place, change._replace(contact=contact)))
        answers = await self._sink.apply([change for _, change in offered]) if offered else ()
        news: list[tuple[str, Told]] = []
        for (place, change), answer in zip(offered, answers, strict=True):
            results[place] = answer
            if isinstance(answer, Applied):
                news.append((change.token, Told(change.version, changes[place].contact)))
        failpoint(Failpoint.CONNECTORS_BEFORE_LEDGER)
        await asyncio.to_thread(self._ledger.tell, news)
        return results

    async def read_back(self, subjects: Sequence[Subject]) -> Mapping[str, Held]:
        """What the target holds of those it was told of, with the version it was told."""
        told = await asyncio.to_thread(self._ledger.look, [subject.token for subject in subjects])
        named = [
            s._replace(contact=s.contact or told[s.token].contact)
            for s in subjects
            if s.token in told
        ]
        found = await self._sink.read_back([subject for subject in named if subject.contact])
        return {token: held._replace(version=told[token].version) for token, held in found.items()}

    async def renew(self, as_of: int) -> None:
        """As the sink does, where its target has a lease."""
        if isinstance(self._sink, Leased):
            await self._sink.renew(as_of)

    async def aclose(self) -> None:
        """Close both."""
        try:
            await self._sink.aclose()
        finally:
            self._ledger.close()


def fenced(sink: Sink, file: Path) -> Sink:
    """The sink, with a ledger in `file` where its target holds no versions."""
    return Ledgered(sink, Ledger(file)) if sink.traits.versions == "ledger" else sink


def _settled(before: Told, change: Change) -> bool:
    """Whether the change can say nothing any more: a newer one stands, or it is forgotten."""
    if before.version == change.version:
        return before.contact is None and change.contact is None
    return before.version > change.version


def _sum(*row: object) -> int:
    """Of a row's own fields."""
    return zlib.crc32("|".join(map(str, row)).encode())


def _opened(file: Path) -> sqlite3.Connection:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=_MODE)
    connection = sqlite3.connect(file, check_same_thread=False)  # `Ledger` has a lock
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        with closing(connection.execute(f"PRAGMA {pragma}")):
            pass
    connection.execute(_LAYOUT)
    if not any(column[1] == "sum" for column in connection.execute("PRAGMA table_info(told)")):
        connection.execute("ALTER TABLE told ADD COLUMN sum INTEGER")  # a file of an older build
    return connection
