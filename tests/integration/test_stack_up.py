"""`noli up` and `down` with a real Kafka and registry, and stand-ins for the workers."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import psutil
import pytest
from rich.console import Console
from typer.testing import CliRunner

from noli.cli import topics
from noli.cli.problem import ProblemError
from noli.cli.stack import detached, endpoints, kafka, records, terminate, up
from noli.cli.stack.plan import Plan, choose_ports
from noli.cli.stack.prepare import Wish, prepared
from noli.cli.stack.workers import Worker

STAND_IN = "tests.support.standin"
#: The first test waits for the stack, whose two JVMs start beside whatever else runs here.
pytestmark = pytest.mark.timeout(400)


def plan_of(data: Path, *workers: Worker) -> Plan:
    """A prepared plan whose workers are stand-ins."""
    made = prepared(Wish(data, apps=data.parent), print)
    made = replace(made, workers=workers, ports=choose_ports(made.data, workers))
    made.write()
    return made


def started(plan: Plan, seconds: float = 150.0) -> endpoints.Endpoints:
    """Start it detached; its endpoints."""
    detached.run(plan, seconds, Console())
    found = endpoints.read(plan.data)
    assert found is not None
    return found


def soon(what: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether `what` becomes true in time."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def pid_of(plan: Plan, name: str) -> int | None:
    """The pid that the endpoints give now."""
    found = endpoints.read(plan.data)
    return found.processes.get(name) if found else None


@pytest.fixture(scope="module", autouse=True)
def quick_java() -> Iterator[None]:
    """Three brokers start in this file; none of them has to be fast later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", kafka.QUICK)
        yield


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """A detached stack of four ready stand-ins."""
    data = tmp_path_factory.mktemp("well") / "data"
    names = ("intake", "lookup", "status", "suppress-0")
    plan = plan_of(data, *(Worker(name, STAND_IN, name) for name in names))
    try:
        started(plan)
        yield plan
    finally:
        terminate.stop_stack(data)


