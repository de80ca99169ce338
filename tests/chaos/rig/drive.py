"""A run: calm and faults in turn under traffic, then heal, drain, read everything, check.

seed, commit and schedule are printed, and the same seed makes the same schedule.
"""

from __future__ import annotations

import random
import secrets
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from noli.runtime import broker, standing
from noli.runtime.clock import now_ms, steady
from noli.wire.apps import App
from tests.chaos.rig import observed
from tests.chaos.rig.behaviour import PAIR
from tests.chaos.rig.crowd import CHANNEL, Crowd
from tests.chaos.rig.drain import drain
from tests.chaos.rig.faults import Fault
from tests.chaos.rig.lab import TABLE, Rig
from tests.support.blackbox import Contact, consent, until
from tests.support.checker.findings import Report
from tests.support.checker.records import Aligned, Bounds

#: One period in four has no fault in it.
CALM_SHARE: Final = 0.25
_CALM_S: Final = (2.0, 5.0)
#: Everything works again by then after a fault was healed, on a machine that others use too.
REALIGN_S: Final = 300.0
#: All that was acknowledged is everywhere, and every watermark past it, by then.
DRAIN_S: Final = 180.0
_SAMPLE_S: Final = 1.0
#: Of the lookup (settings.lease_seconds), and what two clocks of one machine may differ.
_LEASE_MS: Final = 30_000


@dataclass(frozen=True)
class Period:
    """A stretch of the schedule; without a fault it is calm."""

    hold_s: float
    fault: Fault | None = None


@dataclass
class Injected:
    """A fault as it went. Times: wall clock, ms; `realigned_s`: after it was healed."""

    row: str
    name: str
    drawn: str
    began: int
    healed: int = 0
    realigned_s: float = 0.0
    objections: int = 0
    #: Exit codes of ends that nobody asked for, by process.
    deaths: dict[str, list[int]] = field(default_factory=dict)


@dataclass
class Result:
    """What a run came to, for the page and for who reads it."""

    seed: int
    commit: str
    date: str
    brokers: int
    seconds: float
    posted: int
    acknowledged: int
    objections: int
    under_fault: int
    faults: list[Injected]
    checked: dict[str, int]
    violations: dict[str, int]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def schedule(seed: int, faults: Sequence[Fault], periods: int) -> list[Period]:
    """So many periods: a quarter calm, every fault at least once where there is room."""
    chance = random.Random(seed)
    calm = max(1, round(periods * CALM_SHARE))
    wanted = periods - calm
    drawn = chance.sample(faults, min(wanted, len(faults)))
    drawn += [chance.choice(faults) for _ in range(wanted - len(drawn))]
    made = [Period(round(chance.uniform(*fault.hold_s), 1), fault) for fault in drawn]
    made += [Period(round(chance.uniform(*_CALM_S), 1)) for _ in range(calm)]
    chance.shuffle(made)
    return made


