"""Files for an application that takes files: a CSV of changes, announced by its manifest.

The manifest is renamed into place last, so who sees it sees a whole file. Rows of a token's highest
version replace its other rows; files may be read in any order, and twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import errno
import fcntl
import hashlib
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import orjson
from pydantic import Field

from connectors import protocol
from connectors.protocol import Applied, Change, Problem, Reject, Result, Retry
from connectors.said import ELSE, said
from noli.domain import times
from noli.runtime.clock import now_ms, steady

#: Name of the columns and their meaning; another set of columns is another name.
SCHEMA: Final = "noli.verdicts.csv.v1"
COLUMNS: Final = (
    "token", "version", "contact_kind", "contact", "controller", "channel", "purpose", "brand",
    "allowed", "until", "reasons", "conditions",
)  # fmt: skip
#: Ends a name that is not finished; what a crash left behind is removed before the next file.
_PART: Final = ".part"
#: Contacts stand in the clear: for this user, and the group that the receiver is in.
_MODE: Final = 0o640
_REMEDIES: Final = {
    "ENOENT": "create the directory, or name another",
    "ENOTDIR": "name a directory",
    "EACCES": "let this user write and list there",
    "EROFS": "mount it for writing",
    "ENOLCK": "use a file system that has locks (flock)",
}


class File:
    """Writes CSV files into a directory, each with a manifest, whole or not at all."""

    class Config(protocol.SinkConfig):
        """Which directory, and how often."""

        directory: Annotated[
            Path, Field(description="Where the files go; on the receiver's own file system.")
        ]
        interval_s: Annotated[
            float, Field(ge=0, le=60, description="Least time between two files, in seconds.")
        ] = 5.0
        batch: Annotated[int, Field(ge=1, le=50_000, description="Most contacts in one file.")] = (
            5_000
        )
        alignment: Annotated[
            Literal["seconds", "minutes", "hours"],
            Field(description="How soon the receiver has taken a file; only said on."),
        ] = "hours"
        timeout_s: Annotated[
            float, Field(gt=0, le=60, description="For writing one file, in seconds.")
        ] = 25.0

    def __init__(self, config: Config, app: str) -> None:
        self._config = config
        self._app = app
        self._written = -math.inf  # of the steady clock
        self._stamp = 0
        self.traits = protocol.Traits(alignment=config.alignment, batch=config.batch)

    async def check(self) -> Sequence[Problem]:
        """Whether the directory is there, and this user may write in it. Writes nothing."""
        return await asyncio.to_thread(self._problems)

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """One file of them all; it stands there, synced, once this returns."""
        good = [change for change in changes if _is_text(change)]
        if good:
            await self._next_turn()
            await self._put(good)
        return [Applied() if _is_text(change) else Reject("not_text") for change in changes]

    async def read_back(self, subjects: Sequence[protocol.Subject]) -> Mapping[str, protocol.Held]:  # noqa: ARG002
        """Nothing: what a receiver made of its files is its own (`traits.read_back` is `none`)."""
        return {}

    async def aclose(self) -> None:
        """Nothing is kept open."""

    async def _next_turn(self) -> None:
        """Wait until the interval since the last file is over; a new process does not wait."""
        wait = max(0.0, self._written + self._config.interval_s - steady())
        with contextlib.suppress(TimeoutError):  # a timer that ran out
            async with asyncio.timeout(wait):
                await asyncio.Event().wait()

    async def _put(self, changes: Sequence[Change]) -> None:
        try:
            async with asyncio.timeout(self._config.timeout_s):
                await asyncio.to_thread(self._write, changes)
        except TimeoutError:
            raise Retry("timeout") from None
        except OSError as error:
            raise Retry(f"file_{_code(error)}") from None  # its text names the path
        self._written = steady()

    def _write(self, changes: Sequence[Change]) -> None:
        rows = [row for change in changes for row in _rows(change)]
        text = io.StringIO(newline="")
        csv.writer(text).writerows([COLUMNS, *rows])  # RFC 4180: CRLF, quotes where needed
        body = text.getvalue().encode()
        digest = hashlib.sha256(body).hexdigest()
        directory = self._config.directory
        with self._turn(directory):
            for left in directory.glob(f"{self._app}-*{_PART}"):
                left.unlink()
            self._stamp = max(now_ms(), self._stamp + 1)
            name = f"{self._app}-{self._stamp}-{digest[:12]}"
            _place(directory / f"{name}.csv", body)
            about = {"file": f"{name}.csv", "rows": len(rows), "sha256": digest}
            _place(directory / f"{name}.json", self._manifest(about, changes))

    def _manifest(self, about: Mapping[str, object], changes: Sequence[Change]) -> bytes:
        versions = [change.version for change in changes]
        moments = [change.as_of for change in changes]
        known = [moment for moment in moments if moment is not None]
        found = {
            "schema": SCHEMA,
            "app": self._app,
            **about,
            "contacts": len(changes),
            "first_version": min(versions),
            "last_version": max(versions),
            # One change whose time is not known makes the whole file's unknown.
            "as_of": times.text(min(known)) if len(known) == len(moments) else None,
            "written": times.text(self._stamp),
        }
        return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    @contextlib.contextmanager
    def _turn(self, directory: Path) -> Iterator[None]:
        """Only one of this application's processes writes. Raises `Retry` while another does."""
        lock = os.open(directory / f".{self._app}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise Retry("directory_is_taken") from None
        finally:
            os.close(lock)

    def _problems(self) -> list[Problem]:
        directory = self._config.directory
        try:
            with os.scandir(directory):
                pass
            if not os.access(directory, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "")
        except OSError as error:
            code = _code(error)
            remedy = _REMEDIES.get(code, "see the directory and its file system")
            return [Problem(f"config.directory: {code}", remedy)]
        return []


def _place(path: Path, body: bytes) -> None:
    """The file under its name, whole: written aside, synced, renamed, the name synced too."""
    aside = path.with_name(path.name + _PART)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _rows(change: Change) -> Iterator[tuple[object, ...]]:
    """Of one contact; the row `*`, `*`, `*` denies whatever no other row names."""
    kind, value = change.contact or ("", "")
    head = (change.token, change.version, kind, value, change.controller)
    for v in (ELSE, *said(change)):
        until = "" if v.until is None else times.text(v.until)
        tail = (str(v.allowed).lower(), until, " ".join(v.reasons), " ".join(v.conditions))
        yield (*head, v.channel, v.purpose, v.brand, *tail)


def _is_text(change: Change) -> bool:
    try:
        return bool(str(change.contact and change.contact.value).encode())
    except UnicodeEncodeError:
        return False


def _code(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "OSError")
