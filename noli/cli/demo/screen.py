"""What the demo shows: words and bars on a terminal, plain lines in a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

#: Columns of a bar's name, so that the bars stand below each other.
_NAME: Final = 36


@dataclass(slots=True)
class Bars:
    """Bars by name, of one moment of the demo."""

    totals: Mapping[str, int]
    _progress: Progress | None = None
    _tasks: dict[str, TaskID] = field(default_factory=dict)
    _done: dict[str, int] = field(default_factory=dict)

    def to(self, name: str, done: int) -> None:
        """Set how much of one is done."""
        self._done[name] = done
        if self._progress is not None:
            self._progress.update(self._tasks[name], completed=done)

    def done(self, name: str) -> int:
        """How much of it is done."""
        return self._done.get(name, 0)


class Screen:
    """Where the demo speaks."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._started = time.monotonic()

    def step(self, text: str) -> None:
        """What is done next, in plain words, with the seconds since the start."""
        now = f"{time.monotonic() - self._started:5.1f} s"
        self.console.print(Text(f"[{now}] ", "dim").append(text, "bold"), soft_wrap=True)

    def note(self, text: str) -> None:
        """Something to know about the step."""
        self.console.print(Text(f"  {text}"), soft_wrap=True)

    @contextmanager
    def bars(self, totals: Mapping[str, int]) -> Iterator[Bars]:
        """Bars for one block of code; in a pipe a line for each at its end."""
        bars = Bars(totals)
        started = time.monotonic()
        if self.console.is_terminal:
            with _progress(self.console) as progress:
                bars._progress = progress  # noqa: SLF001 - made here
                for name, total in totals.items():
                    bars._tasks[name] = progress.add_task(name, total=total)  # noqa: SLF001
                yield bars
            return
        try:
            yield bars
        finally:
            seconds = time.monotonic() - started
            for name, total in totals.items():
                self.note(f"{name:<{_NAME}} {bars.done(name)} of {total} in {seconds:.1f} s")


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn(f"  {{task.description:<{_NAME}}}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
