"""Histories for the checker's own tests: what a perfect system leaves behind.

`healthy` plays senders, a log, an owner, two applications, a replica and an asker, with retries,
duplicates, late events, an outage and a backup put back. `mutations` breaks it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from random import Random
from typing import Any, Final

from tests.support.checker import (
    Aligned,
    Bound,
    Counted,
    Decided,
    Digest,
    Fact,
    Held,
    History,
    Law,
    Logged,
    Op,
    Receipt,
    Restored,
    Told,
    fact_of,
)

_LANE: Final = "noli.objections"
TOPICS: Final = {
    "objection.raised": _LANE,
    "consent.withdrawn": _LANE,
    "erasure.requested": _LANE,
    "consent.given": "noli.grants",
}
_CHANNELS: Final = ("sms", "email", "mms")
_APPS: Final = ("crm", "dialer")
#: As `Bounds` has it unless told otherwise.
LEASE_MS: Final = 10_000


def event(number: int, what: str, **data: Any) -> dict[str, Any]:  # noqa: ANN401 - event data
    """A CloudEvent."""
    return {"source": "/t", "id": str(number), "type": f"noli.{what}.v1", "data": data}


def consent(number: int, *channels: str, **data: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """A proven consent to marketing."""
    return event(number, "consent.given", purpose="marketing", channels=list(channels),
                 **{"evidence": {"ref": "form"}, **data})  # fmt: skip


class Player:
    """A system that does everything right, one step after the other."""

    def __init__(self, seed: int, contacts: int, restores: int) -> None:
        self.chance = Random(seed)
        self.history = History()
        self.now = 1_000_000
        self._contacts = [f"c{n}" for n in range(contacts)]
        self._numbers = itertools.count(1)
        self._offsets = itertools.count()
        self._versions = itertools.count(1)
        self._restores = restores
        self._facts: dict[str, list[tuple[str, int, Fact]]] = defaultdict(list)
        self._newest: dict[str, Decided] = {}
        self._behind: dict[str, list[Decided]] = {app: [] for app in (*_APPS, "replica")}
        self._held: dict[str, dict[str, Decided]] = {app: {} for app in self._behind}

    def play(self, steps: int) -> History:
        """So many events, then rest."""
        self.history.decided.append(Decided(0, next(self._offsets), self.now, 7))
        for _ in range(steps):
            self.now += self.chance.randint(1, 700)
            self.chance.choices(
                [self._event, self._ask, self._catch_up, self._restore],
                [60, 20, 30, self._restores],
            )[0]()
        for app in self._behind:
            self._deliver(app)
            if app in _APPS:
                self._align(app)
        self._rest()
        return self.history

    def _event(self) -> None:
        contact, number = self.chance.choice(self._contacts), next(self._numbers)
        what = self.chance.choice([*TOPICS, "consent.given", "consent.given", "objection.raised"])
        time = self.now - self.chance.choice([0, 0, 5_000, -9_000])
        said = event(number, what)
        if what == "consent.given":
            said = consent(number, *self.chance.sample(_CHANNELS, self.chance.randint(1, 2)))
        accepted, process = self.now, f"sender-{self.chance.randint(0, 3)}"
        fact = fact_of(said, time, accepted, contact)
        how = self.chance.choices(["ok", "info", "fail", "twice"], [80, 10, 5, 5])[0]
        self._op("invoke", process, "submit", event=fact.id)
        self.now += 5
        if how == "fail":
            self._op("fail", process, "submit", event=fact.id)
            return
        places = [self._append(TOPICS[what], fact) for _ in range(1 + (how == "twice"))]
        self._op("info" if how == "info" else "ok", process, "submit", event=fact.id,
                 receipt=places[-1])  # fmt: skip
        self._decide(contact, accepted)

    def _append(self, topic: str, fact: Fact) -> str:
        offset = len(self.history.log)
        self.history.log.append(Logged(topic, 0, offset, self.now, fact))
        self._facts[fact.contact or ""].append((topic, self.now, fact))
        return f"{topic}:0:{offset}"

    def _decide(self, contact: str, accepted: int) -> None:
        self.now += self.chance.randint(1, 50)
        law = Law(self._facts[contact])
        allowed = {p for p in law.sure_pairs(contact) if law.bound(contact, p) is Bound.ALLOWED}
        denials = [known for known in law.of(contact) if known.fact.denies]
        pairs = {(channel, "marketing", "*") for channel in _CHANNELS} - allowed
        denied = {p for p in pairs if any(law.standing(contact, p, known) for known in denials)}
        decided = Decided(
            0, next(self._offsets), self.now, 7, contact, next(self._versions),
            frozenset(allowed), frozenset(denied), accepted,
        )  # fmt: skip
        self.history.decided.append(decided)
        self._newest[contact] = decided
        for behind in self._behind.values():
            behind.append(decided)

    def _catch_up(self) -> None:
        app = self.chance.choice(list(self._behind))
        self._deliver(app)
        if app in _APPS:
            self._align(app)

    def _deliver(self, app: str) -> None:
        """Everything the application is behind by; superseded ones are left out by chance."""
        queue, self._behind[app] = self._behind[app], []
        for decided in queue:
            contact = decided.contact or ""
            if decided is not self._newest[contact] and self.chance.random() < 1 / 2:
                continue
            self.now += 1
            told = Told(app, self.now, contact, decided.version, decided.allowed, decided.objected)
            held = self._held[app].get(contact)
            taken = held is None or held.version <= decided.version
            self.history.arrivals.append(told._replace(taken=taken))
            if taken:
                self._held[app][contact] = decided
            if app in _APPS:
                receipt = Receipt(app, self.now + 1, contact, decided.version, "applied")
                self.history.receipts.append(receipt)

    def _align(self, app: str) -> None:
        self.now += 2
        self.history.aligned.append(Aligned(app, self.now, self.now - 1))

    def _ask(self) -> None:
        contact = self.chance.choice(self._contacts)
        self._deliver("replica")  # an answer within the lease
        held = self._held["replica"].get(contact)
        pair = (self.chance.choice(_CHANNELS), "marketing", "*")
        asked = {"contact": contact, "pair": list(pair)}
        self._op("invoke", "asker", "ask", **asked)
        self.now += 1
        self._op("ok", "asker", "ask", **asked, allowed=bool(held and pair in held.allowed),
                 as_of=self.now - 2, version=held.version if held else None)  # fmt: skip

    def _restore(self) -> None:
        """A backup is put back; read-back finds it, and everybody is told again."""
        app = self.chance.choice(_APPS)
        self._deliver(app)
        self.now += 1
        self.history.arrivals.append(Restored(app, self.now, self.now - 3_000))
        self._held[app] = {}
        self._behind[app] = [*self._newest.values()]

    def _op(self, op: Any, process: str, kind: str, **value: Any) -> None:  # noqa: ANN401 - JSON
        self.history.ops.append(Op(op, process, self.now, kind, value))

    def _rest(self) -> None:
        for app in _APPS:
            self.history.dumps[app] = {
                contact: Held(each.version, each.allowed)
                for contact, each in self._held[app].items()
            }
            total = len(self._held[app])
            self.history.counts.append(Counted(app, total, total, 0, 0, 0))
        self.history.digests.append(Digest("snapshot and tail, and replay", "aa", "aa"))


def healthy(seed: int, steps: int = 60, contacts: int = 4, restores: int = 2) -> History:
    """What a perfect system leaves behind; `restores`: how likely a backup is put back, of 112."""
    return Player(seed, contacts, restores).play(steps)
