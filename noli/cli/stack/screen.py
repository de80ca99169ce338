"""The one live screen of `noli up`: processes, endpoints, alignment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from noli.cli.stack import endpoints
from noli.cli.stack.ports import HOST
from noli.cli.stack.reports import UnitReport, reported
from noli.cli.stack.supervisor import Supervisor
from noli.cli.stack.unit import State, Unit

_FRAME_SECONDS: Final = 0.5
#: Columns that keep their width when a message is long, in characters.
_NAME_WIDTH: Final = 16
_STATE_WIDTH: Final = 9
_PID_WIDTH: Final = 7
_AGE_WIDTH: Final = 9
_STYLES: Final = {
    State.STARTING: "yellow",
    State.READY: "green",
    State.UNREADY: "bold yellow",
    State.WAITING: "bold red",
    State.STOPPED: "dim",
}

#: Application → how far it is aligned, in words; what the receipts say.
Alignment = Callable[[], Mapping[str, str]]


def nothing_known() -> Mapping[str, str]:
    """The alignment of a stack whose receipts nobody reads yet."""
    return {}


async def show(
    supervisor: Supervisor, console: Console, alignment: Alignment = nothing_known
) -> None:
    """Draw until cancelled; nothing where the output is no terminal."""
    if not console.is_terminal:
        return
    with Live(console=console, auto_refresh=False) as live:
        try:
            while True:
                live.update(frame(supervisor, alignment()), refresh=True)
                await asyncio.sleep(_FRAME_SECONDS)  # a clock: ages and alignment move by time
        finally:
            live.update(frame(supervisor, alignment()), refresh=True)


def frame(supervisor: Supervisor, aligned: Mapping[str, str]) -> Group:
    """One picture."""
    parts: list[RenderableType] = [_headline(supervisor), _processes(supervisor)]
    if supervisor.serving:
        parts.append(_endpoints(supervisor))
    if aligned:
        parts.append(_alignment(aligned))
    if not supervisor.stopping:
        parts.append(Text("\nCtrl-C stops everything.", "dim"))
    return Group(*parts)


def _headline(supervisor: Supervisor) -> Text:
    up = age(time.monotonic() - supervisor.started)
    count = len(supervisor.units)
    if supervisor.stopping:
        left = sum(unit.state is not State.STOPPED for unit in supervisor.units.values())
        return Text(
            f"Noli is stopping: {left} processes left\n" if left else "Noli stopped\n", "bold"
        )
    if supervisor.ready:
        return Text(f"Noli is ready ({count} processes, {up})\n", "bold green")
    if not supervisor.serving:
        return Text(f"Noli is starting ({up})\n", "bold yellow")
    missing = [unit.name for unit in supervisor.units.values() if unit.state is not State.READY]
    return Text(f"Noli is not ready: {', '.join(missing)} ({up})\n", "bold yellow")


def _processes(supervisor: Supervisor) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True)
    table.add_column("process", no_wrap=True, min_width=_NAME_WIDTH)
    table.add_column("state", no_wrap=True, min_width=_STATE_WIDTH)
    table.add_column("pid", justify="right", min_width=_PID_WIDTH)
    table.add_column("up", justify="right", no_wrap=True, min_width=_AGE_WIDTH)
    table.add_column("restarts", justify="right", min_width=len("restarts"))
    table.add_column("", overflow="ellipsis", no_wrap=True, style="dim", ratio=1)
    for unit in supervisor.units.values():
        table.add_row(
            unit.name,
            Text(unit.state, _STYLES[unit.state]),
            str(unit.pid or ""),
            age(time.monotonic() - unit.since) if unit.pid else "",
            Text(str(unit.restarts), "bold red" if unit.restarts else "dim"),
            unit.detail,
        )
    return table


def _endpoints(supervisor: Supervisor) -> Padding:
    plan = supervisor.plan
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(min_width=_NAME_WIDTH)
    for name in ("status", "intake", "lookup"):
        if name in plan.ports:
            table.add_row(name, plan.url(name))
    table.add_row("kafka", f"{HOST}:{plan.ports['kafka']}")
    table.add_row("API key and all", str(plan.data / endpoints.FILE))
    return Padding(table, (1, 0, 0, 0))


def _alignment(aligned: Mapping[str, str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("application", no_wrap=True)
    table.add_column("aligned")
    for app, words in aligned.items():
        table.add_row(app, words)
    return table


class Lines:
    """The same news as lines of text, one a change of state."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, State] = {}

    def tell(self, news: Unit | UnitReport | str) -> None:
        """Print a line, unless only a detail changed."""
        if isinstance(news, str):
            self._console.print(f"  {news}", highlight=False, soft_wrap=True)
            return
        report = reported(news) if isinstance(news, Unit) else news
        if self._last.get(report.name) == report.state:
            return
        self._last[report.name] = report.state
        words = Text(f"  {report.name:<18} ").append(f"{report.state:<10}", _STYLES[report.state])
        if report.state is State.READY:
            words.append(f"after {report.seconds:.1f} s", "dim")
        else:
            words.append(report.detail, "dim")
        if report.state is not State.STARTING or report.restarts:
            self._console.print(words, soft_wrap=True)


def age(seconds: float) -> str:
    """A duration as a person reads it: `9 s`, `4 min 05 s`, `2 h 07 min`."""
    whole = int(seconds)
    minute, hour = 60, 3600
    if whole < minute:
        return f"{whole} s"
    if whole < hour:
        return f"{whole // minute} min {whole % minute:02d} s"
    return f"{whole // hour} h {whole % hour // minute:02d} min"
