"""`noli reference`: docs/reference from the code, so that no page tells what is not so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from noli.cli.pages import commands, contracts, metrics, settings, topics
from noli.cli.problem import ProblemError

app = typer.Typer(add_completion=False)

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "cli.md": commands.page,
    "metrics.md": metrics.page,
    "schemas.md": contracts.page,
    "settings.md": settings.page,
    "topics.md": topics.page,
}


@app.command()
def reference(
    directory: Annotated[
        Path, typer.Argument(help="Where the pages go.", show_default=True)
    ] = Path("docs/reference"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where a page is out of date.")
    ] = False,
) -> None:
    """Write the generated pages of docs/reference."""
    stale = [name for name, page in PAGES.items() if page() != read(directory / name)]
    if check and stale:
        raise ProblemError(f"out of date: {', '.join(stale)}", "run `make docs` and commit")
    for name in stale:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(PAGES[name](), "utf-8")
        typer.echo(f"wrote {directory / name}")


def read(path: Path) -> str | None:
    """The page as it is, or nothing."""
    return path.read_text("utf-8") if path.exists() else None
