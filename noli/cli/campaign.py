"""`noli campaign`: silent calls of campaigns, and the report that an inspection asks for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from noli.campaigns import log, page
from noli.campaigns.report import Report, day_date, report
from noli.campaigns.statistics import Statistics, TooYoung, Unusable, oldest_kept
from noli.cli import said, target
from noli.cli.problem import ProblemError
from noli.domain import times
from noli.domain.campaigns import day_of, ratio
from noli.runtime import registry, scan
from noli.runtime.clock import now_ms
from noli.runtime.settings import Settings
from noli.wire.campaigns import Campaign

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Silent calls of campaigns, and their report."
)

_CORNER: Final = "campaigns"
_UP: Final = "start the stack: `noli up`, or name another; `noli topics apply` makes missing topics"
_DSN: Final = "set NOLI_CAMPAIGNS_DSN to a PostgreSQL that this user may write to"
_POSTGRES: Final = "PostgreSQL"
_LOG: Final = "noli.campaigns"


class Form(StrEnum):
    """How a report is written."""

    CSV = "csv"
    HTML = "html"
    JSON = "json"


@app.command(name="list")
def listed(
    *,
    controller: Annotated[str | None, typer.Option(help="Only this one's.")] = None,
    over: Annotated[bool, typer.Option("--over", help="Only those that may not call.")] = False,
    data: target.DataOption = target.DEFAULT_DATA,
    as_json: target.JsonOption = False,
) -> None:
    """List campaigns: calls, ratio of silent ones, breaches, holds."""
    found, _ = _campaigns(data)
    if controller is not None:
        found = [each for each in found if each.controller == said.controller(controller)]
    found = [each for each in found if each.over or not over]
    if as_json:
        typer.echo(orjson.dumps([_document(each) for each in found], option=orjson.OPT_INDENT_2))
        return
    if not found:
        typer.echo("no campaign has made a call yet")
        return
    Console().print(_table(found))


@app.command(name="report")
def reported(
    campaign: Annotated[str, typer.Argument(metavar="CAMPAIGN")],
    *,
    controller: Annotated[str, typer.Option(help="Whose campaign it is.")],
    since: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="First day, 2026-01-31.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day.")] = None,
    form: Annotated[Form, typer.Option("--format", help="Of the report.")] = Form.HTML,
    csv: Annotated[bool, typer.Option("--csv", help="The same as --format csv.")] = False,
    html: Annotated[bool, typer.Option("--html", help="The same as --format html.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write it there.  [default: standard output]")
    ] = None,
    data: target.DataOption = target.DEFAULT_DATA,
    as_json: target.JsonOption = False,
) -> None:
    """Write the statistics of one campaign: a page to be printed, a table, or JSON.

    From PostgreSQL where NOLI_CAMPAIGNS_DSN is set, else from noli.campaigns. The SHA-256 of the
    data stands in the page and in JSON; for a table it is told on standard error.
    """
    chosen = Form.JSON if as_json else Form.CSV if csv else Form.HTML if html else form
    first, last = _day(since, "--from"), _day(until, "--to")
    found, source = _campaigns(data)
    made = _report(_one(found, said.controller(controller), campaign), (first, last), source)
    text = _WRITERS[chosen](made)
    if out is None:
        sys.stdout.write(text)
    else:
        _write(out, text)
    if chosen is Form.CSV:
        typer.echo(f"sha256 of the data: {made.sha256()}", err=True)


@app.command()
def store(data: target.DataOption = target.DEFAULT_DATA) -> None:
    """Bring the statistics in PostgreSQL up to date, once.

    `python -m noli.campaigns` does so for as long as it runs. Makes the tables where they are
    missing. What stands there and counted more is left.
    """
    settings = _settings(data)
    with _statistics(settings) as statistics:
        statistics.create()
        found = _from_log(settings)
        rows = statistics.put(found)
    typer.echo(f"{len(found)} campaigns, {rows} rows written")


@app.command()
def purge(
    *,
    before: Annotated[str, typer.Option(metavar="DAY", help="Days before this one.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete; else only say what would be.")
    ] = False,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Delete daily statistics older than the time they must be kept: two years and a month."""
    day, today = _day(before, "--before"), day_date(day_of(now_ms()))
    if day is None or day > oldest_kept(today):
        raise ProblemError(
            f"--before {before}: they are kept until {oldest_kept(today)}", "name an earlier day"
        )
    with _statistics(_settings(data)) as statistics:
        if not yes:
            typer.echo(f"would delete the days before {day}; --yes does it")
            return
        try:
            typer.echo(f"{statistics.purge(day, today)} rows deleted")
        except TooYoung as error:
            raise ProblemError(str(error), "name an earlier day") from error


