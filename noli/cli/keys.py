"""`noli keys add|list|revoke`: API keys of the HTTP services."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, get_args

import typer
from rich.console import Console
from rich.table import Table

from noli.cli import target
from noli.cli.problem import ProblemError
from noli.cli.stack import credentials
from noli.runtime import apikeys
from noli.runtime.apikeys import Key, KeyFileError, Scope

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Add, list and revoke API keys.")

FileOption = Annotated[
    Path | None,
    typer.Option("--file", help="Key file.  [default: NOLI_API_KEYS_FILE, else the local stack's]"),
]

#: Characters of a hash that tell keys apart on a screen.
_SHOWN: Final = 12


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Who will use it, e.g. crm.")],
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"One or more of: {', '.join(apikeys.SCOPES)}.  [default: events:write]"),
    ] = None,
    file: FileOption = None,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Make a key and print it, this once: only its hash is kept. It works within a second."""
    path = _path(file, data)
    keys = _read(path) if path.exists() else []
    if any(key.name == name for key in keys):
        raise ProblemError(f"{path} has a key named {name}", "choose another name or revoke it")
    fresh, line = apikeys.new(name, [_scope(said) for said in scope or ["events:write"]])
    apikeys.write(path, [*keys, line])
    typer.echo(fresh)


@app.command("list")
def list_(file: FileOption = None, data: target.DataOption = target.DEFAULT_DATA) -> None:
    """Show names, scopes and the beginnings of hashes; keys themselves are nowhere."""
    table = Table("name", "scopes", "sha256", box=None)
    for key in _read(_path(file, data)):
        table.add_row(key.name, " ".join(key.scopes), key.hash[:_SHOWN])
    Console().print(table)


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="As `noli keys list` shows it.")],
    *,
    file: FileOption = None,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Take a key away. Services refuse it within a second."""
    path = _path(file, data)
    keys = _read(path)
    kept = [key for key in keys if key.name != name]
    if len(kept) == len(keys):
        raise ProblemError(f"{path} has no key named {name}", "see `noli keys list`")
    apikeys.write(path, kept)
    typer.echo(f"revoked {name}")


def _path(file: Path | None, data: Path) -> Path:
    if file is not None:
        return file
    local = data / credentials.KEYS_FILE
    if "NOLI_API_KEYS_FILE" not in os.environ and local.exists():
        return local
    return target.settings(data).api_keys_file


def _read(path: Path) -> list[Key]:
    try:
        return apikeys.read(path)
    except KeyFileError as error:
        raise ProblemError(str(error)) from None


def _scope(said: str) -> Scope:
    for scope in get_args(Scope):
        if scope == said:
            return scope  # type: ignore[no-any-return]
    raise ProblemError(f"--scope {said} is not known", f"use {', '.join(apikeys.SCOPES)}")
