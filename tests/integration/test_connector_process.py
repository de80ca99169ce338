"""`python -m connectors` as a whole: a real process, a real broker, a real application."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import yaml

from noli.cli import contracts
from noli.cli.stack import ports
from noli.cli.stack.program import Running, until
from noli.runtime import registry
from schemas.codec import Codec
from tests.support import decisions
from tests.support.bad_app import HANG, OK, SECRET, BadApp, bad_app, failing
from tests.support.connector import process_of
from tests.support.decisions import Desk, rows, token
from tests.support.stack import Stack

START_S: Final = 30.0
STOP_S: Final = 2.0


@dataclass
class World:
    """Decisions under the catalogue's own names, and one application."""

    stack: Stack
    folder: Path
    app: BadApp
    name: str
    codec: Codec

    def manifest(self, **over: Any) -> Path:  # noqa: ANN401 - fields of a manifest
        """The application's manifest."""
        config = {"url": self.app.url, "secret": {"env": "CRM_SECRET"}, "timeout_s": 5}
        content = {
            "app": self.name,
            "sink": "webhook",
            "controllers": [self.name],
            "purposes": ["marketing"],
            "config": {**config, "allow_private_addresses": True},
            **over,
        }
        path = self.folder / f"{self.name}.yaml"
        path.write_text(yaml.safe_dump(content), "utf-8")
        return path

    def desk(self) -> Desk:
        """The writer of decisions."""
        return Desk(self.stack.settings(instance="desk"), "noli.decisions", codec=self.codec)

    @contextmanager
    def process(self, manifest: Path) -> Iterator[tuple[Running, str]]:
        """A started process and the address of its health endpoints."""
        port = ports.choose(["connectors"])["connectors"]
        more = {"NOLI_HTTP_PORT": str(port), "CRM_SECRET": SECRET}
        with process_of(self.stack, self.folder, self.name, manifest, **more) as running:
            yield running, f"http://127.0.0.1:{port}"


def ask(url: str) -> tuple[int, str]:
    """Status and text of a GET; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def unanswered(requests: int) -> Callable[[BadApp], bool]:
    """Whether so many requests were taken in all and never answered."""
    return lambda app: sum(received.step is HANG for received in app.received) == requests


def is_ready(url: str) -> bool:
    """Whether /readyz is green."""
    return ask(f"{url}/readyz")[0] == 200


@pytest.fixture
def world(stack: Stack, tmp_path: Path) -> Iterator[World]:
    """An application of its own, and a controller of its own that only it serves."""
    settings = stack.settings(data=tmp_path / "desk")
    contracts.apply(settings)
    with bad_app() as app:
        yield World(stack, tmp_path, app, stack.prefix(), registry.codec(settings))


def test_a_process_serves_its_application_and_stops_at_once(world: World) -> None:
    """Ready, applies, shows metrics without personal data, ends on SIGTERM in under 2 s with 0."""
    with world.process(world.manifest()) as (running, url):
        until(lambda: is_ready(url), running, START_S)
        world.desk().claim(1).decide(1, 1, controller=world.name).beacon(decisions.now()).send()
        world.app.wait_for(lambda app: token(1).hex() in app.held)
        counted = f'noli_app_changes_total{{app="{world.name}",outcome="applied"}} 1.0'
        until(lambda: counted in ask(f"{url}/metrics")[1], running, STOP_S)
        metrics = ask(f"{url}/metrics")[1]
        began = time.monotonic()
        running.signal(signal.SIGTERM)
        assert running.gone.wait(STOP_S)
        assert (running.code, time.monotonic() - began < STOP_S) == (0, True)
    log = (world.folder / "log").read_text("utf-8")
    for text in ("39333", SECRET, token(1).hex()):
        assert text not in metrics + log
    assert world.app.complaints == []


def test_a_failing_application_is_not_an_unready_process(world: World) -> None:
    """/readyz stays green and tells the failures; a hanging target does not delay the stop."""
    world.app.always(failing(500))
    with world.process(world.manifest()) as (running, url):
        until(lambda: is_ready(url), running, START_S)
        world.desk().claim(1).decide(1, 1, controller=world.name).send()
        world.app.wait_for(lambda app: len(app.received) >= 3)
        status, text = ask(f"{url}/readyz")
        detail = json.loads(text)
        assert (status, detail["last_error"], detail["pending"]) == (200, "http_500", 1)
        assert detail["failures"] >= 1
        world.app.always(HANG)
        world.app.wait_for(lambda app: app.received[-1].step is HANG)
        running.signal(signal.SIGTERM)
        assert running.gone.wait(STOP_S)
        assert running.code == 0


def test_a_database_that_hangs_does_not_delay_the_stop(world: World, postgres_dsn: str) -> None:
    """Somebody holds the table: the process waits, and still ends on SIGTERM in under 2 s."""
    table = f"noli_{world.name}".replace("-", "_")
    path = world.manifest(sink="postgres", config={"dsn": postgres_dsn, "table": table})
    check = [sys.executable, "-m", "noli.cli", "app", "check", str(path), "--fix"]
    subprocess.run(check, check=True, timeout=START_S)
    with psycopg.connect(postgres_dsn) as dialer, world.process(path) as (running, url):
        dialer.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        until(lambda: is_ready(url), running, START_S)
        world.desk().claim(1).decide(1, 1, controller=world.name).send()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
        until(lambda: dialer.execute(waiting, [table]).fetchone() == (1,), running, START_S)
        running.signal(signal.SIGTERM)
        assert running.gone.wait(STOP_S)
        assert running.code == 0


def test_nothing_is_lost_when_the_process_is_killed(world: World) -> None:
    """Kill -9 while a request is unanswered, three times: all end denied, none is allowed again."""
    desk, path, count, kills = world.desk(), world.manifest(), 400, 3
    desk.claim(1)
    for version in range(1, kills + 1):
        allowed = [] if version == kills else ["sms"]
        for number in range(count):
            desk.decide(number, version, number % 8, controller=world.name, rows=rows(allowed))
        desk.send()
        world.app.script(OK, HANG)
        with world.process(path) as (running, _):
            world.app.wait_for(unanswered(version))
            running.signal(signal.SIGKILL)
            running.gone.wait()
    with world.process(path):
        world.app.wait_for(lambda app: sum(h.version == kills for h in app.held.values()) == count)
    assert not any(any(held.allowed.values()) for held in world.app.held.values())
    told: dict[str, int] = {}
    for received in world.app.received:
        for change in received.body["changes"]:
            assert change["version"] >= told.get(change["token"], 0)
            told[change["token"]] = change["version"]


@pytest.mark.parametrize(
    "over, says",
    [
        ({"sink": "smoke_signals"}, "sink: there is no sink 'smoke_signals'; there are: "),
        ({"config": {"url": "https://crm.example/"}}, "config.secret: is missing; Signing secret"),
        ({"config": {"url": "ftp://crm", "secret": SECRET}}, "config.url: Value error, is not an"),
        ({"colour": "red"}, "colour: is not a field; there are: app, sink, controllers"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_named_in_the_last_line(
    world: World, over: dict[str, Any], says: str
) -> None:
    """Exit code 1; the last line says file, field and what to write."""
    path = world.manifest(**over)
    with world.process(path) as (running, _):
        assert running.gone.wait(START_S)
    last = (world.folder / "log").read_text("utf-8").splitlines()[-1]
    assert running.code == 1
    assert f"{path}: {says}" in last
    assert SECRET not in last
