"""`noli down`: stop a stack by the pids that it recorded."""

from __future__ import annotations

import time

import typer

from noli.cli import target
from noli.cli.stack import terminate

app = typer.Typer(add_completion=False)


@app.command()
def down(data: target.DataOption = target.DEFAULT_DATA) -> None:
    """Stop everything that `noli up` started with this --data; its data stays."""
    started = time.monotonic()
    names = terminate.stop_stack(data) if data.is_dir() else []
    if names:
        typer.echo(
            f"stopped {len(names)} processes in {time.monotonic() - started:.1f} s: "
            f"{', '.join(names)}"
        )
    else:
        typer.echo(f"nothing runs in {data}")
