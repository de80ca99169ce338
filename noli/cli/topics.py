"""`noli topics plan|apply`: the catalogue of topics and schemas against broker and registry."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from noli.cli import contracts, target
from noli.runtime.topics import Action, Step

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Compare topics and schemas with the catalogue, and make them so.",
)

#: Sign and colour of each action; the sign alone says it where there is no colour.
_SIGNS: Final = {
    Action.SAME: ("=", "dim"),
    Action.CREATE: ("+", "green"),
    Action.ALTER: ("~", "yellow"),
    Action.NOTE: ("i", "cyan"),
    Action.REFUSE: ("!", "bold red"),
}


@app.command("plan")
def plan_command(
    data: target.DataOption = target.DEFAULT_DATA, as_json: target.JsonOption = False
) -> None:
    """Show what `apply` would do. Exit code 1 when a difference is refused."""
    found = contracts.plan(target.settings(data))
    _show(found, as_json=as_json)
    if not as_json:
        _summary(found)
    raise typer.Exit(1 if found.refused else 0)


@app.command("apply")
def apply_command(
    data: target.DataOption = target.DEFAULT_DATA, as_json: target.JsonOption = False
) -> None:
    """Create what is missing and make safe changes; with a refused one, change nothing."""
    done = contracts.apply(target.settings(data))
    _show(done, as_json=as_json)
    if not as_json:
        typer.echo(f"\napplied {done.pending} changes" if done.pending else "\nnothing to do")


def _show(found: contracts.Plan, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
        return
    console = Console()
    console.print(_table("topics", found.topics))
    console.print(_table("schemas", found.schemas))


def _table(title: str, steps: list[Step]) -> Table:
    table = Table(
        title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), show_header=False
    )
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for step in steps:
        sign, style = _SIGNS[step.action]
        text = f"{step.what}\n{step.why}" if step.why else step.what
        table.add_row(Text(f"{sign} {step.action}", style), step.name, text)
    return table


def _summary(found: contracts.Plan) -> None:
    if found.refused:
        typer.echo(f"\n{len(found.refused)} refused: `noli topics apply` would change nothing")
    elif found.pending:
        typer.echo(f"\n{found.pending} changes: `noli topics apply` makes them")
    else:
        typer.echo("\nin order: nothing to do")
