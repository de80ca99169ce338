"""`noli app pause|resume|backfill|verify|repair|remove|status`: Kafka Connect's verbs, and ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from connectors.drift import DANGEROUS, Cause
from connectors.survey import UNREADABLE
from noli.cli import target
from noli.cli.applications import log, standing
from noli.cli.applications.log import Log
from noli.cli.problem import ProblemError
from noli.runtime import broker
from noli.runtime.standing import Standing, document, look
from noli.wire.apps import Job, State, Verb

#: Between two looks of `status --watch`, in seconds.
_WATCH_S: Final = 1.0
#: Exit code of a read-back that found somebody who may be contacted and must not be.
_DRIFTED: Final = 3

AppArgument = Annotated[str, typer.Argument(metavar="APP", help="Its name in the manifest.")]
ReasonOption = Annotated[
    str | None, typer.Option(help="Why, for the record; everybody who asks sees it.")
]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until it is done.")]
SampleOption = Annotated[
    float, typer.Option(min=0.0001, max=1.0, help="Share of the contacts to look at.")
]


def status(
    app: Annotated[str | None, typer.Argument(metavar="[APP]", help="Only this one.")] = None,
    data: target.DataOption = target.DEFAULT_DATA,
    as_json: target.JsonOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every second, until Ctrl-C.")
    ] = False,
) -> None:
    """Show each application: its state, as of when it is aligned, how far its last job is.

    Exit code 1 while one that is neither paused nor removed is not aligned.
    """
    if watch and as_json:
        raise ProblemError("--watch draws a table, --json prints once", "leave one of them out")
    found = log.opened(data)
    standings = _standings(found, app)
    if watch:
        standings = _watching(standings, lambda: _standings(found, app))
    elif as_json:
        documents = [document(one) for one in standings]
        typer.echo(orjson.dumps(documents, option=orjson.OPT_INDENT_2))
    else:
        standing.show(standings)
    running = [one for one in standings if one.app.state is State.RUNNING]
    raise typer.Exit(0 if all(one.aligned for one in running) else 1)


def _standings(found: Log, app: str | None) -> list[Standing]:
    apps = [found.app(app)] if app else sorted(found.apps().values(), key=lambda one: one.name)
    try:
        return look(found.settings, apps, found.codec)
    except broker.BrokerUnavailable as error:
        raise ProblemError(f"no Kafka at {found.settings.kafka}: {error}", "start it") from error


def _watching(seen: list[Standing], again: Callable[[], list[Standing]]) -> list[Standing]:
    """Draw what is seen until Ctrl-C; what was seen last."""
    with suppress(KeyboardInterrupt), Live(standing.table(seen), auto_refresh=False) as live:
        while not Event().wait(_WATCH_S):
            seen = again()
            live.update(standing.table(seen), refresh=True)
    return seen


def pause(
    app: AppArgument, reason: ReasonOption = None, data: target.DataOption = target.DEFAULT_DATA
) -> None:
    """Tell the application nothing until it is resumed. It is then not aligned, and says so."""
    _act(log.opened(data), app, Verb.PAUSED, reason)


def resume(
    app: AppArgument, reason: ReasonOption = None, data: target.DataOption = target.DEFAULT_DATA
) -> None:
    """Go on: the newest verdict of every contact that changed meanwhile is applied."""
    _act(log.opened(data), app, Verb.RESUMED, reason)


def backfill(
    app: AppArgument,
    wait: WaitOption = True,
    reason: ReasonOption = None,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Write every newest verdict again, grants too: for a target that was lost or put back."""
    _job(log.opened(data), app, Verb.BACKFILL, reason, wait=wait)


def verify(
    app: AppArgument,
    sample: SampleOption = 1.0,
    wait: WaitOption = True,
    reason: ReasonOption = None,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Read back what the application holds and count what is wrong, by cause. Writes nothing.

    Exit code 3 where it allows what is denied, does not know a contact, or is older.
    """
    _job(log.opened(data), app, Verb.VERIFY, reason, wait=wait, sample=sample)


def repair(
    app: AppArgument,
    sample: SampleOption = 1.0,
    wait: WaitOption = True,
    reason: ReasonOption = None,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Read back, and take away what the application wrongly allows. It never gives anything."""
    _job(log.opened(data), app, Verb.REPAIR, reason, wait=wait, sample=sample)


def _job(
    found: Log, app: str, verb: Verb, reason: str | None, *, wait: bool, sample: float = 1.0
) -> None:
    action = _act(found, app, verb, reason, sample)
    if not wait:
        typer.echo(f"`noli app status {app}` shows how far it is")
        return
    job = _watched(found, app, action)
    drift = job.drift()
    if drift.pop(UNREADABLE, 0):
        raise ProblemError(f"{app}: its sink cannot be read back", "`noli app backfill` writes all")
    contacts, written = (
        sum(getattr(part, name) for part in job.parts.values()) for name in ("contacts", "written")
    )
    typer.echo(f"{app}: {contacts:,} contacts looked at, {written:,} written again")
    for cause, count in sorted(drift.items()):
        typer.echo(f"  {count:,} {cause}: {_MEANING[cause]}")
    dangerous = verb is Verb.VERIFY and not DANGEROUS.isdisjoint(drift)
    raise typer.Exit(_DRIFTED if dangerous else 0)


_MEANING: Final[Mapping[str, str]] = {
    Cause.ALLOWED: "allowed there and denied by us",
    Cause.MISSING: "unknown there",
    Cause.OLDER: "an older version there: put back from a backup?",
    Cause.NEWER: "a version there that was never decided here: does another Noli write there?",
    Cause.DENIED: "denied there and allowed by us: coarser, or its own users said so; left alone",
}


def _watched(found: Log, app: str, action: str) -> Job:
    """The finished job, with a bar for whoever looks on."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{app}: waiting for its connector", total=None)

        def told(job: Job, partitions: int) -> None:
            parts = job.parts.values()
            if parts:
                # Partitions not begun yet are taken to be as long as the others.
                total = sum(part.total for part in parts) / len(parts) * partitions
                passed = sum(part.passed for part in parts)
                bar.update(task, description=f"{app}: {job.verb}", total=total, completed=passed)

        return found.follow(app, action, told)


def _act(found: Log, app: str, verb: Verb, reason: str | None, sample: float = 1.0) -> str:
    # A name that nobody knows is a slip of the pen.
    if found.app(app).state is State.REMOVED:
        raise ProblemError(f"{app} was removed", "`noli app add MANIFEST` brings it back")
    action = found.act(app, verb, reason, sample=sample)
    typer.echo(f"{app}: {verb.value}")
    return action
