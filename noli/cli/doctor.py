"""`noli doctor`: what `noli up` and the demo need, what is there, and how to get the rest."""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import psutil
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from noli.cli import target
from noli.cli.problem import ProblemError
from noli.cli.stack import jars, java, ports, postgres
from noli.cli.stack.plan import INFRASTRUCTURE

app = typer.Typer(add_completion=False)

_GIB: Final = 1024**3
#: Kafka and registry 190 MB each, nine workers of some 40 MB; with less they are killed.
_LEAST_MEMORY: Final = 0.9
_GOOD_MEMORY: Final = 1.5
#: The jars, and a log that grows; RocksDB and Kafka stop on a full disk.
_LEAST_DISK: Final = 0.5
_GOOD_DISK: Final = 2.0
#: RocksDB and Kafka hold every file of every partition open.
_FILES: Final = 1024
_PYTHON: Final = (3, 11)


class Health(StrEnum):
    """Whether `noli up` can work with what was found."""

    OK = "ok"
    OPTIONAL = "optional"
    SCARCE = "scarce"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, how to get what is missing."""

    what: str
    health: Health
    found: str
    remedy: str = ""


@app.command()
def doctor(
    data: target.DataOption = target.DEFAULT_DATA, as_json: target.JsonOption = False
) -> None:
    """Say what is missing on this machine and how to get it. Exit code 1 if `up` cannot work."""
    findings = [check() for check in checks(data)]
    fatal = [one for one in findings if one.health is Health.MISSING]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in findings], indent=2))
    else:
        _show(findings)
        typer.echo(
            "\n`noli up` can work here"
            if not fatal
            else f"\n`noli up` cannot work yet: {', '.join(one.what for one in fatal)}"
        )
    raise typer.Exit(1 if fatal else 0)


def checks(data: Path) -> list[Callable[[], Finding]]:
    """Every check, in the order in which a newcomer meets the need."""
    return [
        _python,
        _system,
        _java,
        _jars,
        _memory,
        lambda: _disk("disk of --data", data),
        lambda: _disk("disk of the cache", jars.cache_dir()),
        _ports,
        _files,
        _postgres,
        _docker,
    ]


def _python() -> Finding:
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info >= _PYTHON:
        return Finding("Python", Health.OK, found)
    return Finding("Python", Health.MISSING, found, "install Python 3.11 or newer")


def _system() -> Finding:
    if os.name == "posix":
        return Finding("system", Health.OK, sys.platform)
    return Finding(
        "system",
        Health.MISSING,
        sys.platform,
        "the local stack wants Linux or macOS: use WSL 2, or docker compose up --wait",
    )


def _java() -> Finding:
    try:
        found = java.find_java()
    except ProblemError as problem:
        return Finding("Java", Health.MISSING, problem.fact, problem.remedy)
    return Finding("Java", Health.OK, f"{found.version}, by {found.origin}")


def _jars() -> Finding:
    """Maven is only needed until the jars are there."""
    place = jars.cached()
    if place.whole():
        return Finding("Kafka, registry", Health.OK, f"fetched, in {place.root}")
    maven = shutil.which("mvn")
    if maven is None:
        return Finding(
            "Maven",
            Health.MISSING,
            "no mvn on PATH; it fetches Kafka and the registry",
            jars.MAVEN_REMEDY,
        )
    return Finding("Kafka, registry", Health.OK, f"to be fetched by {maven} (some 210 MB, once)")


def _memory() -> Finding:
    free = min(psutil.virtual_memory().available, _left_to_group()) / _GIB
    return Finding(
        "memory",
        _enough(free, _LEAST_MEMORY, _GOOD_MEMORY),
        f"{free:.1f} GiB free",
        ""
        if free >= _GOOD_MEMORY
        else f"the stack takes about {_LEAST_MEMORY} GiB; close something",
    )


def _left_to_group() -> float:
    """What a container's limit leaves, in bytes; the machine's own memory does not tell."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text("ascii").strip()
        used = int((group / "memory.current").read_text("ascii"))
    except (OSError, ValueError):
        return math.inf  # no such group, or not Linux
    return math.inf if limit == "max" else int(limit) - used


def _disk(what: str, place: Path) -> Finding:
    there = next(
        folder for folder in (place.absolute(), *place.absolute().parents) if folder.exists()
    )
    if not os.access(there, os.W_OK):
        return Finding(
            what,
            Health.MISSING,
            f"{there} is not writable",
            "name another directory (--data, XDG_CACHE_HOME)",
        )
    free = shutil.disk_usage(there).free / _GIB
    return Finding(
        what,
        _enough(free, _LEAST_DISK, _GOOD_DISK),
        f"{free:.1f} GiB free",
        "" if free >= _GOOD_DISK else f"make room on the disk of {there}",
    )


def _ports() -> Finding:
    try:
        ports.choose(INFRASTRUCTURE)
    except ProblemError as problem:
        return Finding("ports", Health.MISSING, problem.fact, problem.remedy)
    return Finding("ports", Health.OK, f"free ones on {ports.HOST}")


def _files() -> Finding:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _FILES:
        return Finding("open files", Health.OK, f"limit {soft}")
    return Finding("open files", Health.SCARCE, f"limit {soft}", f"ulimit -n {_FILES * 8}")


def _postgres() -> Finding:
    try:
        directory, version = postgres.find_server()
    except ProblemError as problem:
        return Finding(
            "PostgreSQL", Health.OPTIONAL, f"{problem.fact}; only the demo wants it", problem.remedy
        )
    return Finding("PostgreSQL", Health.OK, f"{version}, in {directory} (for the demo)")


def _docker() -> Finding:
    if found := shutil.which("docker"):
        return Finding("docker", Health.OPTIONAL, f"{found} (not needed)")
    return Finding("docker", Health.OPTIONAL, "none (not needed)")


def _enough(amount: float, least: float, good: float) -> Health:
    if amount < least:
        return Health.MISSING
    return Health.OK if amount >= good else Health.SCARCE


_STYLES: Final = {
    Health.OK: "green",
    Health.OPTIONAL: "dim",
    Health.SCARCE: "yellow",
    Health.MISSING: "bold red",
}


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in findings:
        text = Text(one.found)
        if one.remedy:
            text.append(f"\n→ {one.remedy}", "bold")
        table.add_row(Text(one.health, _STYLES[one.health]), one.what, text)
    Console().print(table)
