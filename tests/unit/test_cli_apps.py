"""`noli app status`: once, and again and again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from noli.cli import apps
from noli.cli.applications import log, orders
from noli.cli.applications.log import Log
from noli.cli.problem import ProblemError
from noli.runtime.settings import Settings
from noli.runtime.standing import Standing
from noli.wire.apps import App, Face, State
from schemas.codec import Codec
from tests.support.intake import codec

FACE = Face("redis", ("acme",), ("operator_call",), ("marketing",), third_party=False)


Status = Callable[..., Result]


class Apps:
    """What the log says, look by look; after the last, somebody presses Ctrl-C."""

    def __init__(self, *states: State) -> None:
        self._left = list(states)

    def __call__(self, _settings: Settings, found: list[App], _codec: Codec) -> list[Standing]:
        """The next look."""
        if not self._left:
            raise KeyboardInterrupt
        state = self._left.pop(0)
        return [Standing(App(one.name, state, face=FACE), None, 7, 8) for one in found]


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Status:
    """Runs the command on these looks."""
    there = Log(Settings(), codec())

    def run(looks: Apps, *words: str) -> Result:
        monkeypatch.setattr(log, "opened", lambda _data: there)
        monkeypatch.setattr(Log, "apps", lambda _self: {"crm": App("crm")})
        monkeypatch.setattr(orders, "look", looks)
        monkeypatch.setattr(orders, "_WATCH_S", 0)
        return CliRunner().invoke(apps.app, ["status", *words, "--data", str(tmp_path)])

    return run


def test_a_running_application_that_is_not_aligned_is_exit_code_1(status: Status) -> None:
    """With a line for people, with everything for programs."""
    shown = status(Apps(State.RUNNING))
    assert shown.exit_code == 1
    assert "not known yet" in shown.stdout
    (told,) = json.loads(status(Apps(State.RUNNING), "--json").stdout)
    assert (told["sink"], told["face"]["channels"]) == ("redis", ["operator_call"])
    assert (told["aligned"], told["records"]) == (False, 7)


def test_a_watch_goes_on_until_ctrl_c(status: Status) -> None:
    """Its exit code is that of what was seen last."""
    assert status(Apps(State.RUNNING, State.RUNNING, State.PAUSED), "--watch").exit_code == 0
    shown = status(Apps(State.PAUSED, State.RUNNING), "--watch", "crm")
    assert shown.exit_code == 1
    assert "running" in shown.stdout


def test_a_watch_prints_no_json(status: Status) -> None:
    """One of the two."""
    refused = status(Apps(State.RUNNING), "--watch", "--json").exception
    assert isinstance(refused, ProblemError)
