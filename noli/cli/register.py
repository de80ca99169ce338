"""`noli register request|load`: the public register of objections (RPO), list and answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from connectors.sources.rpo.answer import Answer
from connectors.sources.rpo.dialect import Dialect, DialectError, Register, load, names
from connectors.sources.rpo.events import Asked
from noli.cli import bulk, said, target
from noli.cli.problem import ProblemError
from noli.cli.registering import answer as answers
from noli.cli.registering import request as requests
from noli.cli.sending.rejects import Rejects
from noli.domain import times
from noli.runtime.clock import now_ms

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="The register of objections (RPO): write the list to be verified, load the answer.",
)

#: Some line was refused, or taken with a doubt.
_REJECTED = 2

ControllerOption = Annotated[str, typer.Option(help="Whose contacts.")]
DialectOption = Annotated[
    str, typer.Option(help="Layout of the files: one of ours (`noli register dialects`) or a file.")
]
ListOption = Annotated[Register, typer.Option("--list", help="Which of the two lists.")]
AsOfOption = Annotated[str, typer.Option(metavar="T", help="When the register answered, RFC 3339.")]
ListedOption = Annotated[list[str] | None, typer.Option(help="Outcome that means listed, e.g. 1.")]
ClearOption = Annotated[
    list[str] | None, typer.Option(help="Outcome that means not listed, e.g. 0.")
]
KnownOption = Annotated[
    bool, typer.Option("--known-only", help="Pass over numbers this controller has not.")
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Load the good lines though most are bad.")
]
RejectsOption = Annotated[
    Path | None, typer.Option(help="Where bad lines go.  [default: beside ANSWER]")
]


@app.command()
def dialects() -> None:
    """List the dialects that come with Noli; copy one to write your own."""
    for name in names():
        found = _dialect(name, None)
        typer.echo(f"{name} ({', '.join(found.lists)}): {found.about}")


@app.command("request")
def request_(
    *,
    controller: ControllerOption,
    dialect: DialectOption,
    out: Annotated[Path, typer.Option(dir_okay=False, help="The file to write; mode 0600.")],
    register: ListOption = Register.PHONE,
    due: Annotated[
        str | None,
        typer.Option(metavar="3d", help="Only whose check lapses within that time; days or hours."),
    ] = None,
    zipped: Annotated[bool, typer.Option("--zip", help="Zip it.")] = False,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Write the numbers (or addresses) of a controller that the register must verify.

    Italian landlines and mobiles with a basis that is not void, not erased. A check counts from the
    later of the last one and the newest consent. The file appears whole or not at all.
    """
    layout = _dialect(dialect, register)
    layout = layout.model_copy(update={"zip": layout.zip or zipped})
    until = None if due is None else now_ms() + requests.span(due)
    desk = bulk.opened(data)
    values = requests.selected(desk, said.controller(controller), register, until)
    count = requests.written(out, layout, register, values)
    desk.screen.print(f"{count:,} to be verified: {escape(str(out))}", style="green")


@app.command("load")
def load_(
    answer: Annotated[Path, typer.Argument(metavar="ANSWER", exists=True, dir_okay=False)],
    *,
    controller: ControllerOption,
    as_of: AsOfOption,
    dialect: DialectOption,
    register: ListOption = Register.PHONE,
    listed: ListedOption = None,
    clear: ClearOption = None,
    known_only: KnownOption = False,
    force: ForceOption = False,
    rejects: RejectsOption = None,
    wait: Annotated[bool, typer.Option(help="Wait until every verdict is decided.")] = True,
    data: target.DataOption = target.DEFAULT_DATA,
) -> None:
    """Load the register's answer: who is listed, who left, who was verified; behind objections.

    The whole file is read before anything is sent. Exit code 0 when every line was taken, 2 when
    some were refused: each is told with its cause and kept in the rejects file. Interrupted? Run it
    again: it goes on, and a finished load changes nothing.
    """
    layout = _saying(_dialect(dialect, register), listed, clear)
    moment = _past(as_of)
    desk = bulk.opened(data)
    digest = bulk.digest(answer)
    asked = Asked(said.controller(controller), register, moment, f"rpo:{digest}")
    kept = Rejects(
        rejects or answer.with_name(f"{answer.stem}.rejects.csv"), ["line"], layout.delimiter
    )
    found = Answer(answer, layout, register, moment)
    try:
        survey = answers.surveyed(found, kept, desk.screen)
    except DialectError as error:
        raise ProblemError(str(error), "correct --dialect; nothing was loaded") from error
    answers.check(survey, answer, kept, force=force)
    job = desk.journal(digest, layout.model_dump_json(), *asked, known_only)
    if job.finished:
        desk.screen.print("loaded before: nothing to send")
    else:
        before = answers.standing(desk, asked, known_only=known_only)
        bulk.deliver(desk, job, answers.rows(desk, found, asked, before, job.lines), survey.last)
    _tell(desk, survey, kept)
    if wait:
        bulk.wait(desk, job)
    raise typer.Exit(0 if survey.clean else _REJECTED)


def _tell(desk: bulk.Desk, survey: answers.Survey, kept: Rejects) -> None:
    parts = [f"{survey.good:,} lines taken"]
    if survey.refused:
        parts.append(f"{survey.refused:,} refused")
    if survey.doubted:
        parts.append(f"{survey.doubted:,} taken without their date")
    desk.screen.print(", ".join(parts), style="green" if survey.clean else "bold red")
    if kept.count:
        desk.screen.print(f"bad lines, with causes: {escape(str(kept.path))}")


def _past(as_of: str) -> int:
    moment = said.moment(as_of, "--as-of")
    if moment > now_ms():
        raise ProblemError(
            f"--as-of is in the future: {times.text(moment)}",
            "give the moment at which the register answered",
        )
    return moment


def _dialect(name: str, register: Register | None) -> Dialect:
    try:
        return load(name, register)
    except DialectError as error:
        raise ProblemError(str(error), "see docs/howto/consult-the-register.md") from error


def _saying(dialect: Dialect, listed: list[str] | None, clear: list[str] | None) -> Dialect:
    try:
        return dialect.saying(listed or [], clear or [])
    except DialectError as error:
        raise ProblemError(str(error), "see docs/howto/consult-the-register.md") from error
