"""Parquet read as a sheet: the same columns, each cell as a spreadsheet would write it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from noli.cli.problem import ProblemError
from noli.cli.sending.line import Defaults, Line
from noli.cli.sending.sheet import Columns

#: Rows held at once.
_BATCH: Final = 10_000


class Table:
    """A Parquet file. Raises `ProblemError` for one that cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened() as file:
            self.header: list[str] = file.schema_arrow.names
        self.columns = Columns(path.name, self.header)

    @property
    def ignored(self) -> list[str]:
        """Columns that mean nothing to us."""
        return self.columns.ignored

    def lines(self, defaults: Defaults) -> Iterator[Line]:
        """Every row, empty ones left out."""
        for number, row in self.rows():
            yield self.columns.line(number, row, defaults)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Every row by its number, from 1; empty ones left out."""
        number = 0
        with self._opened() as file:
            for batch in file.iter_batches(_BATCH):
                columns = [column.to_pylist() for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    number += 1
                    row = [_text(cell) for cell in cells]
                    if any(row):
                        yield number, row

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        except ImportError as error:
            remedy = "pip install 'noli[parquet]', or export the file as CSV"
            raise ProblemError("Parquet is read by pyarrow, which is not here", remedy) from error
        try:
            with self._path.open("rb") as source, parquet.ParquetFile(source) as file:
                yield file
        except arrow.ArrowException as error:
            raise ProblemError(
                f"{self._path.name}: not Parquet that can be read: {type(error).__name__}",
                "is the file whole? Write it anew, or export it as CSV",
            ) from None


def _text(cell: object) -> str:
    """A cell as text; a whole number without its point, several symbols parted by a blank."""
    if cell is None or cell != cell:  # noqa: PLR0124 - not a number is not itself
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    if isinstance(cell, list):
        return " ".join(map(_text, cell))
    return str(cell).strip()
