"""`noli app plan|add|remove`: what a manifest would write, an application that comes or goes."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from connectors import manifest, registry, snapshot
from connectors.ledger import fenced
from connectors.lens import Lens
from connectors.manifest import Manifest, ManifestError
from connectors.orders import face
from connectors.protocol import Change, Retry, Sink
from connectors.snapshot import View
from connectors.survey import look
from noli.cli import target
from noli.cli.applications import log
from noli.cli.applications.log import Log
from noli.cli.applications.orders import AppArgument, ReasonOption
from noli.cli.problem import ProblemError
from noli.cli.stack import plan, records
from noli.runtime import scan
from noli.wire.apps import App, State, Verb
from schemas.names import DECISIONS

_CORRECT: Final = "correct the manifest; docs/howto/connect-your-application.md shows one"
_CHECK: Final = "`noli app check MANIFEST` names what is wrong; --no-check adds it all the same"
ManifestArgument = Annotated[Path, typer.Argument(metavar="MANIFEST", help="The YAML file.")]


def opened(path: Path) -> tuple[Manifest, Sink]:
    """A manifest and its sink. Raises `ProblemError` naming the field."""
    try:
        found = manifest.load(path)
        return found, registry.open_sink(found, path)
    except ManifestError as error:
        raise ProblemError(str(error), _CORRECT) from error


def plan_command(
    path: ManifestArgument,
    most: Annotated[int, typer.Option(min=1, help="Contacts to look at, at most.")] = 100_000,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Show what the application would be told, and what of it is new there. Writes nothing."""
    found, sink = opened(path)
    whole = asyncio.run(_planned(log.opened(data), found, sink, most))
    console = Console(highlight=False)
    console.print(f"{found.app}: {whole['contacts']:,} contacts concern it")
    console.print(f"  {whole['allowed']:,} verdicts allow, {whole['denied']:,} deny")
    if sink.traits.read_back != "exact":
        console.print("  its sink cannot be read back: all of them would be written")
        return
    wrong = {name[5:]: count for name, count in whole.items() if name.startswith("here:")}
    new = wrong.pop("missing", 0)
    console.print(f"  {new:,} contacts are unknown there and would be written")
    for cause, count in sorted(wrong.items()):
        console.print(f"  {count:,} stand there otherwise ({cause}) and would be overwritten")
    left = whole["contacts"] - new - sum(wrong.values())
    console.print(f"  {left:,} stand there as they should, or need no row")


def add(
    path: ManifestArgument,
    check: Annotated[bool, typer.Option(help="Prove first that it can be reached.")] = True,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Connect an application: checked, written down, started where `noli up` runs.

    Elsewhere start `python -m connectors` with NOLI_APP_MANIFEST. Its first start reads every
    verdict from the beginning: that is its backfill.
    """
    found, sink = opened(path)
    problems = asyncio.run(_problems(sink)) if check else []
    if problems:
        raise ProblemError(f"{found.app}: it cannot be used yet", _CHECK, "\n".join(problems))
    there = log.opened(data)
    before = there.apps().get(found.app, App(found.app))
    ours = face(found, sink.traits)
    if before.face != ours or before.state is not State.RUNNING:
        verb = Verb.CHANGED if before.face and before.state is State.RUNNING else Verb.ADDED
        there.act(found.app, verb, face=ours)
    folder = _folder(data)
    if folder is None:
        typer.echo(f"{found.app}: added; start its connector with NOLI_APP_MANIFEST={path}")
        return
    place = folder / f"{found.app}.yaml"
    if place.resolve() != path.resolve():
        # A link: files that the manifest names relative to itself are found, edits are seen.
        place.unlink(missing_ok=True)
        place.symlink_to(path.resolve())
    typer.echo(f"{found.app}: added; `noli up` starts its connector from {place}")


def remove(
    app: AppArgument,
    reason: ReasonOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Tell the application nothing from now on. What it holds stays there, and grows old.

    Who removed it, when and why is kept for ever. `noli app add` brings it back.
    """
    there = log.opened(data)
    there.app(app)
    if not yes:
        typer.confirm(f"{app} will not hear of any objection from now on. Remove it?", abort=True)
    there.act(app, Verb.REMOVED, reason)
    folder = _folder(data)
    for place in _manifests_of(app, folder) if folder else ():
        place.rename(place.with_suffix(".removed"))
        typer.echo(f"{place} is now {place.with_suffix('.removed').name}")
    typer.echo(f"{app}: removed; empty what it holds, or see that nobody uses it")


def _folder(data: Path) -> Path | None:
    """Where the stack that runs here looks for manifests."""
    return plan.read(data).apps if records.living(data) else None


def _manifests_of(app: str, folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.glob("*.y*ml")):
        try:
            if manifest.load(path).app == app:
                found.append(path)
        except ManifestError:
            continue  # somebody else's, and not our business here
    return found


async def _problems(sink: Sink) -> list[str]:
    try:
        return [f"{problem.what}\n  → {problem.remedy}" for problem in await sink.check()]
    except Retry as error:
        return [f"the application did not answer: {error.reason}"]
    finally:
        await sink.aclose()


async def _planned(there: Log, found: Manifest, sink: Sink, most: int) -> Counter[str]:
    # Without canaries: it is of people that somebody asks here.
    lens = Lens(
        found.controllers,
        found.channels,
        found.purposes,
        third_party=found.third_party,
        canary=False,
    )
    whole: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="noli-plan-") as scratch:
        fence = fenced(sink, Path(scratch) / "ledger")
        view = View(there.settings, DECISIONS, lens, there.codec, Path(scratch))
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        try:
            with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
                for number in range(scan.partitions(there.settings, [DECISIONS])[DECISIONS]):
                    changes = _heard(view, number, bar)
                    await _count(changes, fence, most, whole)
        except scan.LogUnavailable as error:
            raise ProblemError(str(error), "see `noli status`") from error
        except Retry as error:
            raise ProblemError(f"the application did not answer: {error.reason}", _CHECK) from None
        finally:
            await fence.aclose()
    return whole


def _heard(view: View, number: int, bar: Progress) -> Generator[Change]:
    """The changes of a partition, with a bar."""
    task = bar.add_task(f"partition {number}", total=None)
    return snapshot.changes(
        view, number, lambda done, total: bar.update(task, completed=done, total=total)
    )


async def _count(changes: Generator[Change], sink: Sink, most: int, whole: Counter[str]) -> None:
    with closing(changes):
        while size := min(sink.traits.batch, most - whole["contacts"]):
            some = list(itertools.islice(changes, size))
            if not some:
                break
            await _add(sink, some, whole)


async def _add(sink: Sink, some: list[Change], whole: Counter[str]) -> None:
    whole["contacts"] += len(some)
    for change in some:
        for verdict in change.verdicts:
            whole["allowed" if verdict.allowed else "denied"] += 1
    if sink.traits.read_back == "exact":
        for one in await look(sink, some):
            whole[f"here:{one.cause.value}"] += 1
