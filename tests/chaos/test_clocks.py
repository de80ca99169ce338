"""Wrong clocks, one process after the other: ten minutes behind, then ahead beyond the lease.

Only the wall clock of a process is moved (libfaketime), while people speak; then it is right again.
NOLI_CHAOS_SEED repeats a run.
"""

from __future__ import annotations

import itertools
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from noli.runtime.clock import now_ms
from tests.chaos.rig import observed
from tests.chaos.rig.crowd import CHANNEL, Op
from tests.chaos.rig.lab import STEADY, Plan, Rig, opened
from tests.support.blackbox import Contact, Event, consent, objection, until
from tests.support.checker import Receipt, check

LONG: Final = os.environ.get("NOLI_CHAOS") == "long"
SEED: Final = int(os.environ.get("NOLI_CHAOS_SEED") or secrets.randbelow(100_000))
#: Whose clock is wrong: everybody between who speaks and whoever acts on it.
PROCESSES: Final = (
    "intake",
    "suppress-0",
    "parties-0",
    "replica",
    "lookup",
    f"connectors-{STEADY}",
)
#: Far beyond every lease and session; and beyond the lease (30 s), but over soon: what was accepted
#: or decided by a clock that is ahead stays ahead until the others have come there.
OFF_S: Final = {"behind": -600.0, "ahead": 45.0}
#: A look at the log every two seconds tells the intake how late it is there.
_HEARD_S: Final = 4.0
_PATIENCE_S: Final = 120.0
#: How long it may take to ask a process for its time, in seconds.
_NEAR_S: Final = 10.0

pytestmark = [
    pytest.mark.skipif(not LONG, reason="long round only: make chaos LONG=1"),
    pytest.mark.timeout(400),
    pytest.mark.rule("OBJECT"),
]

_numbers = itertools.count()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One company for all clocks, with one stream worker."""
    plan = Plan(suppressors=1, seed=SEED, skewed=frozenset(PROCESSES))
    with opened(tmp_path_factory.mktemp("clocks"), plan) as found:
        observed.stamp(found.settings())
        yield found


@pytest.mark.parametrize("off", OFF_S)
@pytest.mark.parametrize("process", PROCESSES)
def test_a_wrong_clock_lifts_nothing_and_freshens_nothing(
    rig: Rig, process: str, off: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who objects meanwhile is denied everywhere, and so stays; with a right clock all goes on."""
    with capsys.disabled():
        print(f"\n  {process} {off} (NOLI_CHAOS_SEED={SEED})")
    before, began = someone(rig), now_ms()
    threading.Event().wait(_HEARD_S)
    rig.skew.set(OFF_S[off], process)
    assert OFF_S[off] == pytest.approx(off_by(rig, process), abs=_NEAR_S)
    say(rig, "objection", before, objection(before))
    wait(rig, before, allowed=False)
    rig.skew.set(0, process)
    someone(rig)
    wait(rig, before, allowed=False)
    WRONG.append(Wrong(process, began, now_ms(), int(OFF_S[off] * 1_000)))
    found = observed.history(rig, rig.sent)
    found.receipts = [righted(one) for one in found.receipts]
    report = check(found)
    assert report.checked["denials"]
    assert report.findings == [], str(report)


class Wrong(NamedTuple):
    """A clock that was off, and from when to when; milliseconds."""

    process: str
    began: int
    ended: int
    off: int

    def told(self, receipt: Receipt) -> bool:
        """Whether a receipt bears that clock, and says too early when something was applied."""
        mine = self.process == f"connectors-{receipt.app}"
        return mine and self.off < 0 and self.began <= receipt.at - self.off <= self.ended


WRONG: Final[list[Wrong]] = []


def righted(receipt: Receipt) -> Receipt:
    """A receipt's own time is its connector's clock; here we know how far that was off."""
    off = next((wrong.off for wrong in WRONG if wrong.told(receipt)), 0)
    return receipt._replace(at=receipt.at - off)


def someone(rig: Rig) -> Contact:
    """Who consents, and is allowed everywhere."""
    contact: Contact = ("phone", f"+39309{SEED % 1000:03d}{next(_numbers):04d}")
    say(rig, "consent", contact, consent(contact, CHANNEL))
    wait(rig, contact, allowed=True)
    return contact


def say(rig: Rig, what: str, contact: Contact, event: Event) -> None:
    """Post it until it is acknowledged."""
    op = Op(what, contact, event, now_ms())
    (answer,) = rig.client.send(event, patience_s=_PATIENCE_S)
    op.accepted, op.receipt, op.acked = answer["accepted"], answer["receipt"], now_ms()
    rig.sent.append(op)


def off_by(rig: Rig, process: str) -> float:
    """How far the clock of whoever is started like that process is off, in seconds."""
    member = rig.members[process]
    assert "libfaketime" in Path(f"/proc/{member.pid}/maps").read_text("utf-8")
    environment = {**os.environ, **rig.skew.environment(process)}
    asked = [sys.executable, "-c", "import time; print(time.time())"]
    told = subprocess.run(asked, env=environment, capture_output=True, check=True)
    return float(told.stdout) - time.time()


def wait(rig: Rig, contact: Contact, *, allowed: bool) -> None:
    """Block until every application, the dialer and the lookup would do so."""
    pair = (CHANNEL, "marketing", "*")

    def agree() -> bool:
        held = [app.allowed(contact[1], pair) for app in rig.apps.values()]
        asked = [*rig.dialer.allowed([contact], CHANNEL), *rig.client.allowed([contact], CHANNEL)]
        return {*held, *asked} == {allowed}

    until(agree, f"allowed is {allowed}", _PATIENCE_S)
