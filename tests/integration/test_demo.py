"""`noli demo` as a user runs it: it tells the truth, ends by itself and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
import pytest

FEW: Final = "1500"
INTERRUPTED: Final = 130
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def place() -> Iterator[Path]:
    """A temporary directory that PostgreSQL, which does not run as root, may enter too."""
    with tempfile.TemporaryDirectory(prefix="noli-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def demo(tmp: Path) -> Iterator[subprocess.Popen[str]]:
    """A running demo whose temporary directory is `tmp`; its processes carry that in `environ`."""
    command = [sys.executable, "-P", "-m", "noli.cli", "demo", "--contacts", FEW]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "TMPDIR": str(tmp)},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


def left(tmp: Path) -> list[str]:
    """Command lines of processes that were started with that temporary directory and still run."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(tmp):
                found.append(" ".join(process.cmdline())[:120])
        except psutil.Error:
            continue  # ended meanwhile
    return found


def test_the_demo_proves_its_case_and_leaves_nothing(place: Path) -> None:
    """In a pipe: plain lines, a table, the verdict with its numbers last, exit code 0."""
    with demo(place) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "\x1b[" not in output
    assert output.count(" of 300 who objected 0 allowed") == 3
    *_, last = output.splitlines()
    assert re.fullmatch(r"OK: 300 opt-outs among 1,500 .* p50 \d+ ms, p99 \d+ ms", last)
    assert left(place) == []
    assert list(place.iterdir()) == []


def test_an_interrupted_demo_stops_everything_and_names_its_logs(place: Path) -> None:
    """Ctrl-C in the middle: nothing runs on, and only the named logs are left."""
    with demo(place) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "noli send" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
    assert process.returncode == INTERRUPTED, rest
    (kept,) = place.iterdir()
    assert f"the logs of this run are kept in {kept}" in rest
    assert (kept / "intake.log").exists()
    assert left(place) == []
