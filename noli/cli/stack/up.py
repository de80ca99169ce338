"""`noli up`: start a real Kafka, the registry and every worker on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from noli.cli import target
from noli.cli.stack import detached, files, foreground, prepare, records, terminate

app = typer.Typer(add_completion=False)


@app.command()
def up(
    apps: Annotated[
        Path | None,
        typer.Option(help="Folder of manifests, watched  [default: examples/apps, else DATA/apps]"),
    ] = None,
    data: target.DataOption = target.DEFAULT_DATA,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once every worker is ready.")
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes of streams.suppress.")] = 1,
    wait: Annotated[
        float, typer.Option(help="With --detach: seconds to wait for readiness.")
    ] = 120.0,
) -> None:
    """Start a real Kafka, the registry and every worker here; Ctrl-C or `noli down` stops them."""
    console = Console()
    data = files.private_dir(data)
    with records.supervised(data):  # refuses at once where a stack runs already
        if left := terminate.stop_stack(data):
            console.print(f"stopped what a crashed supervisor left: {', '.join(left)}")
        plan = prepare.prepared(prepare.Wish(data, apps, workers), console.print)
    if detach:
        detached.run(plan, wait, console)
    else:
        foreground.run(plan)
