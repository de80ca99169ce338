"""Files for an application that takes files: a CSV, announced by its manifest.

The manifest is renamed into place last, so who sees it sees a whole file. Rows of a token's highest
version replace its other rows; files may be read in any order, and twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import orjson
from pydantic import Field

from connectors import filing, protocol
from connectors.filing import Lines, Told
from connectors.protocol import Applied, Change, Problem, Reject, Result, Retry
from noli.domain import times
from noli.runtime.clock import now_ms, steady

#: Name of the columns and their meaning; another set of columns is another name.
SCHEMA: Final = "noli.verdicts.csv.v1"
Counted: TypeAlias = Mapping[str, object]
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
        whole: Annotated[
            bool, Field(description="Every file holds every contact, not only those that changed.")
        ] = False
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
        folder, news = self._config.directory, [filing.lines(change) for change in changes]
        with filing.turn(folder, self._app):
            self._stamp = max(now_ms(), self._stamp + 1)
            counted, body = self._told(folder, news) if self._config.whole else _changed(news)
            stamp = f"{self._app}-{self._stamp}"
            part, digest = filing.aside(folder / stamp, itertools.chain([filing.head()], body))
            name = f"{stamp}-{digest[:12]}"
            filing.announce(part, folder / f"{name}.csv")
            about = {"file": f"{name}.csv", "sha256": digest, **counted}
            path = folder / f"{name}.json"
            filing.announce(filing.aside(path, [self._manifest(about, changes)])[0], path)

    def _told(self, folder: Path, news: Sequence[Lines]) -> tuple[Counted, Iterable[bytes]]:
        told = Told(folder, self._app)
        return _counted(*told.tell(news)), told.chunks()

    def _manifest(self, about: Counted, changes: Sequence[Change]) -> bytes:
        moments = [change.as_of for change in changes]
        known = [moment for moment in moments if moment is not None]
        found = {
            "schema": SCHEMA,
            "app": self._app,
            "holds": "every contact" if self._config.whole else "changes",
            **about,
            # One change whose time is not known makes the whole file's unknown.
            "as_of": times.text(min(known)) if len(known) == len(moments) else None,
            "written": times.text(self._stamp),
        }
        return orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

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


def _changed(news: Sequence[Lines]) -> tuple[Counted, Iterable[bytes]]:
    versions = [one.version for one in news]
    rows = sum(one.many for one in news)
    counted = _counted(len(news), rows, min(versions), max(versions))
    return counted, (one.text.encode() for one in news)


def _counted(contacts: int, rows: int, first: int, last: int) -> Counted:
    return {"rows": rows, "contacts": contacts, "first_version": first, "last_version": last}


def _is_text(change: Change) -> bool:
    try:
        return bool(str(change.contact and change.contact.value).encode())
    except UnicodeEncodeError:
        return False


def _code(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "OSError")
