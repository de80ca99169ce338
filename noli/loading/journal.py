"""How far a load has come, on disk: an interrupted one goes on, a finished one sends nothing.

A lost journal costs time, not truth: the same facts sent again change no state.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Journal:
    """How far one job has come.

    Done up to line `lines`, in `chunks` chunks; `ends` is the offset behind the last of each
    partition.
    """

    path: Path
    job: str
    lines: int = 0
    chunks: int = 0
    ends: dict[int, int] = field(default_factory=dict)
    finished: bool = False

    def advance(self, lines: int, chunks: int, ends: Mapping[int, int]) -> None:
        """Everything up to a line is in the log, in so many more chunks."""
        self.lines = lines
        self.chunks += chunks
        for partition, end in ends.items():
            self.ends[partition] = max(end, self.ends.get(partition, 0))
        self._write()

    def finish(self) -> None:
        """The whole file is in the log."""
        self.finished = True
        self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        said = {name: value for name, value in asdict(self).items() if name != "path"}
        fresh = self.path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(said), "utf-8")
        fresh.replace(self.path)


def opened(folder: Path, job: str) -> Journal:
    """The journal of a job; a new one where there is none, or none that can be read."""
    path = folder / f"{job}.json"
    try:
        said = json.loads(path.read_text("utf-8"))
        return Journal(
            path,
            job,
            int(said["lines"]),
            int(said["chunks"]),
            {int(partition): int(end) for partition, end in said["ends"].items()},
            said["finished"] is True,
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return Journal(path, job)
