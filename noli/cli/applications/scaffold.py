"""`noli app new`: a package of your own with a sink that works, and its tests."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import typer

from connectors import registry
from noli.cli.problem import ProblemError

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
#: The class of the template, which is the page's (docs/howto/write-a-sink.md).
_CLASS: Final = "Sqlite"
#: Template → where it goes.
_FILES: Final = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "app.yaml": "app.yaml",
    "sink.py": "{package}/__init__.py",
    "test_contract.py": "tests/test_contract.py",
}


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the kind of application.")],
    into: Annotated[Path, typer.Option(help="Folder to make the package's folder in.")] = Path(),
) -> None:
    """Begin a sink of your own: a package that registers it, works, and passes the contract."""
    if not _NAME.fullmatch(name):
        raise ProblemError(f"NAME {name!r} is no name", "lower-case words, as in acme-dialer")
    if name in registry.names():
        raise ProblemError(f"there is a sink {name!r} already", "`noli app sinks` lists them")
    folder = into / f"noli-sink-{name}"
    if folder.exists():
        raise ProblemError(f"{folder} is there already", "remove it, or take another NAME")
    for template, place in _FILES.items():
        path = folder / place.format(**_words(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(template, name), "utf-8")
    typer.echo(
        f"{folder}: a sink that works; `pip install -e '{folder}[test]'`, then `pytest` there"
    )


def _words(name: str) -> dict[str, str]:
    return {
        "name": f"noli-sink-{name}",
        "sink": name,
        "package": f"noli_sink_{name.replace('-', '_')}",
        "class_name": "".join(word.capitalize() for word in name.split("-")),
    }


def _filled(template: str, name: str) -> str:
    folder = resources.files("noli.cli.applications").joinpath("template")
    text = folder.joinpath(f"{template}.txt").read_text("utf-8")
    if template == "sink.py":  # real code, the page's own: nothing in braces
        return re.sub(rf"\b{_CLASS}\b", _words(name)["class_name"], text)
    return text.format(**_words(name))
