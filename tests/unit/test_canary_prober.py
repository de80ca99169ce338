"""The prober over a world in memory: the law decides, applications confirm or do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from noli.canary import flock, probe, prober, saying
from noli.canary.aviary import Aviary
from noli.canary.journal import Journal
from noli.canary.listening import Heard, Listener
from noli.canary.probe import Probe
from noli.canary.prober import Parts, Prober
from noli.domain import canary, events
from noli.domain.canary import Perch
from noli.domain.channel import CHANNELS, PURPOSES, Channel, Kind, Purpose
from noli.domain.contact import Contact
from noli.domain.fold import fold
from noli.domain.policy import Policy
from noli.domain.state import State
from noli.domain.token import Pepper, token
from noli.domain.verdict import Query, answer
from noli.runtime.apps import Following
from noli.runtime.clock import now_ms
from noli.runtime.metrics.exposition import REGISTRY
from noli.wire.apps import App, Face
from noli.wire.apps import State as Standing

PEPPER = Pepper(1, bytes(range(32)))
PARTITIONS = 8


def an_app(name: str, state: Standing = Standing.RUNNING, **over: Any) -> App:  # noqa: ANN401
    """An application that serves everything of acme, and has for long."""
    face = Face("webhook", ("acme",), CHANNELS, PURPOSES, third_party=False)
    return App(name, state, since=0, face=face._replace(**over))


class World:
    """Everything a prober meets: doors, log, applications, clockless."""

    def __init__(self, *apps: App) -> None:
        self.apps = {app.name: app for app in apps}
        self.tokens: Mapping[str, frozenset[bytes]] = {}
        self.read_until = now_ms()
        self.shut = False
        #: Applications that confirm nothing.
        self.deaf: set[str] = set()
        #: Events as they were offered, and books as they were written.
        self.offered: list[Mapping[str, Any]] = []
        self.written: dict[str, Probe] = {}
        self._states: dict[Contact, State] = {}
        self._receipts: list[Heard] = []
        self._offset = 0
        self._accepted = now_ms()
        self._news = asyncio.Condition()

    async def ready(self) -> bool:
        """Both doors are."""
        return True

    async def offer(self, event: Mapping[str, Any]) -> int | None:
        """Fold it and tell the applications, unless the door is shut."""
        async with self._news:
            self.offered.append(event)
            self._news.notify_all()
        if self.shut:
            return None
        self._accepted = max(self._accepted + 1, now_ms())
        fact = events.parse(event, self._accepted)
        assert fact.contact is not None
        self._states[fact.contact] = fold(self._states.get(fact.contact), fact)
        for app in self.tokens.keys() - self.deaf:
            self._confirm(app, token(PEPPER, fact.controller, fact.contact))
        return self._accepted

    async def verdict(self, question: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What the law says now."""
        contact = Contact(Kind(question["contact"]["kind"]), question["contact"]["value"])
        query = Query(Channel(question["channel"]), Purpose(question["purpose"]))
        found = answer(self._states.get(contact), Policy(), query, self._accepted)
        return {"allowed": found.allowed, "reasons": [reason.value for reason in found.reasons]}

    def read(self, _wait_s: float) -> bool:
        """`noli.apps` is as it is."""
        return True

    def listen(self) -> list[Heard]:
        """The receipts since the last time."""
        heard, self._receipts = self._receipts, []
        self.read_until = now_ms()
        return heard

    async def write(self, probes: Iterable[Probe]) -> None:
        """Keep the books."""
        async with self._news:
            self.written = {one.app: one for one in probes}
            self._news.notify_all()

    def close(self) -> None:
        """Leave."""

    async def until(self, enough: Callable[[World], bool]) -> None:
        """Wait until that is so, looked at after each post and each writing."""
        async with self._news, asyncio.timeout(20):
            await self._news.wait_for(lambda: enough(self))

    def _confirm(self, app: str, key: bytes) -> None:
        if key not in self.tokens[app]:
            return
        change = {"token": key, "version": self._accepted, "offset": 1, "outcome": "applied",
                  "accepted": self._accepted, "reason": None}  # fmt: skip
        receipt = {"at": now_ms(), "changes": [change]}
        self._receipts.append(Heard(app, (0, self._offset), receipt))
        self._offset += 1


