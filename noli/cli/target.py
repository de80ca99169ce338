"""Which stack a command talks to: the environment's, else the local one in `--data`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from noli.cli.problem import ProblemError
from noli.cli.stack import endpoints
from noli.runtime.settings import Settings, load

DataOption = Annotated[
    Path, typer.Option("--data", help="Directory of the local stack.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
DEFAULT_DATA = Path(".noli")


def settings(data: Path) -> Settings:
    """Settings whose brokers and registry are those of `NOLI_…`, else of the stack in `data`."""
    try:
        loaded = load()
    except ValidationError as error:
        first = error.errors()[0]
        name = "NOLI_" + "_".join(str(part) for part in first["loc"]).upper()
        raise ProblemError(f"{name}: {first['msg']}", f"correct {name} or unset it") from error
    local = endpoints.read(data)
    if local is None:
        return loaded
    found = {"kafka": local.kafka, "registry": local.registry}
    chosen = {
        name: value for name, value in found.items() if f"NOLI_{name.upper()}" not in os.environ
    }
    return loaded.model_copy(update=chosen)


def running(data: Path, corner: str) -> Settings:
    """Settings of the stack that runs in `data`, or that the environment names.

    `corner`: the command's own directory there. Raises `ProblemError` where neither is.
    """
    local = endpoints.read(data)
    if local is None and "NOLI_KAFKA" not in os.environ:
        raise ProblemError(
            f"no stack runs in {data}",
            "start one with `noli up`, name its directory with --data, or set NOLI_KAFKA,"
            " NOLI_REGISTRY and NOLI_PEPPER",
        )
    found = settings(data)
    if local is not None:
        # Schema ids are the stack's own: kept beside it, not with those of another.
        return found.model_copy(update={"data": data / corner})
    return found
