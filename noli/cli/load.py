"""`noli load FILE`: consents and other grants of a file, behind objections, in chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from noli.cli import bulk, said, target
from noli.cli.problem import ProblemError
from noli.cli.sending import inputs
from noli.cli.sending.line import Defaults, file_digest
from noli.cli.sending.reading import Reader
from noli.cli.sending.rejects import Rejects

app = typer.Typer(add_completion=False)

_REJECTED: Final = 2
_TOLD: Final = 20


@app.command()
def load(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)],
    *,
    controller: Annotated[str | None, typer.Option(help="Where a line names none.")] = None,
    source: Annotated[str, typer.Option(help="Where a line names none; a URI.")] = "/load",
    type_: Annotated[
        str | None, typer.Option("--type", help="Where a line names none: consent.given, …")
    ] = None,
    zone: Annotated[str, typer.Option(help="Of times without an offset.")] = "Europe/Rome",
    rejects: Annotated[
        Path | None, typer.Option(help="Where refused lines go.  [default: beside FILE]")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until every verdict is decided.")] = True,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Load the consents and other grants of FILE, in the forms `noli send` takes, by the bulk lane.

    For thousands of lines and more: they never delay an objection. Objections themselves are
    refused here, for they must not wait: `noli send` takes them. The whole file is read before
    anything is sent. Exit code 0 when every line was taken, 2 when some were refused. Interrupted?
    Run it again.
    """
    desk = bulk.opened(data)
    name = said.event_type(type_)
    defaults = Defaults(controller, source, name, said.zone(zone), file_digest(file))
    found = inputs.opened(file, defaults, rejects)
    reader, kept = Reader(found, defaults, desk.codec, desk.pepper), found.rejects
    good, last = _surveyed(reader, kept, desk.screen)
    if not good:
        raise ProblemError(f"{file.name}: not one line can be loaded", "see the causes above")
    job = desk.journal(defaults.digest, controller, source, name, zone)
    if job.finished:
        desk.screen.print("loaded before: nothing to send")
    else:
        bulk.deliver(desk, job, reader.rows(job.lines), last)
    desk.screen.print(
        f"{good:,} lines loaded" + (f", {kept.count:,} refused" if kept.count else ""),
        style="bold red" if kept.count else "green",
    )
    if kept.count:
        desk.screen.print(f"to mend and load again: {escape(str(kept.path))}")
    if wait:
        bulk.wait(desk, job)
    raise typer.Exit(_REJECTED if kept.count else 0)


def _surveyed(reader: Reader, kept: Rejects, screen: Console) -> tuple[int, int]:
    """Good lines, and the number of the last one; the others are kept and told."""
    good = last = 0
    try:
        for number, bad in reader.survey():
            last = number
            if bad is None:
                good += 1
                continue
            kept.add(*bad)
            if kept.count <= _TOLD:
                screen.print(f"line {number}: {escape(bad.why)}", style="yellow", soft_wrap=True)
    finally:
        kept.close()
    return good, last
