"""The demo's own stack and its two applications, in a directory that is gone afterwards."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import yaml
from pydantic import SecretStr
from rich.console import Console

from connectors.sinks.postgres import Postgres
from noli.cli.demo import application
from noli.cli.demo.application import Application
from noli.cli.demo.optouts import CONTROLLER
from noli.cli.demo.screen import Screen
from noli.cli.problem import ProblemError
from noli.cli.stack import detached, endpoints, postgres, prepare, records, terminate
from noli.cli.stack.endpoints import Endpoints
from noli.cli.stack.files import write_atomic

WEBHOOK: Final = "crm"
TABLE: Final = "dialer"
_READY_S: Final = 120.0
_LOGS: Final = "logs"


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything of one run is."""

    root: Path
    data: Path
    application: Application
    dsn: str
    psql: Path
    endpoints: Endpoints


@contextmanager
def prepared(screen: Screen) -> Iterator[Places]:
    """Everything started and ready; stopped and deleted at the end, and seen to be gone.

    When the block raises, its logs stay in a directory that is named. Raises `ProblemError` where
    something is left.
    """
    root = Path(tempfile.mkdtemp(prefix="noli-demo-"))
    started: dict[str, records.Identity] = {}
    try:
        with ExitStack() as everything:
            yield _opened(root, everything, started, screen.console)
    except BaseException:
        if (kept := _kept_logs(root)) is not None:
            screen.note(f"the logs of this run are kept in {kept}")
        raise
    finally:
        shutil.rmtree(root)
    alive = {name: one.pid for name, one in started.items() if one.process() is not None}
    if alive:
        raise ProblemError(f"still running after the end: {alive}", "stop them by pid")
    screen.note(f"nothing is left: {len(started)} processes ended, {root} deleted")


def _opened(
    root: Path, everything: ExitStack, started: dict[str, records.Identity], console: Console
) -> Places:
    data, apps = root / "stack", root / "apps"
    apps.mkdir()
    crm = everything.enter_context(application.running())
    server = everything.enter_context(postgres.embedded_postgres())
    _note(started, {"postgres": server.process.pid})
    _manifests(apps, crm, server.dsn)
    asyncio.run(_make_table(server.dsn))
    directory, _version = postgres.find_server()
    # Without canaries: the demo counts contacts, and all of them are its own.
    plan = prepare.prepared(prepare.Wish(data, apps, canary=False), console.print)
    everything.callback(_stop, data, started)
    detached.run(plan, _READY_S, console)
    found = endpoints.read(data)
    if found is None:
        raise ProblemError("the stack is ready but wrote no endpoints.json")
    return Places(root, data, crm, server.dsn, directory / "psql", found)


def _stop(data: Path, started: dict[str, records.Identity]) -> None:
    started.update(records.read(data))
    terminate.stop_stack(data)


def _note(started: dict[str, records.Identity], pids: dict[str, int]) -> None:
    for name, pid in pids.items():
        started[name] = records.Identity(pid, psutil.Process(pid).create_time())


def _manifests(apps: Path, crm: Application, dsn: str) -> None:
    webhook = {"url": crm.url, "secret": crm.secret, "allow_private_addresses": True}
    told = {WEBHOOK: ("webhook", webhook), TABLE: ("postgres", {"dsn": dsn})}
    for app, (sink, config) in told.items():
        manifest = {"app": app, "sink": sink, "controllers": [CONTROLLER], "config": config}
        write_atomic(apps / f"{app}.yaml", yaml.safe_dump(manifest, sort_keys=False))


async def _make_table(dsn: str) -> None:
    """What `noli app check --fix` does for the dialer."""
    sink = Postgres(Postgres.Config(dsn=SecretStr(dsn)), TABLE)
    try:
        await sink.fix()
    finally:
        await sink.aclose()


def _kept_logs(root: Path) -> Path | None:
    """A directory of its own with the stack's logs; None where it has written none."""
    logs = root / "stack" / _LOGS
    if not logs.is_dir():
        return None
    kept = Path(tempfile.mkdtemp(prefix="noli-demo-failed-"))
    shutil.copytree(logs, kept, dirs_exist_ok=True)
    return kept