@asynccontextmanager
async def probed(
    world: World, monkeypatch: pytest.MonkeyPatch, known: Mapping[str, Probe] | None = None
) -> AsyncIterator[Prober]:
    """A prober in that world, a hundred times as fast."""
    monkeypatch.setattr(prober, "_WRITE_S", 0.0)
    monkeypatch.setattr(prober, "_AGAIN_S", 0.01)
    parts = Parts(
        world, cast(Following, world), cast(Listener, world), cast(Journal, world), PEPPER,
        PARTITIONS, 0.01,
    )  # fmt: skip
    made, stop = Prober(parts, Aviary(known or {})), asyncio.Event()
    task = asyncio.create_task(made.run(stop))
    try:
        yield made
    finally:
        stop.set()
        await task


def sample(name: str, app: str) -> float:
    """A counter of an application."""
    return REGISTRY.get_sample_value(f"noli_probe_{name}_total", {"app": app}) or 0.0


PERCHES = [Perch("acme", kind, purpose) for kind in Kind for purpose in PURPOSES]


@pytest.mark.parametrize("perch", PERCHES, ids=lambda perch: f"{perch.kind}-{perch.purpose}")
def test_each_event_turns_the_answer_round(perch: Perch) -> None:
    """Of any kind and purpose: the law denies after the objection, allows after the consent."""
    state: State | None = None
    contact = canary.flock(perch.kind, perch.purpose)[0]
    query = Query(perch.channels[0], perch.purpose)
    for n, objects in enumerate([True, False, True, False], 1):
        posted = saying.event(perch, contact, f"{n}", objects=objects)
        state = fold(state, events.parse(posted, 1_790_000_000_000 + n))
        found = answer(state, Policy(), query, 1_790_000_000_000 + n)
        verdict = {"allowed": found.allowed, "reasons": [r.value for r in found.reasons]}
        assert saying.answers(verdict, objects=objects)
        assert not saying.answers(verdict, objects=not objects)


@pytest.mark.parametrize("reason", ["STALE_REPLICA", "NO_BASIS"])
def test_a_doubt_confirms_no_objection(reason: str) -> None:
    """A lookup that denies because it is stale, or knows nothing, has not shown the objection."""
    assert not saying.answers({"allowed": False, "reasons": [reason]}, objects=True)


def test_a_state_does_not_grow_by_canaries() -> None:
    """A day of them leaves one objection, one consent and the ids of the latest facts."""
    perch = PERCHES[0]
    contact, state, size = canary.flock(perch.kind, perch.purpose)[0], None, 0
    for n in range(500):
        posted = saying.event(perch, contact, f"{n}", objects=n % 2 == 0)
        state = fold(state, events.parse(posted, 1_790_000_000_000 + n))
        if n == 100:
            size = len(state.seen)
    assert state is not None
    assert (len(state.denials), len(state.grants), len(state.marks)) == (1, 1, 0)
    assert len(state.seen) == size


def test_a_perch_has_a_bird_for_each_partition() -> None:
    """So every owner of a partition is probed in its turn."""
    birds = flock.birds(PEPPER, PERCHES[0], PARTITIONS)
    assert len(birds) == PARTITIONS
    assert len(flock.birds(PEPPER, PERCHES[0], 1)) == 1


