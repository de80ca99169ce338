"""`noli status`: one screen of processes, readiness, lag and topics."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from threading import Event
from typing import Annotated, Final

import httpx2
import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from noli.cli import lag, target
from noli.cli.problem import ProblemError
from noli.cli.stack import plan, records, screen
from noli.cli.stack.probes import words
from noli.runtime import broker
from noli.runtime.broker import Lag
from noli.runtime.settings import Settings
from schemas.codec import topic_catalogue

app = typer.Typer(add_completion=False)

_PROBE_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 5.0
#: Between two looks of `--watch`, in seconds.
_WATCH_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process: whether it lives, whether it is ready, and its own words if not."""

    name: str
    pid: int | None
    up_seconds: float
    ready: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """One topic: how many partitions, and records ever written (compaction takes some away)."""

    name: str
    partitions: int
    written: int


@dataclass(frozen=True, slots=True)
class Status:
    """What the screen shows; `broker_error` in place of topics and lag when Kafka is silent."""

    processes: list[ProcessStatus]
    lags: list[Lag]
    topics: list[TopicStatus]
    broker_error: str = ""

    @property
    def healthy(self) -> bool:
        """Whether everything answers and is ready."""
        return not self.broker_error and all(process.ready for process in self.processes)


@app.command()
def status(
    data: target.DataOption = target.DEFAULT_DATA,
    as_json: target.JsonOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every second, until Ctrl-C.")
    ] = False,
) -> None:
    """Show processes, readiness, lag per group, topics. Exit code 1 unless all is ready.

    With --watch, and how far each application is behind (`noli lag`).
    """
    if watch and as_json:
        raise ProblemError("--watch draws a screen, --json prints once", "leave one of them out")
    found = look(data, target.settings(data)) if _somewhere(data) else None
    if found is None:
        raise ProblemError(
            f"no stack runs in {data}",
            "start one with `noli up`, name its "
            "directory with --data, or set NOLI_KAFKA to look at another cluster",
        )
    if watch:
        found = _watched(found, data)
    elif as_json:
        typer.echo(json.dumps({**asdict(found), "healthy": found.healthy}, indent=2))
    else:
        _show(found, data)
    raise typer.Exit(0 if found.healthy else 1)


def _watched(found: Status, data: Path) -> Status:
    """Draw processes, alignment and lag until Ctrl-C; what was seen last."""
    settings = target.settings(data)
    with (
        lag.looking(data) as looking,
        suppress(KeyboardInterrupt),
        Live(_whole(found, looking), auto_refresh=False, screen=True) as live,
    ):
        while not Event().wait(_WATCH_S):
            found = look(data, settings)
            live.update(_whole(found, looking), refresh=True)
    return found


def _whole(found: Status, looking: lag.Looking) -> Group:
    parts: list[RenderableType] = [_process_table(found)] if found.processes else []
    if found.broker_error:
        return Group(*parts, Text(found.broker_error, "bold red"))
    try:
        aligned = lag.table(lag.lags(looking()))
        aligned.title, aligned.title_justify, aligned.title_style = "\nalignment", "left", "bold"
        parts.append(aligned)
    except ProblemError as problem:  # a broker that restarts is no reason to leave the screen
        parts.append(Text(problem.fact, "bold red"))
    return Group(*parts, *([_lag_table(found)] if found.lags else []))


def _lag_table(found: Status) -> Table:
    rows = [(lag.group, lag.topic, f"{lag.records:,}") for lag in found.lags]
    return _table("lag in records", ("group", "topic", "lag"), rows)


def _somewhere(data: Path) -> bool:
    """Whether there is a stack here, or brokers that the user named."""
    return bool(records.living(data)) or "NOLI_KAFKA" in os.environ


def look(data: Path, settings: Settings) -> Status:
    """The state of the stack in `data`, and of the brokers that `settings` name."""
    processes = _processes(data)
    try:
        client = broker.admin(settings)
        cluster = broker.look(client, _ANSWER_SECONDS)
        names = [name for name in topic_catalogue()["topics"] if name in cluster.topics]
        ends = broker.ends(client, cluster, names)
        topics = [
            TopicStatus(name, cluster.topics[name][0], sum(ends[name].values())) for name in names
        ]
        return Status(processes, broker.lags(settings, ends), topics)
    except broker.BrokerUnavailable as error:
        return Status(processes, [], [], f"no Kafka at {settings.kafka}: {error}")


def _processes(data: Path) -> list[ProcessStatus]:
    """Every process of the plan, in its order; none where no stack runs here."""
    living = records.living(data)
    if not living:
        return []
    made = plan.read(data)
    workers = [worker.name for worker in made.workers]
    names = [records.SUPERVISOR, *records.GROUND, *workers]
    found = []
    with httpx2.Client(timeout=_PROBE_SECONDS) as client:
        for name in names:
            process = living.get(name)
            if process is None:
                found.append(ProcessStatus(name, None, 0.0, ready=False, detail="not running"))
                continue
            ready, detail = _ready(client, made.url(name)) if name in workers else (True, "")
            lived = round(time.time() - process.create_time(), 1)
            found.append(ProcessStatus(name, process.pid, lived, ready, detail))
    return found


def _ready(client: httpx2.Client, url: str) -> tuple[bool, str]:
    try:
        answer = client.get(f"{url}/readyz")
    except httpx2.ConnectError:
        return False, "does not listen"
    except httpx2.HTTPError as error:
        return False, f"/readyz: {type(error).__name__}"
    return answer.status_code == HTTPStatus.OK, words(answer)


def _show(found: Status, data: Path) -> None:
    console = Console()
    if found.processes:
        console.print(_process_table(found))
    else:
        console.print(f"no stack runs in {data} (`noli up` starts one)\n", highlight=False)
    if found.broker_error:
        console.print(Text(found.broker_error, "bold red"))
        return
    console.print(
        _table(
            "topics",
            ("topic", "partitions", "written"),
            [(topic.name, str(topic.partitions), f"{topic.written:,}") for topic in found.topics],
        )
    )
    if found.lags:
        console.print(_lag_table(found))


def _process_table(found: Status) -> Table:
    table = _titled("processes")
    for name in ("process", "state", "pid", "up", ""):
        table.add_column(name, justify="right" if name in {"pid", "up"} else "left")
    for one in found.processes:
        state = Text("ready", "green") if one.ready else Text("not ready", "bold red")
        up = screen.age(one.up_seconds) if one.pid else ""
        table.add_row(one.name, state, str(one.pid or ""), up, Text(one.detail, "dim"))
    return table


def _table(title: str, columns: tuple[str, str, str], rows: list[tuple[str, str, str]]) -> Table:
    table = _titled(title)
    for name in columns:
        table.add_column(
            name, justify="right" if name in {"partitions", "written", "lag"} else "left"
        )
    for row in rows:
        table.add_row(*row)
    return table


def _titled(title: str) -> Table:
    return Table(
        title=f"\n{title}", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0)
    )
