"""A file of events as `noli send` and `noli load` take it: NDJSON, a sheet, or Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from noli.cli.sending import ndjson
from noli.cli.sending.line import Defaults, Line
from noli.cli.sending.rejects import Rejects
from noli.cli.sending.sheet import Sheet
from noli.cli.sending.table import Table

_SHEETS: Final = {".csv", ".tsv"}
_PARQUET: Final = ".parquet"

Lines = Callable[[], Iterator[Line]]


class Input(NamedTuple):
    """`lines` reads the file anew at each call; `ignored` are columns nobody understands.

    `rows`: what has columns, to be read by rows.
    """

    lines: Lines
    rejects: Rejects
    ignored: Sequence[str] = ()
    rows: Sheet | Table | None = None


def opened(file: Path, defaults: Defaults, rejects: Path | None) -> Input:
    """The file, and where its refused lines go: beside it where `rejects` names no place."""
    end = file.suffix.lower()
    if end == _PARQUET:
        # What was refused is mended by hand: in a sheet.
        table = Table(file)
        kept = Rejects(rejects or file.with_name(f"{file.stem}.rejects.csv"), table.header)
        return Input(lambda: table.lines(defaults), kept, table.ignored, table)
    place = rejects or file.with_name(f"{file.stem}.rejects{file.suffix}")
    if end not in _SHEETS:
        return Input(lambda: ndjson.lines(file, defaults), Rejects(place))
    sheet = Sheet(file)
    kept = Rejects(place, sheet.header, sheet.delimiter)
    return Input(lambda: sheet.lines(defaults), kept, sheet.ignored, sheet)
