"""`noli send FILE`: events from a file to the intake, each durable or named with its reason."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated, Final

import httpx2
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from noli.cli import said, target
from noli.cli.sending import inputs, where
from noli.cli.sending.line import Defaults, Line, file_digest
from noli.cli.sending.post import Poster
from noli.cli.sending.rejects import Rejects
from noli.cli.sending.run import Sender, Tally

app = typer.Typer(add_completion=False)

_TIMEOUT_S: Final = 30.0
_CHUNK: Final = 1 << 20


@app.command()
def send(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)],
    *,
    intake: Annotated[str | None, typer.Option(envvar="NOLI_INTAKE", help="Its URL.")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="NOLI_API_KEY", help="API key with events:write.")
    ] = None,
    controller: Annotated[str | None, typer.Option(help="Where a line names none.")] = None,
    source: Annotated[str, typer.Option(help="Where a line names none; a URI.")] = "/send",
    type_: Annotated[
        str | None, typer.Option("--type", help="Where a line names none: objection.raised, …")
    ] = None,
    zone: Annotated[str, typer.Option(help="Of times without an offset.")] = "Europe/Rome",
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Events in a post.")] = 500,
    patience: Annotated[float, typer.Option(help="Seconds to insist on one post.")] = 300.0,
    rejects: Annotated[
        Path | None, typer.Option(help="Where refused lines go.  [default: beside FILE]")
    ] = None,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Post the events of FILE: CloudEvents as NDJSON, or a CSV with a header.

    Columns: `phone`, `email` or `postal` (or `kind` and `value`), `type`, `time`, `purpose`,
    `channels`, `brand`, `controller`, `consent_id`, `evidence_ref`, `via`, `id` and the other
    members of events.md; `telefono`, `data`, `canali` and the like are understood.

    Exit code 0 only when every event took effect. Interrupted? Run it again: nothing counts twice.
    """
    url, secret = where.intake(data, intake, key)
    name = said.event_type(type_)
    defaults = Defaults(controller, source, name, said.zone(zone), file_digest(file))
    screen = Console(stderr=True)
    lines, kept, ignored, _ = inputs.opened(file, defaults, rejects)
    if ignored:
        screen.print(f"ignored columns: {escape(', '.join(ignored))}")
    with _client(url, secret) as client, _bar(screen) as bar:
        task = bar.add_task(escape(file.name), total=_line_count(file))
        poster = Poster(
            client, patience, threading.Event().wait, lambda why: screen.print(escape(why))
        )
        sender = Sender(poster, kept, lambda line, why: _report(screen, line, why))
        try:
            tally = sender.send(lines(), batch, lambda number: bar.update(task, completed=number))
        finally:
            kept.close()
    _summary(screen, tally, kept)
    raise typer.Exit(0 if tally.clean else 1)


def _client(url: str, secret: str) -> httpx2.Client:
    return httpx2.Client(
        base_url=url,
        timeout=_TIMEOUT_S,
        trust_env=False,
        headers={
            "Authorization": f"Bearer {secret}",
            "Content-Type": "application/cloudevents-batch+json",
        },
    )


def _bar(screen: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("lines"),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
    )


def _report(screen: Console, line: Line, why: str) -> None:
    screen.print(f"line {line.number}: {escape(why)}", style="yellow", soft_wrap=True)


def _summary(screen: Console, tally: Tally, kept: Rejects) -> None:
    parts = [f"{tally.accepted:,} events accepted"]
    if tally.refused:
        parts.append(f"{tally.refused:,} refused")
    if tally.held:
        parts.append(f"{tally.held:,} kept for a human")
    screen.print(", ".join(parts), style="green" if tally.clean else "bold red")
    if kept.count:
        screen.print(f"to mend and send again: {escape(str(kept.path))}")


def _line_count(path: Path) -> int:
    """Physical lines, which is what the bar counts."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))
