"""A file of events as `noli send` and `noli load` take it: NDJSON, or a sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from noli.cli.sending import ndjson
from noli.cli.sending.line import Defaults, Line
from noli.cli.sending.rejects import Rejects
from noli.cli.sending.sheet import Sheet

_SHEETS: Final = {".csv", ".tsv"}

Lines = Callable[[], Iterator[Line]]


class Input(NamedTuple):
    """`lines` reads the file anew at each call; `ignored` are columns nobody understands."""

    lines: Lines
    rejects: Rejects
    ignored: Sequence[str] = ()


def opened(file: Path, defaults: Defaults, rejects: Path | None) -> Input:
    """The file, and where its refused lines go: beside it where `rejects` names no place."""
    place = rejects or file.with_name(f"{file.stem}.rejects{file.suffix}")
    if file.suffix.lower() not in _SHEETS:
        return Input(lambda: ndjson.lines(file, defaults), Rejects(place))
    sheet = Sheet(file)
    kept = Rejects(place, sheet.header, sheet.delimiter)
    return Input(lambda: sheet.lines(defaults), kept, sheet.ignored)