class Run:
    """One run over a rig. Not to be used twice."""

    def __init__(self, rig: Rig, seed: int, rate: float) -> None:
        self.rig = rig
        self.seed = seed
        self.crowd = Crowd(rig.client, seed, rate)
        self.faults: list[Injected] = []
        self.aligned: list[Aligned] = []
        self._chance = random.Random(seed + 1)
        self._stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="sampler", daemon=True)
        self._began = steady()

    def go(self, periods: Sequence[Period]) -> tuple[Result, Report]:
        """Do all of it; what was found. Whatever is raised tells seed, schedule and faults too."""
        observed.stamp(self.rig.settings())
        plan = heading(self.seed, periods)
        print(f"\n{plan}")
        try:
            report = self._gone(periods)
        except BaseException as error:
            error.add_note("\n".join(self._story(plan)))
            raise
        if report.findings:
            report.notes[:0] = self._story(plan)
        return self._result(report), report

    def _story(self, plan: str) -> list[str]:
        return [*plan.splitlines(), *map(told, self.faults)]

    def _gone(self, periods: Sequence[Period]) -> Report:
        self.crowd.start()
        self._sampler.start()
        try:
            for period in periods:
                self._hold(period)
        finally:
            self.crowd.stop()
        self._drain()
        self._stop.set()
        self._sampler.join()
        return observed.judged(self.rig, self.crowd.ops, self.aligned, Bounds(lease_ms=_LEASE_MS))

    def _hold(self, period: Period) -> None:
        if period.fault is None:
            threading.Event().wait(period.hold_s)
            return
        fault, deaths = period.fault, self._deaths()
        injected = Injected(fault.row, fault.name, "", now_ms())
        with fault.put(self.rig, self._chance) as drawn:
            injected.drawn = drawn
            threading.Event().wait(period.hold_s)
        injected.healed = now_ms()
        injected.realigned_s = round(self._realigned(fault, injected.healed), 2)
        fault.mend(self.rig)
        injected.objections = self.crowd.under_way(injected.began, injected.healed)
        injected.deaths = {
            name: [death.code for death in member.deaths[deaths[name] :]]
            for name, member in self.rig.members.items()
            if len(member.deaths) > deaths[name]
        }
        self.faults.append(injected)
        print(told(injected))

    def _deaths(self) -> dict[str, int]:
        return {name: len(member.deaths) for name, member in self.rig.members.items()}

    def _realigned(self, fault: Fault | None = None, healed: int = 0) -> float:
        """Seconds until somebody who consents now may be reached everywhere, and nowhere before.

        And until whatever else the fault wants to hold again does, of who had objected by `healed`.
        """
        began = steady()
        contact: Contact = ("phone", f"+39309{secrets.randbelow(10**7):07d}")
        self.rig.probe(consent(contact, CHANNEL))
        until(lambda: all(self._allowed(contact)), "everything works again", REALIGN_S)
        if fault is not None:
            # Asked anew each time: whoever renews a consent meanwhile is no objector any more.
            until(
                lambda: fault.well(self.rig, self.crowd.objectors(healed)),
                f"{fault.name}: mended",
                REALIGN_S,
            )
        return steady() - began

    def _allowed(self, contact: Contact) -> list[bool]:
        rig = self.rig
        return [
            *(app.allowed(contact[1], PAIR) for app in rig.apps.values()),
            *rig.dialer.allowed([contact], CHANNEL),
            *rig.client.allowed([contact], CHANNEL),
        ]

    def _drain(self) -> None:
        """Until everything is folded and confirmed, and aligned past the last acknowledgement."""
        goal = now_ms()
        self._realigned()
        drain(self.rig.settings(), (*self.rig.apps, TABLE), DRAIN_S)

        def past() -> bool:
            found = self._standing()
            return bool(found) and all((one.as_of or 0) > goal for one in found)

        until(past, "every application aligned past the last objection", DRAIN_S)

    def _standing(self) -> list[standing.Standing]:
        try:
            return standing.look(
                self.rig.settings(), [App(name) for name in (*self.rig.apps, TABLE)]
            )
        except broker.BrokerUnavailable:
            return []

    def _sample(self) -> None:
        """What is published of every application, once a second, until told to stop."""
        while not self._stop.wait(_SAMPLE_S):
            # Asked before: what is said of a moment was true when it was said.
            self.aligned += [Aligned(one.app.name, now_ms(), one.as_of) for one in self._standing()]

    def _result(self, report: Report) -> Result:
        done = self.crowd.acknowledged()
        return Result(
            seed=self.seed,
            commit=commit(),
            date=time.strftime("%Y-%m-%d", time.gmtime()),
            brokers=len(self.rig.cluster.brokers),
            seconds=round(steady() - self._began, 1),
            posted=len(self.crowd.ops),
            acknowledged=len(done),
            objections=sum(op.denies for op in done),
            under_fault=sum(each.objections for each in self.faults),
            faults=self.faults,
            checked=dict(report.checked),
            violations={str(what): count for what, count in report.categories.items()},
        )


def commit() -> str:
    """The commit that is broken here, short."""
    asked = ["git", "rev-parse", "--short", "HEAD"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return found or "unknown"


def heading(seed: int, periods: Sequence[Period]) -> str:
    """Seed, commit and schedule."""
    plan = ", ".join(
        f"{p.fault.row} {p.fault.name} {p.hold_s} s" if p.fault else f"calm {p.hold_s} s"
        for p in periods
    )
    return f"chaos: NOLI_CHAOS_SEED={seed}, commit {commit()}\n  schedule: {plan}"


def told(injected: Injected) -> str:
    """A line about a fault."""
    deaths = ", ".join(f"{name} ended {codes}" for name, codes in injected.deaths.items())
    return (
        f"  {injected.row:<4} {injected.name:<28} {injected.drawn:<44} "
        f"{(injected.healed - injected.began) / 1000:5.1f} s, "
        f"{injected.objections:4} objections under way, all well after "
        f"{injected.realigned_s:5.1f} s{'; ' + deaths if deaths else ''}"
    )
