"""kill -9 of every kind of worker under traffic: nothing acknowledged is lost, nobody regresses.

Short in `make test`; NOLI_CHAOS=long (`make chaos LONG=1`) kills in random order for longer, and
pauses a worker past its session. NOLI_CHAOS_SEED repeats a run's traffic and order.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.support.blackbox import Contact, consent, query, until
from tests.support.pulse import Pulse, felt
from tests.support.traffic import CHANNEL, RATE, Sent, Traffic
from tests.support.world import World, opened

LONG: Final = os.environ.get("NOLI_CHAOS") == "long"
SEED: Final = int(os.environ.get("NOLI_CHAOS_SEED") or secrets.randbelow(100_000))
#: Whatever else a stack runs is killed too.
EXPECTED: Final = {
    "intake",
    "suppress-0",
    "connectors-crm",
    "connectors-dialer",
    "replica",
    "lookup",
}
#: Seconds within which everything works again after a kill, the machine being busy.
RECOVERY_S: Final = 90.0
#: What a dialer uses: a third of the rows that a table of every channel takes a contact.
DIALED: Final = ["sms", "operator_call"]
#: Everything acknowledged is applied everywhere by then, in seconds.
SETTLE_S: Final = 60.0
#: Past the session of 6 s: the group gives its partitions away.
PAUSE_S: Final = 12.0
_PASSES: Final = 5 if LONG else 1


@dataclass(frozen=True)
class Fault:
    """A kill or a pause, and what was under way in it (steady seconds)."""

    process: str
    began: float
    healed: float

    def objections(self, sent: Sequence[Sent]) -> set[Sent]:
        """The objections that were posted, or waited for their answer, meanwhile."""
        return {
            each
            for each in sent
            if each.what == "objection" and each.began < self.healed and each.acked > self.began
        }


@dataclass
class Round:
    """One run: a world under traffic, and the faults put into it."""

    world: World
    traffic: Traffic
    pulse: Pulse
    faults: list[Fault] = field(default_factory=list)

    def kill(self, process: str) -> None:
        """SIGKILL, then wait until a consent given after it is known everywhere."""
        self.traffic.more(2 * RATE)
        pid = self.world.stack.pid(process)
        assert pid is not None, f"{process} does not run"
        os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        until(lambda: self.world.stack.pid(process) not in {None, pid}, process, RECOVERY_S)
        self._heal(process, began)

    def pause(self, process: str) -> None:
        """SIGSTOP past the session, SIGCONT, and wait until all is well."""
        self.traffic.more(2 * RATE)
        pid = self.world.stack.pid(process)
        assert pid is not None, f"{process} does not run"
        began = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: time.monotonic() - began > PAUSE_S, "a pause", 2 * PAUSE_S)
            assert any(claimed > began for claimed in self.pulse.claims), "nobody took over"
        finally:
            os.kill(pid, signal.SIGCONT)
        self._heal(process, began)

    def _heal(self, process: str, began: float) -> None:
        probe: Contact = ("phone", f"+39309{secrets.randbelow(10**7):07d}")
        self.world.client.send(consent(probe, CHANNEL))
        self.world.everywhere(probe, CHANNEL, allowed=True, deadline_s=RECOVERY_S)
        self.faults.append(Fault(process, began, time.monotonic()))

    def gap(self, fault: Fault) -> float:
        """Longest time without a decision around a fault, in seconds."""
        return self.pulse.longest_gap(fault.began - 0.5, fault.healed + 0.5)


@pytest.fixture
def round_(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Round]:
    """A world with traffic at a steady rate; a test's parameter is how many suppress workers."""
    workers = getattr(request, "param", 1)
    with (
        opened(tmp_path, "--workers", str(workers), channels=DIALED) as world,
        world.stack.client() as sender,
        felt(world.settings()) as pulse,
    ):
        world.crm.arrivals = []
        traffic = Traffic(sender, SEED)
        traffic.start()
        try:
            yield Round(world, traffic, pulse)
        finally:
            traffic.stop()


