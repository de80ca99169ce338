"""The rig: a company under traffic and faults, then everything it left behind against the model.

Short in `make test`, on one broker. `make chaos LONG=1`: three brokers, every fault, in parts.
NOLI_CHAOS_SEED repeats a run: seed, commit and schedule are printed first.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.rig import rounds
from tests.chaos.rig.drive import Result, Run, schedule
from tests.chaos.rig.faults import Fault
from tests.chaos.rig.lab import Plan, opened

LONG: Final = os.environ.get("NOLI_CHAOS") == "long"
SEED: Final = int(os.environ.get("NOLI_CHAOS_SEED") or secrets.randbelow(100_000))
#: How many runs of a long round; each has its own seed, and is some five minutes. By default each
#: fault comes once.
RUNS: Final = int(os.environ.get("NOLI_CHAOS_RUNS") or rounds.PARTS)
#: Where the results of a long round are written, for docs/reference/faults.md. A run whose result
#: is there is not made again: a round that was cut off is gone on with.
RESULTS: Final = os.environ.get("NOLI_CHAOS_RESULTS")
_RATE: Final = 40.0
#: MiB of a broker's disk that is filled: its segments are small, its indexes are not.
_BROKER_MIB: Final = 800
#: Of a long round.
_BROKERS: Final = 3
_DISKS: Final = {"suppress-0": 160, "replica": 160}


def kept(brokers: int, seed: int) -> Path | None:
    """Where the result of a run goes; None: nowhere."""
    return Path(RESULTS) / f"rig-{brokers}-{seed}.json" if RESULTS else None


def is_right(path: Path) -> bool:
    """Whether a run was made, and nothing was wrong in it."""
    return path.exists() and not json.loads(path.read_text("utf-8"))["violations"]


def under(tmp_path: Path, seed: int, faults: Sequence[Fault], plan: Plan, periods: int) -> Result:
    """One run; asserts what must hold of every run."""
    with opened(tmp_path, plan) as rig:
        run = Run(rig, seed, _RATE)
        result, report = run.go(schedule(seed, faults, periods))
        deaths = len(rig.members["intake"].deaths)
    print(f"  {report}")
    if path := kept(plan.brokers, seed):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result.document(), indent=1) + "\n", "utf-8")
    assert result.faults, "no fault was injected"
    assert result.under_fault > 0, "no objection was under way in a fault"
    assert deaths or not run.crowd.broken, "the intake answered 500, and did not end"
    assert report.checked["denials"] > 0
    assert report.checked["receipts"] > 0
    assert report.checked["watermarks"] > 0
    assert report.checked["publications"] > 0
    if report.findings:  # the words only, at the end of the output: who reads them has no more
        pytest.fail(str(report), pytrace=False)
    return result


@pytest.mark.rule("OBJECT")
@pytest.mark.timeout(600)
def test_no_objection_is_lost_or_lifted_under_the_most_telling_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every acknowledged objection denies everywhere, and nothing was claimed that was not so."""
    with capsys.disabled():
        plan = Plan(seed=SEED, disks=_DISKS)
        result = under(tmp_path, SEED, rounds.SHORT, plan, len(rounds.SHORT) * 4 // 3)
    assert result.violations == {}


@pytest.mark.rule("OBJECT")
@pytest.mark.skipif(not LONG, reason="long round only: make chaos LONG=1")
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("number", range(RUNS))
def test_no_objection_is_lost_or_lifted_under_every_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    """The same on three brokers, under every fault of the rounds, each at least once."""
    seed = SEED + number
    faults = rounds.part(seed)
    if (path := kept(_BROKERS, seed)) and is_right(path):
        pytest.skip(f"{path} is there; delete it to make this run again")
    with capsys.disabled():
        plan = Plan(brokers=_BROKERS, seed=seed, disks={**_DISKS, "kafka-1": _BROKER_MIB})
        result = under(tmp_path, seed, faults, plan, len(faults) * 4 // 3)
    assert {fault.row for fault in result.faults} == {fault.row for fault in faults}
    assert result.violations == {}
