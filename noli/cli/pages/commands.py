"""docs/reference/cli.md, from the table of commands."""

from __future__ import annotations

import re
from typing import Final

import typer
from typer.cli import get_docs_for_click

from noli.cli import main
from noli.cli.pages.markdown import code, head, table

_INTRODUCTION: Final = (
    "`noli COMMAND --help` says the same in the terminal. A problem is printed with its\n"
    "remedy and ends with exit code 1."
)
#: Three blank lines and more come from typer's own sections.
_GAP: Final = re.compile(r"\n{3,}")


def page() -> str:
    """The page."""
    rows = [(f"[{code(name)}](#noli-{name})", row.help) for name, row in main.COMMANDS.items()]
    parts = [head("Command line", _INTRODUCTION), table(["command", "what it does"], rows)]
    parts += [section(name) for name in main.COMMANDS]
    return _GAP.sub("\n\n", "\n".join(parts)).rstrip() + "\n"


def section(name: str) -> str:
    """One command with its sub-commands, arguments and options."""
    command = main.load(name)
    context = typer.Context(command, info_name=name)
    return get_docs_for_click(obj=command, ctx=context, indent=1, name=name, call_prefix="noli")
