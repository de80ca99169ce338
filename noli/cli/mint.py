"""`noli mint`: pepper and API keys of a stack that `noli up` does not start (docker compose)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from noli.cli import target
from noli.cli.stack import credentials
from noli.cli.stack.files import private_dir, write_atomic

app = typer.Typer(add_completion=False)

#: Read by every worker by way of `NOLI_ENV_FILE`.
ENV_FILE: Final = "noli.env"


@app.command()
def mint(
    data: Annotated[Path, typer.Option(help="Where the secrets are kept.")] = target.DEFAULT_DATA,
    show: Annotated[bool, typer.Option("--show", help="Print the API key.")] = False,
) -> None:
    """Mint what is missing of pepper and API key; what is there stays as it is."""
    data = private_dir(data)
    write_atomic(data / ENV_FILE, f"NOLI_PEPPER={credentials.pepper(data)}\n", durable=True)
    key = credentials.api_key(data)
    credentials.canary_key(data)
    typer.echo(key if show else f"pepper and API key are in {data}")
