"""`noli app new` begins a sink that works, and it is the one the how-to shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from connectors.testing import SinkContract
from noli.cli import apps
from noli.cli.problem import ProblemError

ROOT: Final = Path(__file__).parents[2]


def new(name: str, folder: Path) -> Path:
    """The package that the command makes."""
    done = CliRunner().invoke(apps.app, ["new", name, "--into", str(folder)])
    if done.exception:
        raise done.exception
    return folder / f"noli-sink-{name}"


def test_a_new_sink_keeps_the_contract_before_anybody_wrote_a_line(tmp_path: Path) -> None:
    """Its own tests pass, every expectation among them; the entry point names its class."""
    package = new("acme-dialer", tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        argv, cwd=package, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert f"{len(SinkContract.expectations())} passed" in done.stdout, done.stdout[-3000:]
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    entry = {"acme-dialer": "noli_sink_acme_dialer:AcmeDialer"}
    assert project["entry-points"]["noli.sinks"] == entry
    assert "class AcmeDialer:" in (package / "noli_sink_acme_dialer" / "__init__.py").read_text()


def test_the_how_to_shows_what_the_command_writes() -> None:
    """One example, kept in one state."""
    page = (ROOT / "docs" / "howto" / "write-a-sink.md").read_text("utf-8")
    shown = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    folder = resources.files("noli.cli.applications").joinpath("template")
    assert shown is not None
    assert shown[1] == folder.joinpath("sink.py.txt").read_text("utf-8")


@pytest.mark.parametrize(
    "name, says", [("Acme", "is no name"), ("redis", "already"), ("twice", "is there already")]
)
def test_a_name_that_cannot_be_taken_is_refused(name: str, says: str, tmp_path: Path) -> None:
    """Nothing is written over."""
    (tmp_path / "noli-sink-twice").mkdir()
    with pytest.raises(ProblemError, match=says):
        new(name, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["noli-sink-twice"]
