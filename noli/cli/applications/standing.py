"""How far each application is, as a table (`noli.runtime.standing`)."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from noli.cli.stack import screen
from noli.runtime.standing import Standing
from noli.wire.apps import Job


def table(standings: list[Standing]) -> Table:
    """One line an application."""
    found = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("application", "sink", "state", "aligned as of", "behind", "last job"):
        found.add_column(name, justify="right" if name == "behind" else "left")
    for one in standings:
        app = one.app
        lag = "not known yet" if one.lag_s is None else f"{screen.age(one.lag_s)} ago"
        state = app.state.value + (f" ({app.reason})" if app.reason else "")
        held = [why.replace("_", " ") for why in one.held_by if why != app.state.value]
        state += f", held: {', '.join(held)}" if held else ""
        color = "green" if one.aligned else "bold red"
        sink = app.face.sink if app.face else "?"
        job = "" if app.job is None else _words(app.job, one.partitions)
        found.add_row(app.name, sink, state, Text(lag, color), f"{one.records:,} records", job)
    return found


def show(standings: list[Standing]) -> None:
    """Print it."""
    Console().print(table(standings))


def _words(job: Job, partitions: int) -> str:
    if not job.done(partitions):
        done = sum(part.done for part in job.parts.values())
        return f"{job.verb}: {done} of {partitions} partitions"
    found = ", ".join(f"{count} {cause}" for cause, count in sorted(job.drift().items()))
    return f"{job.verb}: done" + (f", {found}" if found else "")
