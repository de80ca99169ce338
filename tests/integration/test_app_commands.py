"""`noli app …` as somebody types it: a real log, a real table, a connector that runs."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.sql import SQL, Identifier
from typer.testing import CliRunner, Result

from noli.cli import apps, contracts
from noli.cli.problem import ProblemError
from noli.runtime import registry
from tests.support import decisions
from tests.support.blackbox import until
from tests.support.connector import process_of
from tests.support.decisions import Desk, rows, token
from tests.support.intake_process import started
from tests.support.stack import Stack

CALL = "operator_call"
PARTITIONS = 8


@dataclass
class Company:
    """A stack under the catalogue's own names, and an application with a table."""

    stack: Stack
    folder: Path
    name: str
    dsn: str
    desk: Desk

    @property
    def table(self) -> str:
        """Of the application."""
        return self.name.replace("-", "_")

    def manifest(self) -> Path:
        """The application's manifest."""
        config = {"dsn": self.dsn, "table": self.table, "timeout_s": 20}
        content = {
            "app": self.name, "sink": "postgres", "controllers": [self.name],
            "channels": [CALL], "purposes": ["marketing"], "config": config,
        }  # fmt: skip
        path = self.folder / f"{self.name}.yaml"
        path.write_text(yaml.safe_dump(content), "utf-8")
        return path

    @contextmanager
    def connector(self) -> Iterator[None]:
        """Its connector, until the block ends."""
        with process_of(self.stack, self.folder, self.name, self.manifest()) as running:
            yield
            running.signal(signal.SIGTERM)
            assert running.gone.wait(5)
            assert running.code == 0

    def noli(self, *words: str) -> Result:
        """A command, from a place where no stack of its own runs."""
        command = [*words, "--data", str(self.folder / "none")]
        return CliRunner().invoke(apps.app, command)

    def says(self, *words: str, code: int = 0) -> list[str]:
        """What a command prints, without the name of the application."""
        done = self.noli(*words)
        assert done.exit_code == code, done.output + repr(done.exception)
        return done.stdout.replace(f"{self.name}: ", "").splitlines()

    def status(self) -> dict[str, Any]:
        """What `status --json` says of the application."""
        (found,) = json.loads(self.noli("status", self.name, "--json").stdout)
        return dict(found)

    def sql(self, text: str, *values: object) -> Sequence[tuple[Any, ...]]:
        """A statement of the application's own users; `{}` is the table."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            done = connection.execute(SQL(text).format(Identifier(self.table)), values)
            return done.fetchall() if done.description else []

    def calls(self) -> dict[int, bool]:
        """Number of the contact → whether it may be called."""
        found = self.sql("SELECT token, allowed FROM {} WHERE channel = %s", CALL)
        return {int(t.removeprefix("01"), 16): allowed for t, allowed in found}

    def decide(self, *numbers: int, version: int = 1, **over: Any) -> None:  # noqa: ANN401
        """Decisions about these contacts; everything denied, but for `over`."""
        for number in numbers:
            self.desk.decide(number, version, number % PARTITIONS, controller=self.name, **over)
        for partition in range(PARTITIONS):
            self.desk.beacon(decisions.now(), partition)
        self.desk.send()


@pytest.fixture
def company(
    stack: Stack, tmp_path: Path, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> Company:
    """An application with a table, and whoever decides."""
    settings = stack.settings(data=tmp_path / "desk", instance="desk")
    contracts.apply(settings)
    for name, value in {"KAFKA": stack.kafka, "REGISTRY": stack.registry}.items():
        monkeypatch.setenv(f"NOLI_{name}", value)
    monkeypatch.setenv("NOLI_DATA", str(tmp_path / "desk"))
    desk = Desk(settings, "noli.decisions", codec=registry.codec(settings))
    for partition in range(PARTITIONS):
        desk.claim(1, partition)
    found = Company(stack, tmp_path, stack.prefix(), postgres_dsn, desk)
    assert CliRunner().invoke(apps.app, ["check", str(found.manifest()), "--fix"]).exit_code == 0
    return found


def test_the_life_of_an_application_by_command(company: Company) -> None:
    """Planned, added, read back, repaired, backfilled, paused, resumed, removed."""
    path = str(company.manifest())
    company.decide(1, 2, 3)
    company.decide(4, rows=rows([CALL]))
    assert company.says("plan", path) == [
        "4 contacts concern it",
        "  1 verdicts allow, 3 deny",
        "  4 contacts are unknown there and would be written",
        "  0 stand there as they should, or need no row",
    ]
    assert company.says("add", path)[0].startswith("added; start its connector with")
    with company.connector():
        until(lambda: len(company.calls()) == 4, "the first four are told")
        company.decide(5)
        until(lambda: company.status()["aligned"], "aligned within seconds")
        assert company.says("verify", company.name) == ["verify", looked(5, 0)]

        company.sql("UPDATE {} SET allowed = true WHERE token = %s", token(1).hex())
        allowed = "  1 allowed: allowed there and denied by us"
        assert company.says("plan", path)[3:] == [
            "  1 stand there otherwise (allowed) and would be overwritten",
            "  4 stand there as they should, or need no row",
        ]
        assert company.says("verify", company.name, code=3) == ["verify", looked(5, 0), allowed]
        assert company.says("repair", company.name) == ["repair", looked(5, 1), allowed]
        assert company.calls() == {1: False, 2: False, 3: False, 4: True, 5: False}

        company.sql("DELETE FROM {}")
        assert company.says("backfill", company.name) == ["backfill", looked(5, 5)]
        assert company.calls() == {1: False, 2: False, 3: False, 4: True, 5: False}

        company.says("pause", company.name, "--reason", "a new server")
        until(lambda: company.status()["state"] == "paused", "the pause is known")
        company.decide(4, version=2)
        until(lambda: company.status()["records"] > 0, "something waits")
        found = company.status()
        assert (found["aligned"], found["reason"]) == (False, "a new server")
        assert company.calls()[4] is True
        company.says("resume", company.name)
        until(lambda: company.calls()[4] is False, "the newest verdict is told after the pause")
    company.says("remove", company.name, "--yes", "--reason", "replaced")
    assert company.status()["state"] == "removed"
    assert company.status()["job"]["verb"] == "backfill"


def looked(contacts: int, written: int) -> str:
    """The line of a finished job."""
    return f"{contacts} contacts looked at, {written} written again"


def test_a_name_nobody_knows_is_refused_with_those_there_are(company: Company) -> None:
    """A slip of the pen is no order."""
    refused = company.noli("pause", "no-such-app").exception
    assert isinstance(refused, ProblemError)
    assert "no application 'no-such-app'; there are: " in refused.fact


def test_a_removed_application_takes_no_orders_until_it_is_added_again(company: Company) -> None:
    """The remedy is named."""
    company.says("add", str(company.manifest()))
    company.says("remove", company.name, "--yes")
    for verb in ("pause", "resume", "backfill", "verify", "repair"):
        refused = company.noli(verb, company.name).exception
        assert isinstance(refused, ProblemError), verb
        assert "noli app add" in refused.remedy
    company.says("add", str(company.manifest()))
    assert company.status()["state"] == "running"


def test_an_application_that_cannot_be_used_is_not_added(company: Company) -> None:
    """What is wrong is named with its remedy; nothing is written down."""
    company.sql("DROP TABLE {} CASCADE")
    refused = company.noli("add", str(company.manifest())).exception
    assert isinstance(refused, ProblemError)
    assert f"table {company.table} is missing" in refused.detail
    assert "--no-check" in refused.remedy
    assert isinstance(company.noli("status", company.name).exception, ProblemError)


def test_an_order_over_http_is_obeyed(company: Company) -> None:
    """Seen by `noli app status`, obeyed by the running connector; refused once it is removed."""
    app = f"/v1/apps/{company.name}"
    settings = company.stack.settings()
    company.says("add", str(company.manifest()))
    company.decide(1, 2)
    with (
        started(settings, company.folder) as intake,
        intake.client() as client,
        company.connector(),
    ):
        intake.until_ready()

        def told() -> dict[str, Any]:
            found: dict[str, Any] = client.get(f"{app}/status").json()
            return found

        until(lambda: told()["aligned"], "aligned within seconds")
        assert told()["face"]["controllers"] == [company.name]
        company.sql("DELETE FROM {}")
        ordered = client.post(f"{app}/backfill", json={"reason": "lost"}).json()
        until(lambda: told()["job"]["done"], "the backfill is done")
        assert (told()["job"]["id"], told()["job"]["by"]) == (ordered["id"], "test")
        assert company.calls() == {1: False, 2: False}

        assert client.put(f"{app}/pause", json={"reason": "a new server"}).status_code == 202
        found = company.status()
        assert (found["state"], found["by"], found["reason"]) == ("paused", "test", "a new server")
        ordered = client.post(f"{app}/verify", json={"sample": 0.5}).json()
        until(lambda: told()["job"]["id"] == ordered["id"] and told()["job"]["done"], "verified")
        # Orders are obeyed one after the other, so the pause is.
        company.decide(1, version=2, rows=rows([CALL]))
        until(lambda: told()["records"] > 0, "something waits")
        assert company.calls()[1] is False
        client.put(f"{app}/resume")
        until(lambda: company.calls()[1] is True, "the newest verdict is told after the pause")

        assert client.delete(app, params={"reason": "replaced"}).status_code == 202
        refused = client.put(f"{app}/resume")
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:noli:problem:removed")
        (listed,) = [
            one for one in client.get("/v1/apps").json()["apps"] if one["app"] == company.name
        ]
        assert (listed["state"], listed["reason"]) == ("removed", "replaced")
    assert company.status()["state"] == "removed"
