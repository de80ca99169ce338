"""A receiver of files, as docs/howto/connect-your-application.md asks it to read them."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.filing import COLUMNS
from connectors.protocol import Change, Contact, Held, Sink
from connectors.sinks.file import File
from connectors.testing import CALLS, PATIENCE_S, TEXTS, Pair, Peer, phone
from noli.domain.channel import Kind


def manifests(folder: Path) -> list[dict[str, Any]]:
    """Every manifest that stands there, in the order of their names."""
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]


def rows(folder: Path) -> Iterator[dict[str, str]]:
    """Every row of every announced file, each file found as its manifest says."""
    for told in manifests(folder):
        body = (folder / told["file"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == told["sha256"]
        found = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
        assert (told["schema"], len(found)) == ("noli.verdicts.csv.v1", told["rows"])
        assert not found or tuple(found[0]) == COLUMNS
        yield from found


class FilePeer:
    """A directory."""

    secrets: Sequence[str] = ()
    pairs: Sequence[Pair] = (CALLS, TEXTS)
    contact = staticmethod(phone)

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A sink of the directory, or of one that is not there."""
        folder = self._folder if reachable else self._folder / "nowhere"
        config = {"directory": folder, "interval_s": 0, "timeout_s": patience_s, "batch": 500}
        return File(File.Config.model_validate(config), "dialer")

    async def allow(self, token: str) -> None:
        """Nothing can be read back from files."""
        raise NotImplementedError(token)

    async def held(self, token: str) -> Held | None:
        """The rows of the highest version of the token."""
        found = [row for row in rows(self._folder) if row["token"] == token]
        if not found:
            return None
        newest = max(int(row["version"]) for row in found)
        return Held(
            newest,
            {
                (row["channel"], row["purpose"], row["brand"]): row["allowed"] == "true"
                for row in found
                if int(row["version"]) == newest and row["channel"] != "*"
            },
        )

    def poisoned(self, change: Change) -> Change:
        """Half a character, which is no text."""
        return change._replace(contact=Contact(Kind.PHONE, "\ud800"))

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """Another process of the application writes there."""
        with (self._folder / ".dialer.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextmanager
def file_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """An empty directory."""
    yield FilePeer(request.getfixturevalue("tmp_path"))
