"""`noli replica` on a real broker: export while the writer runs, wipe, import, tail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from noli.replica import store as copies
from noli.replica.gate import Gate
from tests.support.copies import PEPPER
from tests.support.replica import (
    ALLOWED,
    DEADLINE_S,
    DENIED,
    PARTITIONS,
    Lab,
    allowed,
    laboratory,
    soon,
)
from tests.support.stack import Stack


@pytest.fixture
def lab(stack: Stack, tmp_path: Path) -> Iterator[Lab]:
    """A topic and no copy yet."""
    with laboratory(stack, tmp_path) as made:
        yield made


def noli(lab: Lab, *words: str, **over: str) -> subprocess.CompletedProcess[str]:
    """`noli replica …`."""
    environment = {
        **os.environ,
        "NOLI_KAFKA": lab.stack.kafka,
        "NOLI_REPLICA": str(lab.copy),
        "NOLI_DECISIONS_TOPIC": lab.topic,
        "NOLI_PEPPER": PEPPER.secret.hex(),
        **over,
    }
    return subprocess.run(
        [sys.executable, "-m", "noli.cli", "replica", *words],
        env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE_S,
    )  # fmt: skip


def test_a_new_host_starts_from_a_snapshot_and_tails(lab: Lab) -> None:
    """Exported under a running writer, imported into nothing: read on from there, equal answers."""
    snapshot = lab.folder / "snapshot"
    lab.claim()
    lab.decide(ALLOWED, range(1_000))
    lab.beacon()
    first = lab.start()
    assert soon(lab.is_ready)
    done = noli(lab, "export", str(snapshot))
    assert (done.returncode, "1,000 contacts" in done.stdout) == (0, True), done.stderr
    assert noli(lab, "verify", str(snapshot)).returncode == 0
    running = noli(lab, "import", str(snapshot))
    assert (running.returncode, "another process writes" in running.stderr) == (1, True)
    lab.decide(DENIED, range(100), version=2)
    lab.beacon()
    lab.stop(first)
    shutil.rmtree(lab.copy)
    done = noli(lab, "import", str(snapshot))
    assert done.returncode == 0, done.stderr
    generation = copies.current(lab.copy)
    lab.start()
    assert soon(lab.is_ready)
    assert copies.current(lab.copy) == generation
    assert lab.metric("noli_replica_rebuilds_total") == 0
    assert lab.metric('noli_replica_records_total{outcome="taken"}') == 100 + PARTITIONS
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        assert soon(lambda: allowed(gate, range(1_000)) == 900)


def test_a_foreign_snapshot_is_refused_in_one_sentence(lab: Lab, stack: Stack) -> None:
    """Of another topic, or with another pepper: exit code 1, the reason, the remedy, no copy."""
    snapshot = lab.folder / "snapshot"
    lab.claim()
    lab.decide(ALLOWED, range(10))
    lab.beacon()
    first = lab.start()
    assert soon(lab.is_ready)
    assert noli(lab, "export", str(snapshot)).returncode == 0
    lab.stop(first)
    shutil.rmtree(lab.copy)
    other = stack.topic("decisions", PARTITIONS, cleanup_policy="compact")
    done = noli(lab, "import", str(snapshot), NOLI_DECISIONS_TOPIC=other)
    assert (done.returncode, "made of another topic" in done.stderr) == (1, True), done.stderr
    done = noli(lab, "import", str(snapshot), NOLI_PEPPER=bytes(32).hex())
    assert (done.returncode, "another pepper" in done.stderr) == (1, True), done.stderr
    assert "start the replica without a copy" in done.stderr
    assert copies.current(lab.copy) is None


def test_a_writer_without_a_pepper_does_not_start(lab: Lab) -> None:
    """It would build a copy that no gate opens: exit code 1, naming the setting and the remedy."""
    process = lab.start(NOLI_PEPPER="")
    assert process.wait(DEADLINE_S) == 1
    assert "NOLI_PEPPER is not set; make one with" in lab.said().splitlines()[-1]
    assert copies.current(lab.copy) is None
