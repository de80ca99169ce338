"""What a person sees of a stack: the live screen, the lines, and the news of a detached one."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from noli.cli.problem import ProblemError
from noli.cli.stack import reports, screen
from noli.cli.stack.jars import Jars
from noli.cli.stack.java import Java
from noli.cli.stack.plan import Plan
from noli.cli.stack.supervisor import Supervisor
from noli.cli.stack.unit import State, Unit


async def a_supervisor(tmp_path: Path) -> Supervisor:
    """One that runs nothing, with a ready and a dying unit."""
    ports = {"kafka": 1, "intake": 2, "lookup": 3, "registry": 4}
    plan = Plan(tmp_path, (), ports, Java(Path("java"), "PATH", 25), Jars(tmp_path))
    supervisor = Supervisor(plan, lambda _news: None)
    supervisor.units = {
        "intake": Unit("intake", tmp_path / "i.log", state=State.READY, pid=4711),
        "lookup": Unit(
            "lookup",
            tmp_path / "l.log",
            state=State.WAITING,
            pid=4712,
            restarts=3,
            detail="exit code 1, again in 2.0 s: " + "why " * 60,
        ),
    }
    supervisor.serving = True
    return supervisor


def drawn(supervisor: Supervisor, aligned: dict[str, str] | None = None) -> str:
    """The frame as text, 100 columns wide."""
    out = io.StringIO()
    Console(file=out, width=100).print(screen.frame(supervisor, aligned or {}))
    return out.getvalue()


async def test_a_long_message_leaves_the_columns_alone(tmp_path: Path) -> None:
    """Pid, restarts and state stay readable beside a message that is longer than the line."""
    text = drawn(await a_supervisor(tmp_path))
    assert "4711" in text
    assert "4712" in text
    assert all(len(line) <= 100 for line in text.splitlines())
    assert "not ready: lookup" in text
    assert "Ctrl-C" in text


async def test_alignment_has_its_place(tmp_path: Path) -> None:
    """Where the receipts say how far an application is, the screen shows it."""
    assert "crm" in drawn(await a_supervisor(tmp_path), {"crm": "aligned as of 12:00:00"})


async def test_a_stack_that_stops_says_what_is_left(tmp_path: Path) -> None:
    """While stopping, the headline counts what still runs and offers no Ctrl-C."""
    supervisor = await a_supervisor(tmp_path)
    supervisor.stopping = True
    text = drawn(supervisor)
    assert "stopping: 2 processes left" in text
    assert "Ctrl-C" not in text


def test_lines_tell_changes_of_state_once() -> None:
    """A log gets one line per change of state, not one per detail."""
    out = io.StringIO()
    lines = screen.Lines(Console(file=out, width=200))
    unit = Unit("intake", Path("x"), state=State.READY)
    lines.tell(unit)
    lines.tell(unit)
    unit.state, unit.detail = State.WAITING, "exit code 1, again at once"
    lines.tell(unit)
    assert [line.split()[1] for line in out.getvalue().splitlines()] == ["ready", "waiting"]


def test_news_cross_the_pipe() -> None:
    """A change, a line and the end of the start arrive as they were told."""
    reader, writer = os.pipe()
    pen = reports.Writer(writer)
    pen.unit(Unit("intake", Path("x"), state=State.READY, restarts=2))
    pen.say("topics and schemas: in order")
    pen.ready()
    os.close(writer)
    change, line, done = list(reports.read(reader, 5))
    os.close(reader)
    assert isinstance(change, reports.UnitReport)
    assert (change.name, change.state, change.restarts) == ("intake", State.READY, 2)
    assert (line, done) == ("topics and schemas: in order", None)


def test_the_reason_of_a_failed_start_crosses_the_pipe() -> None:
    """What ended the supervisor is raised in the command that started it."""
    reader, writer = os.pipe()
    reports.Writer(writer).failed(ProblemError("kafka does not start", "look", "a log"))
    os.close(writer)
    with pytest.raises(ProblemError, match="kafka does not start") as told:
        list(reports.read(reader, 5))
    os.close(reader)
    assert (told.value.remedy, told.value.detail) == ("look", "a log")


def test_a_supervisor_without_listener_goes_on() -> None:
    """When the command that started it is gone, news go nowhere, without an error."""
    reader, writer = os.pipe()
    os.close(reader)
    pen = reports.Writer(writer)
    pen.say("to nobody")
    pen.say("again")
    assert pen._descriptor is None


@pytest.mark.parametrize(
    "seconds, words",
    [(9.9, "9 s"), (65, "1 min 05 s"), (7265, "2 h 01 min"), (0, "0 s")],
)
def test_ages_are_read_at_a_glance(seconds: float, words: str) -> None:
    """A duration has at most two units."""
    assert screen.age(seconds) == words
