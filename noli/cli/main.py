"""The `noli` command: a table of sub-commands, each imported only when it is called.

A new sub-command is one row here and one module with `app: typer.Typer`, holding one command or a
group of them.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Annotated, Any, Final, NamedTuple, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from noli.cli.problem import ProblemError
from noli.runtime.ownership import IntruderError, refuse_intruders

#: By convention the exit code of a program that Ctrl-C ended.
_INTERRUPTED: Final = 130


class Row(NamedTuple):
    """Where a sub-command lives, what it does, and under which heading the help lists it."""

    module: str
    help: str
    panel: str


_STACK: Final = "The stack on this machine"
_OPERATE: Final = "Any stack"
_LAW: Final = "Without a stack"
_HOUSE: Final = "This repository"

COMMANDS: Final[Mapping[str, Row]] = {
    "demo": Row("noli.cli.demo.command", "The main job on real input, in a minute.", _STACK),
    "up": Row("noli.cli.stack.up", "Start Kafka, the registry and every worker.", _STACK),
    "down": Row("noli.cli.stack.down", "Stop what `noli up` started, by pid.", _STACK),
    "status": Row("noli.cli.status", "One screen: processes, readiness, lag, topics.", _STACK),
    "lag": Row("noli.cli.lag", "How far each application is behind, and until when.", _OPERATE),
    "quarantine": Row("noli.cli.quarantine", "What nobody could read: look, resolve.", _OPERATE),
    "doctor": Row("noli.cli.doctor", "Say what is missing here and how to get it.", _STACK),
    "app": Row("noli.cli.apps", "Applications: connect, pause, read back, repair.", _OPERATE),
    "campaign": Row("noli.cli.campaign", "Silent calls of campaigns, and their report.", _OPERATE),
    "mint": Row("noli.cli.mint", "Mint pepper and API key for docker compose.", _OPERATE),
    "topics": Row("noli.cli.topics", "Compare topics and schemas with the catalogue.", _OPERATE),
    "send": Row("noli.cli.send", "Post the events of a file, NDJSON or CSV.", _OPERATE),
    "load": Row("noli.cli.load", "Load a file of consents, behind objections.", _OPERATE),
    "register": Row("noli.cli.register", "The register of objections: ask, load.", _OPERATE),
    "scrub": Row("noli.cli.scrub", "A list through the gate: verdicts, certificate.", _OPERATE),
    "replica": Row("noli.cli.replica", "Export, verify, import the local copy.", _OPERATE),
    "keys": Row("noli.cli.keys", "Add, list and revoke API keys.", _OPERATE),
    "unsubscribe-link": Row("noli.cli.link", "Print an unsubscribe link (RFC 8058).", _OPERATE),
    "explain": Row("noli.cli.explain", "Explain a contact, now or then, by its facts.", _OPERATE),
    "decide": Row("noli.cli.decide", "Answer a scenario by the law, without a broker.", _LAW),
    "reference": Row("noli.cli.reference", "Write the generated pages of docs.", _HOUSE),
}


class LazyGroup(TyperGroup):
    """Lists the table without importing it; imports the one command that is called."""

    def __init__(self, **attrs: Any) -> None:  # noqa: ANN401 - typer's own, passed on
        super().__init__(**attrs)
        for name, row in COMMANDS.items():
            stub = TyperCommand(name, help=row.help, rich_help_panel=row.panel)
            self.add_command(stub, name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - as in typer
        """The real command for a name; an unknown one gets typer's own error."""
        name, _stub, rest = super().resolve_command(ctx, args)
        return name, load(str(name)), rest


def load(name: str) -> Any:  # noqa: ANN401 - a click command, which typer does not export
    """Import the module of a sub-command and build it."""
    module = importlib.import_module(COMMANDS[name].module)
    command = typer.main.get_command(module.app)
    command.help = command.help or COMMANDS[name].help
    return command


app = typer.Typer(
    cls=LazyGroup, no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"noli {metadata.version('noli')}")
        raise typer.Exit


@app.callback()
def noli(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version."),
    ] = False,
) -> None:
    """Noli: when somebody says stop, every application holds that within seconds, with proof."""


def main() -> NoReturn:
    """Run the command line; a `ProblemError` is printed with its remedy, exit code 1."""
    try:
        refuse_intruders()
        app(prog_name="noli")
    except IntruderError as intruder:
        sys.exit(f"noli: {intruder}")
    except ProblemError as problem:
        show(problem)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # The reader (`| head`) has what it wants; Python would complain again while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def show(problem: ProblemError) -> None:
    """Print a problem on standard error: the fact, the detail, the remedy last."""
    lines = [f"noli: {problem.fact}"]
    lines += [f"  | {line}" for line in problem.detail.splitlines()]
    lines += [f"  → {problem.remedy}"] if problem.remedy else []
    sys.stderr.write("\n".join(lines) + "\n")
