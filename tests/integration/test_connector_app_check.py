"""`noli app check|describe|sinks` as a user types them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from noli.cli.stack import ports

SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


@pytest.fixture
def dialer(postgres_dsn: str, tmp_path: Path) -> Path:
    """A manifest of a table of its own."""
    return manifest(tmp_path, "postgres", dsn=postgres_dsn, table="noli_app_check")


def manifest(folder: Path, sink: str, **config: Any) -> Path:  # noqa: ANN401 - fields of a Config
    """A manifest in that folder."""
    path = folder / "dialer.yaml"
    content = {"app": "dialer", "sink": sink, "controllers": ["acme"], "config": config}
    path.write_text(yaml.safe_dump(content), "utf-8")
    return path


def noli(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `noli app …`."""
    command = [sys.executable, "-m", "noli.cli", "app", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_check_finds_and_fix_mends(dialer: Path, postgres_dsn: str) -> None:
    """Exit code 1 with a remedy, nothing written; --fix mends it; then nothing is wrong."""
    missing = "table noli_app_check is missing"
    found = noli("check", dialer)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == f"dialer: {missing}\n  → run `noli app check MANIFEST --fix`\n"
    with psycopg.connect(postgres_dsn) as connection:
        there = connection.execute("SELECT to_regclass('noli_app_check') IS NOT NULL").fetchone()
    assert there == (False,)
    fixed = noli("check", dialer, "--fix")
    assert (fixed.returncode, fixed.stdout.splitlines()) == (
        0,
        [f"dialer: was mended: {missing}", "dialer: nothing is wrong (postgres)"],
    )
    again = noli("check", dialer, "--fix")
    assert (again.returncode, again.stdout) == (0, "dialer: nothing is wrong (postgres)\n")


def test_check_of_an_absent_application_says_where_it_looked(tmp_path: Path) -> None:
    """Host and port, and what to do; the secret is not shown."""
    port = ports.choose(["nobody"])["nobody"]
    path = manifest(
        tmp_path,
        "webhook",
        url=f"http://127.0.0.1:{port}/",
        secret=SECRET,
        allow_private_addresses=True,
    )
    found = noli("check", path)
    assert found.returncode == 1
    assert f"dialer: config.url: 127.0.0.1:{port}: " in found.stderr
    assert "→ see that the application listens there" in found.stderr
    assert SECRET not in found.stderr + found.stdout


def test_a_wrong_manifest_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    """File, field and remedy; exit code 1."""
    path = manifest(tmp_path, "postgres", dns="postgresql://x")
    found = noli("check", path)
    assert found.returncode == 1
    assert found.stderr.startswith(f"noli: {path}: config.dns: is not a field; there are: dsn, ")
    assert "Traceback" not in found.stderr


def test_describe_and_sinks_show_every_field_and_no_secret(dialer: Path, postgres_dsn: str) -> None:
    """What the application is told, and what its sink takes."""
    described, listed = noli("describe", dialer), noli("sinks")
    assert (described.returncode, listed.returncode) == (0, 0)
    for text in ("postgres", "acme", "operator_call", "every verdict", "dsn *", "timeout_s"):
        assert text in described.stdout
    assert postgres_dsn not in described.stdout
    for text in ("postgres", "webhook", "allow_private_addresses", "(required)"):
        assert text in listed.stdout
