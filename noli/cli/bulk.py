"""What commands that load share: the stack they load into, the journal, the bar, the wait."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from noli.cli import pepper, target
from noli.cli.problem import ProblemError
from noli.domain.token import Pepper
from noli.loading import force, journal
from noli.loading.journal import Journal
from noli.loading.loader import Loader, Row, Unsuited
from noli.runtime import broker, registry
from noli.runtime.kafka import Acked, NotDurable
from noli.runtime.settings import Settings
from schemas.codec import Codec
from schemas.names import BULK
from streams.topology import SUPPRESS

#: The commands' own directory in that of the stack: schema ids, journals.
CORNER: Final = "loads"
#: A worker that takes no chunk for so long is not there, in seconds.
_PATIENCE_S: Final = 30.0
_DIGEST_BYTES: Final = 10
_UP: Final = "start the stack: `noli up`, or name another"


@dataclass(frozen=True, slots=True)
class Desk:
    """A stack that can be loaded into. `cluster` is its Kafka's id."""

    settings: Settings
    codec: Codec
    pepper: Pepper
    partitions: int
    cluster: str
    screen: Console

    def journal(self, *said: object) -> Journal:
        """The journal of the job that these name: the file's digest, and what is made of it."""
        named = "\n".join(map(str, (self.cluster, *said)))
        job = hashlib.blake2b(named.encode(), digest_size=_DIGEST_BYTES).hexdigest()
        return journal.opened(self.settings.data, job)


def opened(data: Path) -> Desk:
    """The stack in `data` or of the environment. Raises `ProblemError`."""
    settings = target.running(data, CORNER)
    try:
        cluster = broker.look(broker.admin(settings))
        codec = registry.codec(settings)
    except broker.BrokerUnavailable as error:
        raise ProblemError(f"no Kafka at {settings.kafka}: {error}", _UP) from error
    except registry.RegistryUnavailable as error:
        raise ProblemError(str(error), _UP) from error
    counts = {topic: cluster.topics.get(topic, (0, 0))[0] for topic in (*SUPPRESS.lanes,)}
    if len(set(counts.values())) != 1 or not counts[BULK]:
        raise ProblemError(
            "the input topics are missing or differ in partitions",
            "`noli topics plan` tells which; `noli topics apply` makes those that are missing",
        )
    found = pepper.found(data, settings)
    return Desk(settings, codec, found, counts[BULK], cluster.id, Console(stderr=True))


def digest(path: Path) -> str:
    """Names a file by its content, hexadecimal."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES))
    return found.hexdigest()


def deliver(desk: Desk, job: Journal, rows: Iterable[Row], lines: int) -> None:
    """Send what the journal has not yet; `lines` is how many there are. Raises `ProblemError`."""
    with bar(desk.screen, "lines") as progress:
        task = progress.add_task("loading", total=lines, completed=min(job.lines, lines))

        async def run() -> None:
            acked = Acked(desk.settings)
            try:
                loader = Loader(acked, desk.codec, desk.pepper, desk.partitions, job)
                await loader.load(
                    rows, lambda line: progress.update(task, completed=min(line, lines))
                )
            finally:
                await acked.close()

        try:
            asyncio.run(run())
        except NotDurable as error:
            raise ProblemError(
                f"the log did not confirm: {error}",
                f"run the same command again: it goes on behind line {job.lines}",
            ) from error
        except Unsuited as error:
            raise ProblemError(str(error)) from error


def wait(desk: Desk, job: Journal) -> None:
    """Wait until every chunk of the job is decided on, and say so; or say that it is not yet."""
    if not job.ends:
        return
    with bar(desk.screen, "chunks") as progress:
        task = progress.add_task("waiting until it is in force", total=None)

        def left(behind: int) -> None:
            known = progress.tasks[0].total
            total = behind if known is None else known
            progress.update(task, total=total, completed=total - behind)

        try:
            done = force.awaited(desk.settings, SUPPRESS.group, job.ends, _PATIENCE_S, left)
        except broker.BrokerUnavailable as error:
            raise ProblemError(
                f"loaded, but whether it is in force cannot be seen: {error}",
                "run the same command again: it sends nothing twice, and waits",
            ) from error
    if done:
        desk.screen.print("in force: every verdict of it is decided", style="green")
    else:
        desk.screen.print(
            "loaded, not yet in force: no worker takes it. `noli status` shows them",
            style="bold red",
        )


def bar(screen: Console, what: str) -> Progress:
    """A bar that counts and says how long it will take."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(what),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
    )
