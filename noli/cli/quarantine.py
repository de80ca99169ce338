"""`noli quarantine list|show|resolve`: what nobody could read, and that somebody has dealt with it.

An unresolved record holds back the alignment of every application. Resolving it takes that away and
nothing else: its contact stays denied (docs/runbooks/quarantine.md). `show` alone prints the bytes
and the contact: personal data, for whoever asked.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.table import Table

from noli.cli import target
from noli.cli.applications import log
from noli.cli.applications.log import Log
from noli.cli.problem import ProblemError
from noli.domain import times
from noli.runtime import scan
from noli.runtime.apps import whoami
from noli.runtime.clock import now_ms
from noli.runtime.kafka import Acked, NotDurable
from schemas.codec import UnreadableError
from schemas.names import QUARANTINE

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Records nobody could read: look, resolve."
)

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="PARTITION:OFFSET, as `noli quarantine list` has it.")
]
_REMEDY: Final = "start the stack: `noli up`, or name another; `noli topics apply` makes topics"
#: Bytes of a value that are shown as text too; the rest is in the hexadecimal line.
_TEXT: Final = 2_000

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Kept:
    """A quarantined record; `datum` None: not even that could be read. `at` in ms.

    `resolved`: by whom and with which note, once somebody has.
    """

    at: int
    datum: dict[str, Any] | None
    resolved: tuple[int, str, str] | None = None

    @property
    def reason(self) -> str:
        """Why it could not be read; no contact in it."""
        return "not a record of ours" if self.datum is None else str(self.datum["reason"])

    @property
    def source(self) -> str:
        """Where it came from: topic, partition, offset."""
        if self.datum is None:
            return "?"
        return ":".join(str(self.datum[name]) for name in ("topic", "partition", "offset"))


@app.command("list")
def list_(
    data: target.DataOption = target.DEFAULT_DATA,
    as_json: target.JsonOption = False,
    every: Annotated[bool, typer.Option("--all", help="Those resolved, too.")] = False,
) -> None:
    """List what nobody has dealt with, the oldest first. No personal data.

    Exit code 1 while there is any.
    """
    found = read(log.opened(data))
    waiting = sum(one.resolved is None for one in found.values())
    shown = {p: one for p, one in found.items() if every or one.resolved is None}
    if as_json:
        typer.echo(orjson.dumps([_document(*each) for each in _sorted(shown)]))
    elif shown:
        Console().print(_table(shown))
    else:
        typer.echo("nothing is in quarantine")
    raise typer.Exit(1 if waiting else 0)


@app.command()
def show(identifier: IdArgument, data: target.DataOption = target.DEFAULT_DATA) -> None:
    """Print one record whole, bytes and contact: **personal data**."""
    place = _place(identifier)
    kept = _one(read(log.opened(data)), place)
    for name, value in _document(place, kept).items():
        typer.echo(f"{name}: {'' if value is None else value}")
    if kept.datum is None:
        return
    contact, value = kept.datum["contact"], kept.datum["value"]
    if contact is not None:
        typer.echo(f"contact: {contact['kind']} {contact['value']}")
    typer.echo(f"controller: {kept.datum['controller'] or ''}")
    typer.echo(f"key: {(kept.datum['key'] or b'').hex()}")
    typer.echo(f"value: {(value or b'').hex()}")
    text = (value or b"").decode("utf-8", "replace")[:_TEXT]
    typer.echo(f"as text: {''.join(c if c.isprintable() else '.' for c in text)}")


@app.command()
def resolve(
    identifier: IdArgument,
    note: Annotated[str, typer.Option(help="What was done about it; kept for ever.")],
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Say that somebody has dealt with a record: it holds no application back any more.

    Its contact stays denied, until a later event of the contact says otherwise.
    """
    there, place = log.opened(data), _place(identifier)
    kept = _one(read(there), place)
    if kept.resolved is not None:
        raise ProblemError(f"{identifier} was resolved by {kept.resolved[1]}", "nothing is to do")
    if not note.strip():
        raise ProblemError("--note is empty", "say what was done: who reads it knows only that")
    try:
        asyncio.run(_resolve(there, place, note))
    except NotDurable as error:
        raise ProblemError(f"the log did not take it: {error}", "look at `noli status`") from error
    typer.echo(f"{identifier}: resolved")


def read(there: Log) -> dict[Place, Kept]:
    """Every record, by its place. Raises `ProblemError`."""
    found: dict[Place, Kept] = {}
    try:
        for number in range(scan.partitions(there.settings, [QUARANTINE])[QUARANTINE]):
            for record in scan.records(there.settings, {QUARANTINE: number}):
                place = record.partition, record.offset
                try:
                    name, datum = there.codec.decode(record.value)
                except UnreadableError:
                    found[place] = Kept(record.at, None)
                    continue
                if name == "noli.Quarantine":
                    found[place] = Kept(datum["at"], datum)
                elif (of := found.get((datum["partition"], datum["offset"]))) is not None:
                    done = datum["at"], datum["by"], datum["note"]
                    found[datum["partition"], datum["offset"]] = Kept(of.at, of.datum, done)
    except scan.LogUnavailable as error:
        raise ProblemError(str(error), _REMEDY) from error
    return found


async def _resolve(there: Log, place: Place, note: str) -> None:
    datum = {
        "partition": place[0], "offset": place[1], "at": now_ms(), "by": whoami(), "note": note,
    }  # fmt: skip
    acked = Acked(there.settings)
    try:
        value = there.codec.encode("noli.QuarantineResolved", datum)
        # Behind what it resolves, so that it is read after it.
        await acked.send(QUARANTINE, None, value, place[0])
    finally:
        await acked.close()


def _place(identifier: str) -> Place:
    partition, colon, offset = identifier.partition(":")
    if not (colon and partition.isdecimal() and offset.isdecimal()):
        raise ProblemError(f"{identifier!r} is no ID", "`noli quarantine list` prints them: 3:17")
    return int(partition), int(offset)


def _one(found: dict[Place, Kept], place: Place) -> Kept:
    if place not in found:
        text = f"{place[0]}:{place[1]}"
        raise ProblemError(f"nothing is in quarantine at {text}", "`noli quarantine list --all`")
    return found[place]


def _sorted(found: dict[Place, Kept]) -> list[tuple[Place, Kept]]:
    return sorted(found.items(), key=lambda each: (each[1].at, each[0]))


def _document(place: Place, kept: Kept) -> dict[str, Any]:
    at, by, note = kept.resolved or (None, None, None)
    return {
        "id": f"{place[0]}:{place[1]}",
        "at": times.text(kept.at),
        "reason": kept.reason,
        "source": kept.source,
        "resolved_at": None if at is None else times.text(at),
        "resolved_by": by,
        "note": note,
    }


def _table(found: dict[Place, Kept]) -> Table:
    table = Table("id", "since", "reason", "came from", "resolved by", box=None)
    for place, kept in _sorted(found):
        said = _document(place, kept)
        columns = ("id", "at", "reason", "source", "resolved_by")
        table.add_row(*(str(said[name] or "") for name in columns))
    return table