def _settings(data: Path) -> Settings:
    return target.running(data, _CORNER)


def _campaigns(data: Path) -> tuple[list[Campaign], str]:
    """Every campaign, and where it was read. Raises `ProblemError`."""
    settings = target.settings(data)
    if settings.campaigns_dsn.get_secret_value():
        with _statistics(settings) as statistics:
            return statistics.campaigns(), _POSTGRES
    return _from_log(_settings(data)), _LOG


def _from_log(settings: Settings) -> list[Campaign]:
    try:
        return log.campaigns(settings, registry.codec(settings))
    except (registry.RegistryUnavailable, scan.LogUnavailable) as error:
        raise ProblemError(str(error), _UP) from error


@contextmanager
def _statistics(settings: Settings) -> Iterator[Statistics]:
    dsn = settings.campaigns_dsn.get_secret_value()
    if not dsn:
        raise ProblemError("no database of statistics is configured", _DSN)
    try:
        statistics = Statistics.open(dsn)
        try:
            yield statistics
        finally:
            statistics.close()
    except Unusable as error:
        raise ProblemError(str(error), f"{_DSN}; `noli campaign store` makes the tables") from error


def _one(found: list[Campaign], controller: str, name: str) -> Campaign:
    """The campaign. Raises `ProblemError` with the names there are."""
    ours = {each.campaign: each for each in found if each.controller == controller}
    if name.strip() not in ours:
        there = ", ".join(sorted(ours)) or "none yet"
        raise ProblemError(
            f"{controller} has no campaign {name.strip()!r}; there are: {there}",
            "`noli campaign list`",
        )
    return ours[name.strip()]


def _report(campaign: Campaign, days: tuple[date | None, date | None], source: str) -> Report:
    try:
        return report(campaign, *days, source, now_ms())
    except ValueError as error:
        raise ProblemError(str(error), "let --from be before --to") from None


_WRITERS: Final[Mapping[Form, Callable[[Report], str]]] = {
    Form.CSV: Report.csv,
    Form.HTML: page.html,
    Form.JSON: lambda made: made.json().decode() + "\n",
}


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, "utf-8", newline="")
    except OSError as error:
        raise ProblemError(f"{out}: {error.strerror}", "name another place: --out") from error
    typer.echo(f"written: {out}", err=True)


def _day(told: str | None, option: str) -> date | None:
    try:
        return None if told is None else date.fromisoformat(told)
    except ValueError:
        raise ProblemError(f"{option} is not a day", "give it as 2026-01-31") from None


def _document(campaign: Campaign) -> dict[str, object]:
    """For programs."""
    return {
        "controller": campaign.controller,
        "campaign": campaign.campaign,
        "at": times.text(campaign.at),
        "over": campaign.over,
        "over_since": None if campaign.over_since is None else times.text(campaign.over_since),
        "ratio": f"{ratio(campaign.whole):.2f}",
        **campaign.whole._asdict(),
    }


def _table(found: list[Campaign]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("campaign", overflow="fold")
    for name in ("attended", "silent", "in 100", "late", "no noise", "holds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for each in found:
        whole = each.whole
        table.add_row(
            escape(f"{each.controller} · {each.campaign}"),
            f"{whole.attended:,}",
            f"{whole.silent:,}",
            f"{ratio(whole):.2f}",
            f"{whole.late_cuts:,}",
            f"{whole.no_comfort_noise:,}",
            f"{whole.holds_confirmed:,}/{whole.holds_due:,}",
            "[bold red]over[/]" if each.over else "within",
        )
    return table
