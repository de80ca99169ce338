"""`noli explain CONTACT`: what is allowed, or was at any moment, why, and on which evidence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from noli.cli import pepper, said, target
from noli.cli.explaining import screen
from noli.cli.problem import ProblemError
from noli.domain import contact as contacts
from noli.domain.channel import Channel, Kind, Purpose
from noli.domain.contact import Contact
from noli.domain.token import token
from noli.domain.wording import Language
from noli.evidence import document, history
from noli.evidence.explanation import Question, explain
from noli.runtime import registry, scan
from noli.runtime.clock import now_ms

app = typer.Typer(add_completion=False)

_NUMBER: Final = re.compile(r"[\d\s+().\-/]+")


@app.command(name="explain")
def main(
    contact: Annotated[str, typer.Argument(metavar="CONTACT", help="Number, address, …")],
    *,
    controller: Annotated[str, typer.Option(help="Who would contact.")],
    kind: Annotated[Kind | None, typer.Option(help="Guessed when absent.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="T", help="A moment, RFC 3339.  [default: now]")
    ] = None,
    channel: Annotated[Channel | None, typer.Option(help="Only this channel.")] = None,
    purpose: Annotated[Purpose | None, typer.Option(help="Only this purpose.")] = None,
    brand: Annotated[str | None, typer.Option(help="Only this brand.")] = None,
    product: Annotated[str | None, typer.Option(help="A category, for a soft opt-in.")] = None,
    lang: Annotated[Language, typer.Option(help="Of the words.")] = Language.ENGLISH,
    data: target.DataOption = target.DEFAULT_DATA,
    as_json: target.JsonOption = False,
) -> None:
    """Explain a contact from the evidence in the log: verdicts, reasons, facts, what will change.

    With --at, as it was known at that moment. Exit code 0 whatever the verdict.
    """
    question = Question(
        said.controller(controller),
        _contact(contact, kind),
        now_ms() if at is None else said.moment(at, "--at"),
        channel,
        purpose,
        brand,
        product,
    )
    found = explain(question, _history(question, data))
    if as_json:
        typer.echo(orjson.dumps(document.document(found, lang), option=orjson.OPT_INDENT_2))
    else:
        screen.show(found, lang, Console())


def _contact(said: str, kind: Kind | None) -> Contact:
    try:
        return contacts.normalise(kind or guess(said), said)
    except contacts.Unreadable as error:
        option = "" if kind else f" (read as {guess(said)}; --kind says otherwise)"
        raise ProblemError(f"the contact cannot be read{option}", error.remedy) from None


def guess(said: str) -> Kind:
    """What a contact seems to be: an e-mail has an @, a number nothing but what numbers have."""
    if "@" in said:
        return Kind.EMAIL
    return Kind.PHONE if _NUMBER.fullmatch(said) else Kind.POSTAL


def _history(question: Question, data: Path) -> history.History:
    """The contact's facts, with a bar while the log is read."""
    settings = target.running(data, "explain")
    key = token(pepper.found(data, settings), question.controller, question.contact)
    try:
        codec = registry.codec(settings)
        with _bar() as bar:
            task = bar.add_task("reading the log", total=None)
            return history.read(
                settings, codec, key, lambda n, of: bar.update(task, completed=n, total=of)
            )
    except registry.RegistryUnavailable as error:
        raise ProblemError(str(error), "start the stack: `noli up`, or name another") from error
    except scan.LogUnavailable as error:
        raise ProblemError(str(error), "start the stack: `noli up`, or name another") from error


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        console=Console(stderr=True),
        transient=True,
    )
