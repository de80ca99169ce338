"""`noli reference`: pages of docs/ from the code, so that no page tells what is not so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from noli.cli.pages import commands, contracts, law, metrics, settings, sinks, topics
from noli.cli.problem import ProblemError

app = typer.Typer(add_completion=False)

#: By place below docs/.
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "explanation/law.md": law.page,
    "reference/cli.md": commands.page,
    "reference/metrics.md": metrics.page,
    "reference/schemas.md": contracts.page,
    "reference/settings.md": settings.page,
    "reference/sinks.md": sinks.page,
    "reference/topics.md": topics.page,
}


@app.command()
def reference(
    directory: Annotated[
        Path, typer.Argument(help="Where the pages go.", show_default=True)
    ] = Path("docs"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where a page is out of date.")
    ] = False,
) -> None:
    """Write the generated pages of docs."""
    stale = [name for name, page in PAGES.items() if page() != read(directory / name)]
    if check and stale:
        raise ProblemError(f"out of date: {', '.join(stale)}", "run `make docs` and commit")
    for name in stale:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PAGES[name](), "utf-8")
        typer.echo(f"wrote {path}")


def read(path: Path) -> str | None:
    """The page as it is, or nothing."""
    return path.read_text("utf-8") if path.exists() else None
