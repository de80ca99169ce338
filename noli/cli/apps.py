"""`noli app …`: an application's manifest, checked against the application itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.table import Table

from connectors import registry
from connectors.protocol import Fixable, Problem, Retry, Sink
from noli.cli.applications import connecting, orders, scaffold
from noli.cli.problem import ProblemError

_CORRECT: Final = "correct the manifest; docs/howto/connect-your-application.md shows one"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Applications: connect them, see how far they are, mend them.",
)
app.command()(scaffold.new)
app.command("plan")(connecting.plan_command)
for command in (
    connecting.add, orders.status, orders.pause, orders.resume, orders.backfill, orders.verify,
    orders.repair, connecting.remove,
):  # fmt: skip
    app.command()(command)


@app.command("check")
def check_command(
    path: connecting.ManifestArgument,
    fix: Annotated[bool, typer.Option("--fix", help="Make what is missing: tables, …")] = False,
) -> None:
    """Prove that the application can be reached and used, writing nothing (but with --fix).

    Exit code 1 while something is wrong; each finding comes with its remedy.
    """
    found, sink = connecting.opened(path)
    done, problems = asyncio.run(_checked(sink, fix=fix))
    for line in done:
        typer.echo(f"{found.app}: {line}")
    for problem in problems:
        typer.echo(f"{found.app}: {problem.what}\n  → {problem.remedy}", err=True)
    if not problems:
        typer.echo(f"{found.app}: nothing is wrong ({found.sink})")
    raise typer.Exit(1 if problems else 0)


@app.command("describe")
def describe_command(path: connecting.ManifestArgument) -> None:
    """Say what the application is told, and every field its sink takes. Secrets stay hidden."""
    found, sink = connecting.opened(path)
    traits = sink.traits
    read_back = {"exact": "every verdict", "size": "how many", "none": "nothing"}
    facts = {
        "application": found.app,
        "sink": found.sink,
        "controllers": ", ".join(found.controllers),
        "channels": ", ".join(found.channels),
        "purposes": ", ".join(found.purposes),
        "third party": "yes: grants only with leave to disclose" if found.third_party else "no",
        "aligned within": traits.alignment,
        "read back": read_back[traits.read_back],
        "at once": f"{traits.batch} contacts, {traits.in_flight} in flight",
    }
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(name, value)
    console = Console()
    console.print(grid)
    console.print(_fields(found.sink, found.config))


@app.command("sinks")
def sinks_command() -> None:
    """List the kinds of application there are, with the fields of their `config`."""
    console = Console()
    for name in registry.names():
        about = (registry.sink_class(name).__doc__ or "").splitlines()[0]
        console.print(f"[bold]{name}[/bold]: {about}")
        console.print(_fields(name, {}))


async def _checked(sink: Sink, *, fix: bool) -> tuple[Sequence[str], Sequence[Problem]]:
    """What was mended, and what is still wrong."""
    try:
        problems = await sink.check()
        done: Sequence[str] = []
        if fix and isinstance(sink, Fixable) and any(problem.fixable for problem in problems):
            done = await sink.fix()
            problems = await sink.check()
    except Retry as error:
        raise ProblemError(
            f"the application did not answer: {error.reason}", "try again once it runs"
        ) from error
    else:
        return done, problems
    finally:
        await sink.aclose()


def _fields(sink: str, given: dict[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for title in ("config", "default", "meaning"):
        table.add_column(title)
    for name, field in registry.sink_class(sink).Config.model_fields.items():
        mark = " *" if name in given else ""
        table.add_row(name + mark, _default(field), field.description or "")
    if given:
        table.caption = "* set in this manifest"
    return table


def _default(field: FieldInfo) -> str:
    return "(required)" if field.is_required() else str(field.default)
