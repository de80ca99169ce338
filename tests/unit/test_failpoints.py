"""Failpoints: nothing unless armed, armed only where that is allowed, and what is armed happens."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from noli.runtime import failpoints
from noli.runtime.failpoints import Failpoint, FailpointError, Injected, arm, failpoint

ROOT: Final = Path(__file__).parents[2]
PLACE: Final = Failpoint.PROCESSOR_STORED
DIES: Final = """\
from noli.runtime.failpoints import Failpoint, arm, failpoint
arm()
for number in range(5):
    print(number, flush=True)
    failpoint(Failpoint.PROCESSOR_STORED)
"""


def allowed(said: str) -> dict[str, str]:
    """An environment that may be broken."""
    return {"NOLI_FAILPOINTS": said, "NOLI_FAILPOINTS_ALLOWED": "1"}


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    """Whatever a test arms is disarmed afterwards."""
    yield
    arm({})


def test_nothing_happens_where_nothing_is_armed() -> None:
    """In production a failpoint is one look at a name."""
    arm({})
    assert failpoints._armed is None
    failpoint(PLACE)


def test_an_armed_place_breaks_at_its_turn_only() -> None:
    """The third hit raises; those before and behind, and other places, pass."""
    arm(allowed(f"{PLACE}:raise@3"))
    failpoint(PLACE)
    failpoint(Failpoint.PROCESSOR_STEPPED)
    failpoint(PLACE)
    with pytest.raises(Injected):
        failpoint(PLACE)
    failpoint(PLACE)


def test_several_are_armed_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Each armed place is a warning in the log of the process that will break."""
    arm(allowed(f"{PLACE}:pause:0, {Failpoint.ACKED_QUEUED}:raise"))
    failpoint(PLACE)
    with pytest.raises(Injected):
        failpoint(Failpoint.ACKED_QUEUED)
    lines = capsys.readouterr().err
    assert lines.count('"failpoint.armed"') == 2
    assert lines.count('"failpoint.hit"') == 2


@pytest.mark.parametrize(
    "said, names",
    [
        ("processor.stord:kill", "no failpoint 'processor.stord'; there are intake.before_produce"),
        ("processor.stored:explode", "no action in 'processor.stored:explode'; write NAME:kill@2"),
        ("processor.stored:kill:3", "no action in 'processor.stored:kill:3'; write"),
        ("processor.stored:pause", "no action in 'processor.stored:pause'; write"),
        ("processor.stored", "'processor.stored' cannot be read; write"),
        ("processor.stored:kill@0", "cannot be read"),
        ("processor.stored:kill,", "'' cannot be read"),
    ],
)
def test_what_cannot_be_armed_refuses_to_start(said: str, names: str) -> None:
    """The message names the variable, what is wrong and what there is."""
    with pytest.raises(FailpointError, match="NOLI_FAILPOINTS") as refused:
        arm(allowed(said))
    assert names in str(refused.value)


def test_nothing_is_armed_by_accident() -> None:
    """Without the second variable the process does not start at all."""
    with pytest.raises(FailpointError, match="unset it, or set NOLI_FAILPOINTS_ALLOWED=1"):
        arm({"NOLI_FAILPOINTS": f"{PLACE}:kill"})


def test_kill_is_the_signal_that_nobody_catches() -> None:
    """The process is gone at that hit, without a word of its own."""
    environment = {"PYTHONPATH": str(ROOT), **allowed(f"{PLACE}:kill@2")}
    done = subprocess.run(
        [sys.executable, "-c", DIES], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == ["0", "1"]


def test_every_failpoint_stands_in_the_code() -> None:
    """Each name of the registry is used by exactly one place."""
    used: Counter[str] = Counter()
    for package in ("noli", "connectors", "streams"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "failpoint":
                    used[ast.unparse(node.args[0]).removeprefix("Failpoint.")] += 1
    counts = {name: used[name] for name in Failpoint.__members__}
    assert counts == dict.fromkeys(Failpoint.__members__, 1)