def test_endpoints_are_complete_and_lead_somewhere(well: Plan) -> None:
    """endpoints.json has every field of events.md, private, and each process lives and is ready."""
    path = well.data / "endpoints.json"
    found = json.loads(path.read_text())
    assert set(found) == {
        "intake",
        "lookup",
        "status",
        "kafka",
        "registry",
        "api_key",
        "processes",
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(found["processes"]) == {"intake", "lookup", "status", "suppress-0"}
    for pid in found["processes"].values():
        assert psutil.pid_exists(pid)
    assert httpx2.get(f"{found['intake']}/readyz").json()["stand_in"] == "intake"
    assert httpx2.get(f"{found['lookup']}/readyz").json()["stand_in"] == "lookup"
    assert httpx2.get(f"{found['status']}/readyz").json()["stand_in"] == "status"


def test_a_killed_worker_is_back_at_once_on_its_port(well: Plan) -> None:
    """After kill -9 the worker is started again at once, on its old port, its new pid published."""
    before = pid_of(well, "suppress-0")
    assert before is not None
    killed = time.monotonic()
    os.kill(before, signal.SIGKILL)
    assert soon(lambda: pid_of(well, "suppress-0") not in {None, before})
    assert time.monotonic() - killed < 1.0

    def ready() -> bool:
        try:
            return httpx2.get(f"{well.url('suppress-0')}/readyz").status_code == 200
        except httpx2.HTTPError:
            return False

    assert soon(ready)


def test_an_application_comes_and_goes_while_the_stack_runs(well: Plan) -> None:
    """A manifest put into the folder gets a connector; a broken one is nobody's; gone is gone."""
    assert well.apps is not None
    manifest = well.apps / "late.yaml"
    text = "app: late\nsink: webhook\ncontrollers: [acme]\nconfig: {url: 'https://late.example/', "
    (well.apps / "broken.yaml").write_text("app: [")
    manifest.write_text(text + "secret: whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0}\n")
    log = well.log("supervisor")
    assert soon(lambda: "broken.yaml" in log.read_text()), log.read_text()
    assert pid_of(well, "connectors-late") is None
    (well.apps / "broken.yaml").unlink()
    assert soon(lambda: pid_of(well, "connectors-late") is not None)
    first = pid_of(well, "connectors-late")
    manifest.write_text(manifest.read_text() + "# edited\n")
    assert soon(lambda: pid_of(well, "connectors-late") not in {None, first})
    assert pid_of(well, "intake") is not None
    manifest.unlink()
    assert soon(lambda: pid_of(well, "connectors-late") is None)


def test_a_second_stack_in_the_same_directory_is_refused(well: Plan) -> None:
    """`noli up` on a directory that runs says so and names `noli down`."""
    refused = CliRunner().invoke(up.app, ["--data", str(well.data)]).exception
    assert isinstance(refused, ProblemError)
    assert "already runs" in refused.fact
    assert "noli down" in refused.remedy


def test_pepper_and_key_stay_and_only_the_hash_is_for_the_intake(well: Plan) -> None:
    """Pepper and key are private files; the file for the intake holds no key."""
    key = (well.data / "api-key").read_text().strip()
    listed = (well.data / "api-keys.json").read_text()
    assert key not in listed
    assert json.loads(listed)[0]["scopes"] == [
        "events:write",
        "decisions:read",
        "evidence:read",
        "admin",
    ]
    for name in ("pepper", "api-key", "api-keys.json"):
        assert (well.data / name).stat().st_mode & 0o777 == 0o600


def test_topics_and_schemas_are_in_order_after_up(well: Plan) -> None:
    """`noli topics plan` finds nothing to do on a fresh stack."""
    result = CliRunner().invoke(topics.app, ["plan", "--json", "--data", str(well.data)])
    assert result.exit_code == 0
    steps = json.loads(result.stdout)
    actions = {step["action"] for step in (*steps["topics"], *steps["schemas"])}
    assert actions == {"same", "note"}


def test_an_ill_stack_is_told_stopped_and_started_again(well: Plan, tmp_path: Path) -> None:
    """A worker that dies at its start is named; orphans are stopped; the data serves again.

    `up --detach` shows the worker's last words and leaves the rest running. A crash of the
    supervisor then leaves orphans, which `down` stops by their recorded pids. The same directory
    started again has the same ports, key and storage, and the stack beside it never noticed.
    """
    plan = plan_of(
        tmp_path / "data",
        Worker("replica", STAND_IN, "replica"),
        Worker("intake", STAND_IN, "intake", {"STANDIN": "dies"}),
    )
    assert not set(plan.ports.values()) & set(well.ports.values())
    try:
        with pytest.raises(ProblemError) as told:
            started(plan)
        assert "intake is not ready" in told.value.fact
        assert "cannot reach the moon" in told.value.detail
        first = endpoints.read(plan.data)
        orphans = crash(plan)
        assert {"kafka", "registry", "replica"} <= set(terminate.stop_stack(plan.data))
        assert not any(process.is_running() for process in orphans)
        assert endpoints.read(plan.data) is None

        again = plan_of(plan.data, Worker("intake", STAND_IN, "intake"))
        second = started(again)
    finally:
        terminate.stop_stack(plan.data)
    assert first is not None
    assert (second.intake, second.kafka, second.api_key) == (
        first.intake,
        first.kafka,
        first.api_key,
    )
    assert httpx2.get(f"{well.url('intake')}/readyz").status_code == 200


def crash(plan: Plan) -> list[psutil.Process]:
    """Kill the supervisor; the processes that it leaves, all still running."""
    left = records.living(plan.data)
    left["supervisor"].kill()
    assert soon(lambda: "supervisor" not in records.living(plan.data))
    orphans = [left[name] for name in ("kafka", "registry", "replica")]
    assert all(process.is_running() for process in orphans)
    return orphans
