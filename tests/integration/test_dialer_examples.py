"""The example dialers, as their reader runs them."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

import httpx2
import pytest

from noli.runtime.clock import now_ms
from tests.support.copies import CONTROLLER, PEPPER, Log, decision, denial, make, row
from tests.support.replica import DEADLINE_S, person

PLACE: Final = Path(__file__).parents[2] / "examples" / "dialer"
FREE, OBJECTED = "333 000 0001", "+39 333 0000002"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A copy that is fresh now: one who may be called, one who objected."""
    log = Log()
    log.claim(1)
    log.decide(person(1), decision([row()]))
    log.decide(person(2), decision([denial("OBJECTED")]))
    log.beacon(now_ms())
    make(tmp_path / "copy", log)
    return {
        **os.environ,
        "NOLI_REPLICA": str(tmp_path / "copy"),
        "NOLI_PEPPER": PEPPER.secret.hex(),
        "NOLI_LEASE_SECONDS": "300",
    }


def agi(environment: Mapping[str, str], *words: str) -> subprocess.Popen[str]:
    """`agi.py` as Asterisk starts it."""
    return subprocess.Popen(
        [sys.executable, str(PLACE / "agi.py"), *words],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def call(*arguments: str) -> str:
    """What Asterisk says first."""
    said = ["agi_request: agi.py", "agi_channel: PJSIP/1", "agi_language: it"]
    said += [f"agi_arg_{number}: {value}" for number, value in enumerate(arguments, 1)]
    return "\n".join([*said, "", ""])


@pytest.mark.parametrize(
    "arguments, allowed, reasons",
    [
        ((CONTROLLER, FREE), "1", ""),
        ((CONTROLLER, OBJECTED), "0", "OBJECTED"),
    ],
)
def test_asterisk_is_told_over_pipes(
    environment: dict[str, str], arguments: tuple[str, ...], allowed: str, reasons: str
) -> None:
    """Two variables, each acknowledged before the next; the process then ends well."""
    process = agi(environment)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(call(*arguments))
    process.stdin.flush()
    said = []
    for _ in range(2):
        said.append(process.stdout.readline())
        process.stdin.write("200 result=1\n")
        process.stdin.flush()
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert said == [
        f'SET VARIABLE NOLI_REASONS "{reasons}"\n',
        f'SET VARIABLE NOLI_ALLOWED "{allowed}"\n',
    ]
    assert process.returncode == 0, errors


def test_a_caller_that_hangs_up_is_not_allowed(environment: dict[str, str]) -> None:
    """Asterisk that refuses a command, or is gone, gets no allowance."""
    process = agi(environment)
    out, errors = process.communicate(call(CONTROLLER, FREE) + "511 dead\n", timeout=DEADLINE_S)
    assert "NOLI_ALLOWED" not in out
    assert process.returncode == 0, errors


def test_asterisk_is_told_over_tcp(environment: dict[str, str]) -> None:
    """FastAGI: many calls by one process, each with its own answer."""
    process = agi(environment, "--serve", "127.0.0.1:0")
    try:
        assert process.stderr is not None
        port = re.search(r"port (\d+)", process.stderr.readline())
        assert port is not None
        for arguments, allowed, reasons in (
            ((CONTROLLER, FREE), "1", ""),
            ((CONTROLLER, OBJECTED), "0", "OBJECTED"),
            ((CONTROLLER, FREE, "profiling"), "0", "NO_BASIS"),
            ((CONTROLLER, "anonymous"), "0", "QUARANTINED"),
            ((CONTROLLER,), "0", "agi.py needs the controller and the number"),
        ):
            with (
                socket.create_connection(("127.0.0.1", int(port[1])), DEADLINE_S) as connection,
                connection.makefile("rw", encoding="utf-8") as wire,
            ):
                wire.write(call(*arguments))
                wire.flush()
                said = []
                for _ in range(2):
                    said.append(wire.readline())
                    wire.write("200 result=1\n")
                    wire.flush()
                assert said == [
                    f'SET VARIABLE NOLI_REASONS "{reasons}"\n',
                    f'SET VARIABLE NOLI_ALLOWED "{allowed}"\n',
                ]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def web_app(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, as uvicorn imports it."""
    for name, value in environment.items():
        if name.startswith("NOLI_"):
            monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("web_app", PLACE / "web_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_a_web_service_asks_before_it_places_a_call(web_app: ModuleType) -> None:
    """202 and the call is placed; 403 with the reasons and it is not."""
    placed: list[str] = []

    async def place(number: str) -> None:
        placed.append(number)

    app = web_app.application(place)
    async with app.router.lifespan_context(app):
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app), base_url="http://dialer.test"
        )
        assert (await client.post("/calls", json={"number": FREE})).status_code == 202
        refused = await client.post("/calls", json={"number": OBJECTED})
        assert (refused.status_code, refused.json()) == (403, {"reasons": ["OBJECTED"]})
        assert (await client.post("/calls", json={})).status_code == 403
    assert placed == [FREE]