async def test_stop_and_consent_go_round_and_every_application_is_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One post a period for both of a perch, in turn on all partitions; both confirm each."""
    world = World(an_app("one"), an_app("two"), an_app("pushes", channels=(Channel.PUSH,)))
    async with probed(world, monkeypatch) as made:
        await world.until(lambda world: len(world.offered) > 2 * PARTITIONS)
        assert made.ready() == (True, {"perches": 1, "applications": 2})
    kinds = [event["type"].split(".")[1] for event in world.offered]
    assert kinds[:6] == ["consent", "objection"] * 3
    contacts = [event["data"]["contact"]["value"] for event in world.offered]
    assert len(set(contacts)) == PARTITIONS
    assert len({event["id"] for event in world.offered}) == len(world.offered)
    assert world.written.keys() == {"one", "two"}
    for app in ("one", "two"):
        book = world.written[app]
        assert book.lost == book.late == 0
        assert book.confirmed >= book.sent - len(book.flying) - 1
        assert (sample("sent", app), sample("confirmed", app)) == (book.sent, book.confirmed)


async def test_an_application_that_confirms_nothing_is_lost_and_delays_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The deaf one loses canaries; those of its neighbour come home meanwhile."""
    monkeypatch.setattr(probe, "LOST_MS", 300)
    world = World(an_app("deaf"), an_app("hears"))
    world.deaf.add("deaf")
    async with probed(world, monkeypatch):
        await world.until(lambda world: "deaf" in world.written and world.written["deaf"].lost > 3)
    deaf, hears = world.written["deaf"], world.written["hears"]
    assert (deaf.phase, deaf.missing, deaf.confirmed) == ("lost", "receipt", 0)
    assert hears.lost == 0
    assert hears.confirmed > 3
    assert sample("lost", "deaf") == deaf.lost


async def test_a_shut_intake_is_insisted_on_with_the_same_event_and_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stop that cannot even be said is lost for all; the book goes on from the one before."""
    monkeypatch.setattr(prober, "LOST_MS", 100)
    world = World(an_app("unheard"))
    world.shut = True
    known = {"unheard": Probe("unheard", sent=40, confirmed=38, lost=2)}
    async with probed(world, monkeypatch, known):
        await world.until(lambda world: bool(world.written) and world.written["unheard"].lost > 3)
    book = world.written["unheard"]
    assert (book.missing, book.confirmed, book.sent) == ("intake", 38, 38 + book.lost)
    ids = [event["id"] for event in world.offered]
    assert ids[0] == ids[1]
    assert sample("lost", "unheard") == book.lost - 2  # since this process began


async def test_a_prober_that_slept_in_the_middle_of_a_post_blames_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One offer without an answer for 20 s is our sleep: an intake that is away is asked more."""
    monkeypatch.setattr(prober, "LOST_MS", 50)
    world = World(an_app("innocent"))
    slept = asyncio.Event()
    offer = world.offer

    async def once(event: Mapping[str, Any]) -> int | None:
        if not slept.is_set():
            slept.set()
            await asyncio.Event().wait()
        return await offer(event)

    monkeypatch.setattr(world, "offer", once)
    async with probed(world, monkeypatch):
        await world.until(
            lambda world: "innocent" in world.written and world.written["innocent"].confirmed > 1
        )
    assert world.written["innocent"].lost == 0


async def test_a_paused_application_is_left_in_peace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent for it alone; once it runs again, it is."""
    world = World(an_app("rests", Standing.PAUSED), an_app("gone", Standing.REMOVED))
    async with probed(world, monkeypatch) as made:
        await world.until(lambda _: made.ready()[1]["applications"] == 0)
        assert not world.offered
        world.apps["rests"] = an_app("rests")
        await world.until(
            lambda world: "rests" in world.written and world.written["rests"].confirmed > 1
        )
        last_ok = {"app": "rests"}
        name = "noli_probe_last_success_timestamp_seconds"
        assert (REGISTRY.get_sample_value(name, last_ok) or 0) > 1
        world.apps["rests"] = an_app("rests", Standing.PAUSED)
        await world.until(lambda _: made.ready()[1]["perches"] == 0)
        assert REGISTRY.get_sample_value(name, last_ok) is None
        assert REGISTRY.get_sample_value("noli_probe_sent_total", last_ok) is None
    assert world.written["rests"].lost == 0


def test_applications_without_a_face_or_without_canaries_are_not_probed() -> None:
    """What they are told is not known, or they are told of none."""
    files = an_app("files", controllers=("zeta",), canary=False)
    assert flock.perches([App("new"), files, an_app("known")]).keys() == {
        Perch("acme", Kind.PHONE, Purpose.MARKETING)
    }
