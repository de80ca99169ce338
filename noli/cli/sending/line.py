"""One line of a file and the events it stands for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

Event = dict[str, Any]

#: Bytes of the digest that made-up ids begin with.
_DIGEST_BYTES: Final = 10
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a line is refused: the field, and what to do. Holds no contact."""

    field: str
    remedy: str

    def __str__(self) -> str:
        """For the report."""
        return f"{self.field}: {self.remedy}" if self.field else self.remedy


@dataclass(frozen=True, slots=True, repr=False)
class Line:
    """A line: its number in the file, the line as it was, and its events, or its flaw."""

    number: int
    original: Sequence[str]
    events: Sequence[Event]
    flaw: Flaw | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a line says nothing. `zone` is that of times without an offset."""

    controller: str | None
    source: str
    type: str | None
    zone: ZoneInfo
    digest: str

    def id(self, number: int, part: str = "") -> str:
        """An id for an event that has none: the same on every run over the same file."""
        return f"{self.digest}.{number}{part}"


def file_digest(path: Path) -> str:
    """Names a file by content and time of last change, hexadecimal.

    The time is in it because a row without a date says "now": the export of next month may hold the
    same row for a new objection, which must not pass for a repetition of today's.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    digest.update(str(path.stat().st_mtime_ns).encode())
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
