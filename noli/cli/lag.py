"""`noli lag`: how far each application is behind, in seconds and records, and when it is through.

From `noli.alignment`, so it is what the watcher knows: refused and false confirmations, quarantine
and silence hold it back. No application and no connector is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from noli.cli import target
from noli.cli.applications import log
from noli.cli.problem import ProblemError
from noli.cli.stack import screen
from noli.runtime import broker
from noli.runtime.alignment import Board
from noli.runtime.clock import now_ms
from noli.runtime.scan import LogUnavailable
from noli.wire.alignment import DEAD_MS, OVERALL, Aligned
from noli.wire.apps import App, State
from schemas.names import DECISIONS

app = typer.Typer(add_completion=False)

#: Between two looks of `--watch`, in seconds.
_WATCH_S: Final = 1.0
_S: Final = 1_000
_REMEDY: Final = "start the stack: `noli up`; `noli topics apply` makes missing topics"


@dataclass(frozen=True, slots=True)
class Lag:
    """One application, or `*`. Times in ms; None: not known.

    `records`: between its frontier and the end of noli.decisions; `eta_s`: until they are done, at
    the pace of the last half minute.
    """

    app: str
    state: str
    aligned: bool
    as_of: int | None
    lag_seconds: float | None
    records: int | None
    pending: int
    records_a_second: float | None
    eta_seconds: float | None
    held_by: tuple[str, ...]
    last_error: str | None
    next_try: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """What is needed to say so."""

    found: Mapping[str, Aligned]
    apps: Mapping[str, App]
    ends: Mapping[int, int]
    paces: Mapping[str, float | None]
    now: int


@app.command()
def lag(
    data: target.DataOption = target.DEFAULT_DATA,
    as_json: target.JsonOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every second, until Ctrl-C.")
    ] = False,
) -> None:
    """Show how far each application is behind: in seconds, in records, and when it is through.

    Exit code 1 unless all together are aligned.
    """
    if watch and as_json:
        raise ProblemError("--watch draws a table, --json prints once", "leave one of them out")
    with looking(data) as look:
        seen = lags(look())
        if watch:
            with suppress(KeyboardInterrupt), Live(table(seen), auto_refresh=False) as live:
                while not Event().wait(_WATCH_S):
                    seen = lags(look())
                    live.update(table(seen), refresh=True)
        elif as_json:
            documents = [asdict(one) for one in seen]
            typer.echo(orjson.dumps(documents, option=orjson.OPT_INDENT_2))
        else:
            Console().print(table(seen))
    raise typer.Exit(0 if seen[-1].aligned else 1)


class Looking:
    """Called, it looks again."""

    def __init__(self, data: Path) -> None:
        self._log = log.opened(data)
        self._board = Board(self._log.settings, self._log.codec)

    def __call__(self) -> Look:
        """What stands now. Raises `ProblemError`."""
        try:
            found = self._board.look()
            client = broker.admin(self._log.settings)
            ends = broker.ends(client, broker.look(client), [DECISIONS])[DECISIONS]
        except (LogUnavailable, broker.BrokerUnavailable) as error:
            raise ProblemError(str(error), _REMEDY) from error
        paces = {name: self._board.pace(name) for name in found}
        return Look(dict(found), self._log.apps(), ends, paces, now_ms())

    def close(self) -> None:
        """Leave the brokers."""
        self._board.close()


@contextmanager
def looking(data: Path) -> Iterator[Looking]:
    """At the stack in `data` or of the environment. Raises `ProblemError`."""
    try:
        looks = Looking(data)
    except LogUnavailable as error:
        raise ProblemError(str(error), _REMEDY) from error
    try:
        yield looks
    finally:
        looks.close()


def lags(look: Look) -> list[Lag]:
    """Of every application that was not removed, the furthest behind first; all together last."""
    names = {name for name, one in look.apps.items() if one.state is not State.REMOVED}
    names |= {name for name in look.found if name not in look.apps and name != OVERALL}
    each = [_lag(name, look) for name in names]
    each.sort(key=lambda one: (-(one.lag_seconds or float("inf")), one.app))
    return [*each, _lag(OVERALL, look)]


def _lag(name: str, look: Look) -> Lag:
    found, registered = look.found.get(name), look.apps.get(name)
    as_of = found.as_of if found else None
    behind = None if found is None or name == OVERALL else _records(found, look.ends)
    pace = look.paces.get(name)
    age = None if as_of is None else max(0.0, (look.now - as_of) / _S)
    held = tuple(hold.why for hold in found.held_by) if found else ("not_reported",)
    fresh = age is not None and age < DEAD_MS / _S
    return Lag(
        app=name,
        state=registered.state.value if registered else "",
        aligned=fresh and not held,
        as_of=as_of,
        lag_seconds=age,
        records=behind,
        pending=found.pending if found else 0,
        records_a_second=pace,
        eta_seconds=behind / pace if behind and pace else None,
        held_by=held,
        last_error=found.last_error if found else None,
        next_try=found.next_try if found else None,
    )


def _records(found: Aligned, ends: Mapping[int, int]) -> int:
    frontiers = {point.partition: point.frontier for point in found.points}
    return sum(max(0, end - frontiers.get(number, 0)) for number, end in ends.items())


def table(seen: list[Lag]) -> Table:
    """One line an application."""
    found = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("application", "aligned as of", "records", "pending", "through in", "held by"):
        right = name in {"records", "pending", "through in"}
        found.add_column(name, justify="right" if right else "left")
    for one in seen:
        found.add_row(
            Text("all together", "bold") if one.app == OVERALL else one.app,
            _age(one),
            "" if one.records is None else f"{one.records:,}",
            f"{one.pending:,}",
            "" if one.aligned or one.eta_seconds is None else screen.age(one.eta_seconds),
            _why(one),
        )
    return found


def _age(one: Lag) -> Text:
    if one.lag_seconds is None:
        return Text("not known", "bold red")
    color = "green" if one.aligned else "bold red"
    return Text(f"{screen.age(one.lag_seconds)} ago", color)


def _why(one: Lag) -> str:
    words = [*one.held_by, *([one.last_error] if one.last_error else [])]
    return ", ".join(word.replace("_", " ") for word in words)
