"""The workers of the local stack: one row each, and the environment a row becomes."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from noli.cli.stack.apps import App
from noli.cli.stack.credentials import CANARY_KEY_FILE
from noli.cli.stack.files import IMPORT_ROOT

#: Processes of applications are named so, and after their application.
CONNECTORS: Final = "connectors-"


@dataclass(frozen=True, slots=True)
class Worker:
    """`python -m module`, its state in DATA/`folder`, `env` beside what all workers get."""

    name: str
    module: str
    folder: str
    env: Mapping[str, str] = field(default_factory=dict)
    #: A stream worker has one in reserve: while nobody owns a partition, nothing is decided.
    spared: bool = False


def table(
    apps: Sequence[App], suppressors: int, *, canary: bool = True, statistics: bool = False
) -> list[Worker]:
    """Every worker of a stack with these applications, in the order of the data flow.

    `canary`: whether applications are probed (NOLI_CANARY_SECONDS); `statistics`: whether those of
    campaigns are kept in PostgreSQL (NOLI_CAMPAIGNS_DSN).
    """
    return [
        Worker("intake", "noli.intake", "intake"),
        *(
            Worker(f"suppress-{n}", "streams.suppress", f"suppress-{n}", spared=True)
            for n in range(suppressors)
        ),
        Worker("parties-0", "streams.parties", "parties-0", spared=True),
        Worker("replica", "noli.replica", "replica"),
        Worker("lookup", "noli.replica.lookup", "replica"),
        Worker("watch-0", "streams.watch", "watch-0"),
        # For whoever sits at this machine: it listens on loopback only.
        Worker("status", "noli.board", "status", {"NOLI_BOARD_OPEN": "true"}),
        *(connector(app) for app in apps),
        *([Worker("canary", "noli.canary", "canary")] if canary else ()),
        *([Worker("campaigns", "noli.campaigns", "campaigns")] if statistics else ()),
    ]


def connector(app: App) -> Worker:
    """The process of one application."""
    name = f"{CONNECTORS}{app.name}"
    return Worker(name, "connectors", name, {"NOLI_APP_MANIFEST": str(app.path)})


@dataclass(frozen=True, slots=True)
class Shared:
    """What every worker of one stack is told."""

    data: Path
    kafka: str
    registry: str
    intake: str
    lookup: str
    board: str
    pepper: str = field(repr=False)
    keys_file: Path

    def environment(self, worker: Worker, port: int) -> dict[str, str]:
        """The variables of one worker that listens on `port`."""
        return {
            "NOLI_KAFKA": self.kafka,
            "NOLI_REGISTRY": self.registry,
            "NOLI_DATA": str(self.data / worker.folder),
            "NOLI_REPLICA": str(self.data / "replica"),
            "NOLI_PEPPER": self.pepper,
            "NOLI_API_KEYS_FILE": str(self.keys_file),
            "NOLI_PUBLIC_URL": self.intake,
            "NOLI_INTAKE_URL": self.intake,
            "NOLI_LOOKUP_URL": self.lookup,
            "NOLI_BOARD_URL": self.board,
            "NOLI_CANARY_KEY_FILE": str(self.data / CANARY_KEY_FILE),
            "NOLI_INSTANCE": worker.name,
            "NOLI_HTTP_PORT": str(port),
            "PYTHONUNBUFFERED": "1",
            **import_path(),
            **worker.env,
        }


def command(worker: Worker) -> list[str]:
    """`-P`: a folder named `schemas` where somebody runs `noli up` must not be imported."""
    return [sys.executable, "-P", "-m", worker.module]


def import_path() -> dict[str, str]:
    """A checkout that is not installed is found all the same; site-packages need no help."""
    installed = {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}
    return {} if IMPORT_ROOT in installed else {"PYTHONPATH": str(IMPORT_ROOT)}
