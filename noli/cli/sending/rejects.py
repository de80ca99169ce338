"""The file of refused lines: as they were, with the reason beside each, ready to mend and send."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from noli.cli.sending.line import Line

#: Columns added to a sheet; `noli send` ignores them when the mended file comes back.
_ADDED: Final = ("refused_line", "refused_why")
_PRIVATE: Final = 0o600


class Rejects:
    """Written from the first refusal on; mode 0600, for it holds contacts.

    `header` is a sheet's header; None means NDJSON, whose lines are kept as they are.
    """

    def __init__(
        self, path: Path, header: Sequence[str] | None = None, delimiter: str = ";"
    ) -> None:
        self.path = path
        self.count = 0
        self._header = header
        self._delimiter = delimiter
        self._file: Any = None

    def add(self, line: Line, why: str) -> None:
        """Keep a line."""
        self.count += 1
        if self._file is None:
            self._open()
        if self._header is None:
            self._file.write(line.original[0] + "\n")
        else:
            cells = [*self._own(line.original), str(line.number), why]
            self._writer().writerow(cells)

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
        encoding = "utf-8" if self._header is None else "utf-8-sig"  # for the spreadsheet
        self._file = os.fdopen(
            descriptor, "w", encoding=encoding, errors="surrogateescape", newline=""
        )
        if self._header is not None:
            self._writer().writerow([*self._own(self._header), *_ADDED])

    def _own(self, cells: Sequence[str]) -> list[str]:
        """The cells of a row without what an earlier run added."""
        names = self._header or ()
        width = [*cells, *[""] * (len(names) - len(cells))]
        return [cell for cell, name in zip(width, names, strict=False) if name not in _ADDED]

    def _writer(self) -> Any:  # noqa: ANN401 - csv's writer has no public type
        return csv.writer(self._file, delimiter=self._delimiter, lineterminator="\r\n")
