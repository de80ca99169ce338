"""What `noli scrub` reads and writes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from noli.cli.problem import ProblemError
from noli.replica.scrub.asked import CSV, NDJSON, PARQUET

#: Formats by the end of a file's name.
FORMATS: Final = {
    ".csv": CSV,
    ".tsv": CSV,
    ".txt": CSV,
    ".ndjson": NDJSON,
    ".jsonl": NDJSON,
    ".parquet": PARQUET,
}
_REMEDY: Final = "export the list as CSV, NDJSON or Parquet, or say which of them by --format"


def format_of(path: Path, said: str | None) -> str:
    """The format of a list. Raises `ProblemError` for one that is not read."""
    if said is not None:
        if said not in FORMATS.values():
            raise ProblemError(f"--format {said} is not known", "use csv, ndjson or parquet")
        return said
    end = path.suffix.lower()
    if end not in FORMATS:
        named = end.removeprefix(".") or "a file without an ending"
        raise ProblemError(f"{path.name}: {named} is not a format of lists here", _REMEDY)
    return FORMATS[end]


def beside(path: Path) -> Path:
    """Where the scrubbed list goes unless told otherwise."""
    return path.with_name(f"{path.stem}.scrubbed{path.suffix}")


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name once it is whole; mode 0600, for it holds contacts."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