@pytest.mark.rule("OBJECT")
@pytest.mark.timeout(1800 if LONG else 400)
def test_nothing_acknowledged_is_lost_when_workers_are_killed(
    round_: Round, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every acknowledged objection denies at both applications and the lookup, and stays so."""
    chance = random.Random(SEED)
    for number in range(_PASSES):
        workers = round_.world.stack.workers()
        assert set(workers) >= EXPECTED
        for process in workers if number == 0 else chance.sample(workers, len(workers)):
            round_.kill(process)
    check_settled(round_, capsys)


@pytest.mark.rule("OBJECT")
@pytest.mark.skipif(not LONG, reason="long round only: make chaos LONG=1")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("round_", [2], indirect=True)
def test_a_worker_paused_past_its_session_regresses_nobody(
    round_: Round, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a worker writes that still believes to own its partitions is passed over."""
    for process in ("suppress-0", "suppress-1", "suppress-0"):
        round_.pause(process)
    check_settled(round_, capsys)


def check_settled(round_: Round, capsys: pytest.CaptureFixture[str]) -> None:
    """Stop the traffic and hold everything acknowledged against what is held."""
    round_.traffic.stop()
    sent = round_.traffic.acknowledged
    under_fault = {fault: fault.objections(sent) for fault in round_.faults}
    with capsys.disabled():
        print(report(round_, under_fault))
    assert round_.faults, "no fault was injected"
    assert all(under_fault.values()), "a fault without an objection under way proves nothing"
    world, objectors = round_.world, round_.traffic.objectors()
    settled(lambda: not any(map(crm_allows(world), objectors)), "objections at the webhook")
    settled(lambda: world.dialer.allowances(objectors, ["marketing"]) == 0, "… in PostgreSQL")
    settled(lambda: all(objected_at_lookup(world, objectors)), "… at the lookup")
    consenters = round_.traffic.consenters()
    assert consenters
    settled(lambda: all(map(crm_allows(world), consenters)), "consents at the webhook")
    settled(lambda: all(world.dialer.allowed(consenters, CHANNEL)), "… in PostgreSQL")
    settled(lambda: all(lookup_allows(world, consenters)), "… at the lookup")
    assert regressions(world, objectors) == []


def settled(done: Callable[[], bool], what: str) -> None:
    """Wait until everything acknowledged is applied."""
    until(done, what, SETTLE_S)


def crm_allows(world: World) -> Callable[[Contact], bool]:
    """What the application behind the webhook would do."""
    return lambda contact: world.crm.allowed(contact, CHANNEL)


def lookup_allows(world: World, contacts: Sequence[Contact]) -> list[bool]:
    """What the lookup says, in posts of a size that it takes."""
    return [
        verdict
        for start in range(0, len(contacts), RATE)
        for verdict in world.client.allowed(contacts[start : start + RATE], CHANNEL)
    ]


def objected_at_lookup(world: World, contacts: Sequence[Contact]) -> list[bool]:
    """Whether each is denied because it objected, rather than for being unknown or stale."""
    return [
        not verdict["allowed"] and "OBJECTED" in verdict["reasons"]
        for start in range(0, len(contacts), RATE)
        for verdict in world.client.ask(
            *(query(contact, CHANNEL) for contact in contacts[start : start + RATE])
        )
    ]


def regressions(world: World, objectors: Sequence[Contact]) -> list[str]:
    """Tokens that the webhook application allowed again after it had obeyed the objection.

    It is told by its log of arrivals, with its own rule: what is not newer is not applied.
    """
    tokens = {world.crm.token(contact) for contact in objectors}
    version: dict[str, int] = {}
    was_allowed: set[str] = set()
    obeyed: set[str] = set()
    again: list[str] = []
    for told in world.crm.arrivals or ():
        if told.token not in tokens or told.version <= version.get(told.token, 0):
            continue
        version[told.token] = told.version
        if not told.allowed:
            if told.token in was_allowed:
                obeyed.add(told.token)
        elif told.token in obeyed:
            again.append(told.token)
        else:
            was_allowed.add(told.token)
    return again


def report(round_: Round, under_fault: dict[Fault, set[Sent]]) -> str:
    """What was broken and what it cost, for who reads the run."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    sent = round_.traffic.acknowledged
    objections = sum(each.what == "objection" for each in sent)
    hit = set().union(*under_fault.values())
    head = (
        f"chaos: seed {SEED}, commit {commit or 'unknown'}, {len(sent)} events acknowledged, "
        f"{objections} objections, {len(hit)} of them under fault, "
        f"{len(round_.faults)} faults"
    )
    lines = [
        "",
        head,
        f"  repeated by the senders: {dict(round_.traffic.client.faults) or 'nothing'}",
    ]
    lines += [
        f"  {fault.process:<20} all well after {fault.healed - fault.began:5.1f} s, "
        f"{len(objections):4} objections under way, longest time without a decision "
        f"{round_.gap(fault):.2f} s"
        for fault, objections in under_fault.items()
    ]
    return "\n".join(lines)
