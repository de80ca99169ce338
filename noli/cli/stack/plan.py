"""What a supervisor is to run: written to DATA/plan.json, without a secret in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from noli.cli.stack import ports
from noli.cli.stack.apps import App
from noli.cli.stack.files import write_atomic
from noli.cli.stack.jars import Jars
from noli.cli.stack.java import Java
from noli.cli.stack.workers import CONNECTORS, Worker, connector

FILE: Final = "plan.json"
#: Ports beside those of the workers, which bear the workers' names.
INFRASTRUCTURE: Final = ("kafka", "controller", "registry", "management")


@dataclass(frozen=True, slots=True)
class Plan:
    """One stack: absolute directory, workers in start order, ports by name, the Java parts."""

    data: Path
    workers: tuple[Worker, ...]
    ports: Mapping[str, int]
    java: Java
    jars: Jars
    #: Where applications are looked for while the stack runs; None: there is no such folder.
    apps: Path | None = None

    def url(self, worker: str) -> str:
        """Base URL of a worker's HTTP; empty where this stack has no such worker."""
        return f"http://{ports.HOST}:{self.ports[worker]}" if worker in self.ports else ""

    def log(self, name: str) -> Path:
        """Where a process's output goes."""
        return self.data / "logs" / f"{name}.log"

    def with_connectors(self, found: Sequence[App]) -> Plan:
        """The plan with these applications in place of those it has; each keeps its port."""
        others = [one for one in self.workers if not one.name.startswith(CONNECTORS)]
        rows = (*others, *(connector(app) for app in found))
        fresh = ports.choose(one.name for one in rows if one.name not in self.ports)
        return replace(self, workers=rows, ports={**self.ports, **fresh})

    def write(self) -> None:
        """Store it for the supervisor, and for the ports of the next start."""
        write_atomic(self.data / FILE, json.dumps(asdict(self), indent=2, default=str) + "\n")


def read(data: Path) -> Plan:
    """The plan in `data`. Raises `FileNotFoundError` when none was made there."""
    raw = json.loads((data / FILE).read_text("utf-8"))
    return Plan(
        Path(raw["data"]),
        tuple(Worker(**worker) for worker in raw["workers"]),
        raw["ports"],
        Java(Path(raw["java"]["path"]), raw["java"]["origin"], raw["java"]["version"]),
        Jars(Path(raw["jars"]["root"])),
        Path(raw["apps"]) if raw.get("apps") else None,
    )


def choose_ports(data: Path, workers: tuple[Worker, ...]) -> dict[str, int]:
    """A free port per part, those of the last start where they still are free."""
    try:
        earlier: Mapping[str, int] = read(data).ports
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        earlier = {}  # the first start here, or a plan of another version: only a preference
    return ports.choose((*INFRASTRUCTURE, *(worker.name for worker in workers)), earlier)
