"""Files that appear whole: written aside, synced, renamed; and all that was ever told, for one.

`Told` keeps the newest rows of every contact in SQLite beside the files, so that a file can hold
every contact and not only those that changed; it is streamed, memory stays flat.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from connectors.protocol import Change, Retry
from connectors.said import ELSE, said
from noli.domain import times

COLUMNS: Final = (
    "token", "version", "contact_kind", "contact", "controller", "channel", "purpose", "brand",
    "allowed", "until", "reasons", "conditions",
)  # fmt: skip
#: Ends a name that is not finished; what a crash left behind is removed before the next file.
PART: Final = ".part"
#: Contacts stand in the clear: for this user, and the group that the receiver is in.
_MODE: Final = 0o640
#: What only we read.
_OURS: Final = 0o600
_LAYOUT: Final = (
    "CREATE TABLE IF NOT EXISTS told (token TEXT PRIMARY KEY, version INTEGER NOT NULL,"
    " many INTEGER NOT NULL, lines TEXT NOT NULL) WITHOUT ROWID"
)
_TELL: Final = (
    "INSERT INTO told VALUES (?, ?, ?, ?) ON CONFLICT (token) DO UPDATE SET version ="
    " excluded.version, many = excluded.many, lines = excluded.lines"
    " WHERE excluded.version >= told.version"
)


class Lines(NamedTuple):
    """Rows of one contact as they stand in a CSV, and how many."""

    token: str
    version: int
    many: int
    text: str


def head() -> bytes:
    """The line of the columns."""
    return _csv([COLUMNS]).encode()


def lines(change: Change) -> Lines:
    """Of one contact; the row `*`, `*`, `*` denies whatever no other row names."""
    kind, value = change.contact or ("", "")
    begin = (change.token, change.version, kind, value, change.controller)
    rows: list[tuple[object, ...]] = []
    for v in (ELSE, *said(change)):
        until = "" if v.until is None else times.text(v.until)
        end = (str(v.allowed).lower(), until, " ".join(v.reasons), " ".join(v.conditions))
        rows.append((*begin, v.channel, v.purpose, v.brand, *end))
    return Lines(change.token, change.version, len(rows), _csv(rows))


@contextmanager
def turn(folder: Path, app: str) -> Iterator[None]:
    """Only one of this application's processes writes. Raises `Retry` while another does."""
    lock = os.open(folder / f".{app}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, _OURS)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in folder.glob(f"{app}-*{PART}"):
            left.unlink()
        yield
    except BlockingIOError:
        raise Retry("directory_is_taken") from None
    finally:
        os.close(lock)


def aside(path: Path, chunks: Iterable[bytes]) -> tuple[Path, str]:
    """The file under a name that is not finished, synced; and the SHA-256 of its bytes."""
    part = path.with_name(path.name + PART)
    digest = hashlib.sha256()
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return part, digest.hexdigest()


def announce(part: Path, path: Path) -> None:
    """Give it its name, and sync that too."""
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Told:
    """The newest lines of every contact, on disk; used within `turn` only."""

    def __init__(self, folder: Path, app: str) -> None:
        self._file = folder / f".{app}.sqlite"

    def tell(self, news: Sequence[Lines]) -> tuple[int, int, int, int]:
        """Remember; then contacts, rows, lowest and highest version of all. Raises `Retry`."""
        with self._open() as told:
            with told:  # one transaction
                told.executemany(_TELL, news)
            ask = "SELECT count(*), sum(many), min(version), max(version) FROM told"
            contacts, rows, first, last = told.execute(ask).fetchone()
            return contacts, rows, first, last

    def chunks(self) -> Iterator[bytes]:
        """The lines of all, by token. Raises `Retry`."""
        with self._open() as told:
            for (text,) in told.execute("SELECT lines FROM told ORDER BY token"):
                yield text.encode()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._file.touch(_OURS)
            with closing(sqlite3.connect(self._file)) as told:
                told.execute("PRAGMA synchronous = FULL")
                told.execute("PRAGMA secure_delete = ON")  # an erased value is gone
                told.execute(_LAYOUT)
                yield told
        except sqlite3.Error as error:
            raise Retry(f"file_{type(error).__name__}") from None  # its text names the path


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)  # RFC 4180: CRLF, quotes where needed
    return text.getvalue()
