"""CSV rows: kept as they are written, with the verdict's cells after the last column."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Final

from noli.replica.gate import Gate
from noli.replica.scrub.asked import ADDED, Asked, Flaw, Scrubbed, Tally
from noli.replica.scrub.columns import Layout
from noli.replica.scrub.cut import Piece, row_source
from noli.replica.scrub.verdicts import Given, Said, Verdicts

_TOO_MANY: Final = "more cells than the header has; put a cell that holds the separator in quotes"
_UNCLOSED: Final = "a quote that is never closed; close it, or double it inside a quoted cell"


#: A row: its line (0: a blank line, which is no row), what is written before the verdict and after
#: it, and its contact. A bare tuple: this is made for each of a million rows.
_Row = tuple[int, str, str, Given]


class Sheet:
    """Scrubs pieces of one sheet."""

    def __init__(self, gate: Gate, asked: Asked, layout: Layout) -> None:
        self._layout = layout
        self._kind = str(asked.kind())
        self._verdicts = Verdicts(gate, asked, self._beside)
        self._row = re.compile(row_source(layout.delimiter))

    def scrub(self, piece: Piece) -> Scrubbed:
        """The piece with its verdicts."""
        text = piece.data.decode(errors="surrogateescape")
        tally, flaws = Tally(), list[Flaw]()
        if '"' in text or text.count("\r") != text.count("\r\n"):
            rows = [*self._quoted(text, piece.first)]
        else:
            rows = [*self._plain(text, piece.first)]
        beside = iter(
            self._verdicts.beside(
                [given for line, _, _, given in rows if line],
                [line for line, _, _, _ in rows if line],
                tally,
                flaws,
            )
        )
        out = "".join(
            [
                f"{before}{next(beside)}{after}" if line else before
                for line, before, after, _ in rows
            ]
        )
        return Scrubbed(out.encode(errors="surrogateescape"), tally, flaws)

    def _plain(self, text: str, first: int) -> Iterator[_Row]:
        """Rows without a quote: a line is a row, a separator parts cells."""
        delimiter, width, contact, kind = self._layout
        for line, row in enumerate(_lines(text), first):
            bare = row.rstrip("\r\n")
            cells = bare.split(delimiter)
            if len(cells) == width and width > 1:
                named = self._kind if kind is None else cells[kind]
                yield line, bare, row[len(bare) :] or "\n", (named, cells[contact])
            else:
                yield self._uneven(line, row, bare, cells)

    def _quoted(self, text: str, first: int) -> Iterator[_Row]:
        """Rows by the csv module; what it cannot make sense of is one line, broken."""
        at, line = 0, first
        while at < len(text):
            end, whole = self._end(text, at)
            row = text[at:end]
            bare = row.rstrip("\r\n")
            cells = self._cells(bare) if whole else None
            if cells is None:
                # A quote that swallowed other rows: this line is broken, the next is another row.
                end = _line_end(text, at)
                row = text[at:end]
                bare = row.rstrip("\r\n")
                yield self._broken(line, [bare], row[len(bare) :], _UNCLOSED)
            else:
                yield self._uneven(line, row, bare, cells)
            line += row.count("\n")
            at = end

    def _end(self, text: str, at: int) -> tuple[int, bool]:
        """Where the row that begins at `at` ends, and whether it is whole."""
        found = self._row.match(text, at)
        if found:
            return found.end(), True
        # The last row of a file may lack its line end.
        return len(text), self._row.fullmatch(text[at:] + "\n") is not None

    def _cells(self, bare: str) -> list[str] | None:
        """The cells of a whole row; None where it is rather several with a quote too few."""
        many = "\n" in bare
        try:
            reader = csv.reader([bare], delimiter=self._layout.delimiter, strict=many)
            cells = next(reader, [])
        except csv.Error:
            return None
        return None if many and len(cells) != self._layout.width else cells

    def _uneven(self, line: int, row: str, bare: str, cells: Sequence[str]) -> _Row:
        """A row of any number of cells: missing ones are empty, more than that are a doubt."""
        delimiter, width, contact, kind = self._layout
        if not bare:
            return 0, row, "", ""
        after = row[len(bare) :] or "\n"
        if any(cells[width:]):
            return self._broken(line, cells, after, _TOO_MANY)
        missing = max(0, width - len(cells))
        padded = [*cells, *[""] * missing]
        named = self._kind if kind is None else padded[kind]
        given = (named, padded[contact])
        if len(cells) <= width:
            return line, bare + delimiter * missing, after, given
        return line, _written(cells[:width], delimiter), after, given

    def _broken(self, line: int, cells: Sequence[str], after: str, cause: str) -> _Row:
        """Written anew, so that whoever reads the result finds the verdict where it belongs."""
        delimiter, width = self._layout[:2]
        padded = [*cells[:width], *[""] * (width - len(cells))]
        excess = "".join(delimiter + _written([cell], delimiter) for cell in cells[width:])
        return line, _written(padded, delimiter), excess + (after or "\n"), cause

    def _beside(self, said: Said) -> str:
        cells = _cells(said)
        return self._layout.delimiter + _written(cells, self._layout.delimiter)


def head(columns: Sequence[str], layout: Layout, end: str) -> str:
    """The header with our columns."""
    return _written([*columns, *ADDED], layout.delimiter) + end


def _cells(said: Said) -> list[str]:
    return [
        "true" if said.allowed else "false",
        " ".join(said.reasons),
        " ".join(said.conditions),
        said.until_text() or "",
    ]


def _lines(text: str) -> Iterator[str]:
    """Lines with their ends; `str.splitlines` would also split at signs that end no row."""
    yield from io.StringIO(text, newline="\n")


def _line_end(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)


def _written(cells: Sequence[str], delimiter: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(cells)
    return out.getvalue()
