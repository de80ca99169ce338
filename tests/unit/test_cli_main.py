"""The command table: quick, lazy, and clear when something is wrong."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from noli.cli import main
from noli.cli.problem import ProblemError


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_row_leads_to_a_command_with_help(name: str) -> None:
    """Each sub-command can be loaded and has a help text."""
    module = importlib.import_module(main.COMMANDS[name].module)
    assert isinstance(module.app, typer.Typer)
    result = CliRunner().invoke(main.app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


def test_the_help_lists_every_command_without_importing_one() -> None:
    """`noli --help` shows the table and imports neither Kafka, HTTP client nor sub-command."""
    program = (
        "import sys; from noli.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'confluent_kafka', 'httpx2', 'pydantic', 'fastavro', 'noli.cli.stack'}\n"
        "sys.exit(f'imported: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30
    )
    assert run.returncode == 0, run.stderr
    for name in main.COMMANDS:
        assert name in run.stdout


def test_an_unknown_command_is_answered_with_the_nearest() -> None:
    """A typing mistake gets a suggestion and exit code 2."""
    result = CliRunner().invoke(main.app, ["topcs"])
    assert result.exit_code == 2
    assert "topics" in result.output


def test_a_problem_is_printed_without_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fact first, the detail marked, the remedy last; exit code 1."""

    def fail(**_options: str) -> None:
        raise ProblemError("the sky is down", "hold it up", "line one\nline two")

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        "noli: the sky is down",
        "  | line one",
        "  | line two",
        "  → hold it up",
    ]
