"""A list as it comes in, in pieces that end where a row ends: what memory and workers are given.

A quoted cell of CSV may hold line ends, so a piece is cut where complete rows end, found by one
possessive pattern; without a quote in sight it is the last line end. A quote that is opened and
never closed would swallow the rest of the list: after `QUOTED_MAX` the line it stands in is cut
off alone, and the row reader reports it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from noli.replica.scrub.asked import Unusable

#: Bytes that one cell with line ends in it may take before its quote counts as never closed.
QUOTED_MAX: Final = 1 << 20

#: Bytes of a line beyond which this is no list: all that is ever held of it.
LINE_MAX: Final = 4 << 20


class Piece(NamedTuple):
    """Whole rows. `first` is the number of their first line in the file, from 1."""

    first: int
    data: bytes


class Cutter:
    """Cuts what it is fed; `delimiter` is None where rows are lines (NDJSON)."""

    def __init__(self, size: int, first: int, delimiter: str | None) -> None:
        self._size = size
        self._line = first
        self._rows = None if delimiter is None else rows_pattern(delimiter)
        self._held = b""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Pieces of at least `size` bytes, or a little more. Raises `Unusable`."""
        self._held += data
        while len(self._held) >= self._size:
            end = self._end(self._held[: self._size]) or self._end(self._held)
            if not end:
                if len(self._held) > LINE_MAX:
                    raise Unusable(
                        f"line {self._line}: longer than {LINE_MAX} bytes",
                        "send CSV or NDJSON with one contact a row",
                    )
                return
            yield self._take(end)

    def finish(self) -> Iterator[Piece]:
        """What is left."""
        if self._held:
            yield self._take(len(self._held))

    def _take(self, end: int) -> Piece:
        piece = Piece(self._line, self._held[:end])
        self._held = self._held[end:]
        self._line += piece.data.count(b"\n")
        return piece

    def _end(self, held: bytes) -> int:
        """Where the last whole row ends; 0 where there is none yet."""
        if self._rows is None or b'"' not in held:
            return held.rfind(b"\n") + 1
        found = self._rows.match(held)
        end = found.end() if found else 0
        return held.find(b"\n") + 1 if not end and len(held) > QUOTED_MAX else end


@cache
def rows_pattern(delimiter: str) -> re.Pattern[bytes]:
    """As many whole CSV rows as there are."""
    return re.compile(b"(?:" + row_source(delimiter).encode() + b")*+")


@cache
def row_source(delimiter: str) -> str:
    """A whole CSV row as the csv module reads it: a quote opens a cell only as its first sign."""
    other = f"[^{re.escape(delimiter)}\\n]*+"
    cell = f'(?:"[^"]*+(?:""[^"]*+)*+"{other}|(?!"){other})'
    return f"{cell}(?:{re.escape(delimiter)}{cell})*+\\n"
