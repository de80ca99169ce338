"""`noli app pause|resume|backfill|verify|repair|remove|status`: Kafka Connect's verbs, and ours."""

from __future__ import annotations

from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from noli.cli import target
from noli.cli.applications import log, standing
from noli.cli.applications.log import Log
from noli.cli.problem import ProblemError
from noli.runtime import broker
from noli.wire.apps import Job, State, Verb

#: What `connectors.survey` says in place of causes.
_UNREADABLE: Final = "cannot_be_read_back"
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
) -> None:
    """Show each application: its state, as of when it is aligned, how far its last job is.

    Exit code 1 while one that is neither paused nor removed is not aligned.
    """
    found = log.opened(data)
    apps = [found.app(app)] if app else sorted(found.apps().values(), key=lambda one: one.name)
    try:
        standings = standing.look(found.settings, apps)
        partitions = standing.partitions(found.settings)
    except broker.BrokerUnavailable as error:
        raise ProblemError(f"no Kafka at {found.settings.kafka}: {error}", "start it") from error
    if as_json:
        documents = [standing.document(one, partitions) for one in standings]
        typer.echo(orjson.dumps(documents, option=orjson.OPT_INDENT_2))
    else:
        standing.show(standings, partitions)
    running = [one for one in standings if one.app.state is State.RUNNING]
    raise typer.Exit(0 if all(one.aligned for one in running) else 1)


def pause(
    app: AppArgument, reason: ReasonOption = None, data: target.DataOption = target.DEFAULT_DATA
) -> None:
    """Tell the application nothing until it is resumed. It is then not aligned, and says so."""
    _act(log.opened(data), app, Verb.PAUSED, reason)


def resume(
    app: AppArgument, reason: ReasonOption = None, data: target.DataOption = target.DEFAULT_DATA
) -> None:
    """Go on: the newest verdict of every contact that changed meanwhile is applied."""
    found = log.opened(data)
    if found.app(app).state is State.REMOVED:
        raise ProblemError(f"{app} was removed", "`noli app add MANIFEST` brings it back")
    _act(found, app, Verb.RESUMED, reason)


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
    if found.app(app).state is State.REMOVED:
        raise ProblemError(f"{app} was removed", "`noli app add MANIFEST` brings it back")
    action = _act(found, app, verb, reason, sample)
    if not wait:
        typer.echo(f"`noli app status {app}` shows how far it is")
        return
    job = _watched(found, app, action)
    drift = job.drift()
    if drift.pop(_UNREADABLE, 0):
        raise ProblemError(f"{app}: its sink cannot be read back", "`noli app backfill` writes all")
    contacts, written = (
        sum(getattr(part, name) for part in job.parts.values()) for name in ("contacts", "written")
    )
    typer.echo(f"{app}: {contacts:,} contacts looked at, {written:,} written again")
    for cause, count in sorted(drift.items()):
        typer.echo(f"  {count:,} {cause}: {_MEANING[cause]}")
    dangerous = sum(drift.get(cause, 0) for cause in ("allowed", "missing", "older"))
    raise typer.Exit(_DRIFTED if verb is Verb.VERIFY and dangerous else 0)


_MEANING: Final = {
    "allowed": "allowed there and denied by us",
    "missing": "unknown there",
    "older": "an older version there: put back from a backup?",
    "newer": "a version there that was never decided here: does another Noli write there?",
    "denied": "denied there and allowed by us: coarser, or its own users said so; left alone",
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
    found.app(app)  # a name that nobody knows is a slip of the pen
    action = found.act(app, verb, reason, sample=sample)
    typer.echo(f"{app}: {verb.value}")
    return action
