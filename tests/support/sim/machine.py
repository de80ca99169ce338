"""The state machine: what people say, what breaks, what heals; in any order.

Each step leaves the world in a state in which no invariant may be broken; the end heals, drains and
asks for everything. A failing example is printed as the calls that repeat it.
"""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from schemas.names import CONTROL, DECISIONS, GRANTS, OBJECTIONS, PARTY_STATE, STATE
from tests.support.checker import Report
from tests.support.sim import rest
from tests.support.sim.events import (
    CONTACTS,
    PARTIES,
    SOURCE,
    about,
    consent,
    event,
)
from tests.support.sim.process import ANY, Point, crash
from tests.support.sim.world import APPS, SUPPRESSORS, World

_WORKERS: Final = (*SUPPRESSORS, "parties-0")
_EVERYBODY: Final = (*_WORKERS, *APPS, "replica")
#: Who is broken: those with most to lose first.
victims: Final = st.sampled_from((*SUPPRESSORS, *_EVERYBODY))
#: What its clients do, and where a connector stands.
_KINDS: Final = (
    "poll", "produce", "flush", "appended", "appended", "commit", "committed", "apply", "applied",
    "receipts",
)  # fmt: skip
#: By number: an example is repeated by the calls that are printed.
contacts: Final = st.integers(0, len(CONTACTS) - 1)
parties: Final = st.sampled_from(PARTIES)
#: Seconds by which a person acted before, or says to act after, the log hears of it.
lateness: Final = st.sampled_from([0, 0, 0, 1, 90, 400_000, -1, -31_536_000])
#: Whether somebody says yes, and how late that is heard; some of it in turn.
stories: Final = st.lists(st.tuples(st.booleans(), lateness), min_size=2, max_size=4)
#: How a post ends for its sender.
endings: Final = st.sampled_from(["ok", "ok", "ok", "twice", "lost", "unheard"])
#: Points of a process's clients between two of its deaths.
points: Final = st.one_of(
    st.tuples(st.just(ANY), st.integers(1, 25)),
    st.tuples(st.sampled_from(_KINDS), st.integers(1, 3)),
)
#: Topics lost at once.
disasters: Final = st.sampled_from([(STATE, DECISIONS, PARTY_STATE), (STATE,), (DECISIONS,)])
faults: Final = st.sampled_from(["crash", "crash", "cut", "unheard"])


#: `min.compaction.lag.ms` of state and decisions, in seconds (schemas/topics.toml).
_COMPACTION_LAG_S: Final = 86_400
#: Turns in which a fault that was armed surely comes.
_TURNS: Final = 4


class Pipeline(RuleBasedStateMachine):
    """A world under chance."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        """A world with everybody up."""
        self.world = World(seed)
        self.said: list[dict[str, Any]] = []
        self.world.everybody(3)

    # --- what people say --------------------------------------------------------------------------

    def say(self, what: str, how: str, late: int = 0, **data: Any) -> None:  # noqa: ANN401 - event data
        """An event, kept for repeats; everybody else's clock moves by a millisecond."""
        at = self.world.log.clock.ms - late * 1000
        self.said.append(event(len(self.said), what, at, **data))
        self.world.submit(self.said[-1], how)

    def something(self, contact: int) -> None:
        """An objection or a consent, by turns."""
        if len(self.said) % 2:
            self.object_(contact, "ok", 0)
        else:
            self.consent(contact, "ok", 0, sourced=False)

    @rule(contact=contacts, how=endings, late=lateness)
    def object_(self, contact: int, how: str, late: int) -> None:
        """Somebody says stop."""
        self.say("objection.raised", how, late, **about(CONTACTS[contact]))

    @rule(contact=contacts, how=endings, late=lateness, sourced=st.booleans())
    def consent(self, contact: int, how: str, late: int, *, sourced: bool) -> None:
        """Somebody says yes, perhaps through a source."""
        self.said.append(
            consent(
                len(self.said), CONTACTS[contact], self.world.log.clock.ms - late * 1000,
                **({"source_id": SOURCE} if sourced else {}),
            )
        )  # fmt: skip
        self.world.submit(self.said[-1], how)

    @rule(contact=contacts, how=endings, late=lateness,
          what=st.sampled_from(["consent.withdrawn", "erasure.requested"]))  # fmt: skip
    def withdraw(self, contact: int, how: str, late: int, what: str) -> None:
        """Somebody withdraws, or wants to be forgotten."""
        self.say(what, how, late, **about(CONTACTS[contact]))

    @rule(contact=contacts, story=stories)
    def change_mind(self, contact: int, story: list[tuple[bool, int]]) -> None:
        """Somebody says yes and no in turn, some of it heard of late."""
        for yes, late in story:
            if yes:
                self.consent(contact, "ok", late, sourced=False)
            else:
                self.object_(contact, "ok", late)
            self.world.log.pass_time(0.001)

    @rule(how=endings, data=st.data())
    def repeat(self, how: str, data: st.DataObject) -> None:
        """A sender posts something again, the same bytes, whenever."""
        if self.said:
            self.world.submit(data.draw(st.sampled_from(self.said), "again"), how)

    @rule(party=parties, contact=contacts, how=endings)
    def link(self, party: str, contact: int, how: str) -> None:
        """A contact is somebody's."""
        self.say("party.linked", how, party=party, **about(CONTACTS[contact]))

    @rule(party=parties, how=endings, late=lateness)
    def object_everywhere(self, party: str, how: str, late: int) -> None:
        """A person says stop, for all their contacts."""
        self.say("objection.raised", how, late, party=party)

    @rule(how=endings)
    def revoke(self, how: str) -> None:
        """A source turns out to be unlawful."""
        self.say("source.revoked", how, source_id=SOURCE, reason="x")

    @rule(
        contact=contacts, topic=st.sampled_from([OBJECTIONS, GRANTS]), value=st.binary(max_size=3)
    )
    def poison(self, contact: int, topic: str, value: bytes) -> None:
        """A record that nobody can read."""
        self.world.poison(topic, CONTACTS[contact], value)

    # --- what goes on -----------------------------------------------------------------------------

    @rule(name=st.sampled_from(_EVERYBODY), times=st.integers(1, 4))
    def work(self, name: str, times: int) -> None:
        """A process does some work."""
        self.world.turn(name, times)

    @rule(times=st.integers(1, 3))
    def everybody_works(self, times: int) -> None:
        """All do."""
        self.world.everybody(times)

    @rule(seconds=st.sampled_from([0.001, 0.3, 1.1, 5.0, 15.0, 15.0, 90_000.0]))
    def tick(self, seconds: float) -> None:
        """Time passes."""
        self.world.log.pass_time(seconds)

    @rule()
    def ask(self) -> None:
        """A dialer asks about everybody."""
        for contact in CONTACTS:
            self.world.ask(contact)

    # --- what breaks ------------------------------------------------------------------------------

    @rule(name=victims, point=points, contact=contacts, how=faults)
    def break_at(self, name: str, point: Point, contact: int, how: str) -> None:
        """At some point of its work, on something that was just said, a process dies or is cut."""
        self.something(contact)
        then = {
            "crash": crash,
            "cut": lambda: self.world.log.cut.add(name),
            "unheard": lambda: self.world.log.unheard.add(name),
        }
        self.world.processes[name].at(point, then[how])
        self.world.turn(name, _TURNS)

    @rule(name=st.sampled_from(_WORKERS), point=points, turns=st.integers(1, 6), contact=contacts)
    def overtake(self, name: str, point: Point, turns: int, contact: int) -> None:
        """SIGSTOP at some point of its work; SIGCONT once others have its partitions."""
        self.something(contact)
        self.world.overtake(name, point, turns)
        self.world.turn(name, _TURNS)

    @rule(name=st.sampled_from(_EVERYBODY), how=st.sampled_from(["kill", "stop", "disk"]))
    def end(self, name: str, how: str) -> None:
        """Kill -9 between two turns; or stopped until it is started again; or its disk is lost."""
        process = self.world.processes[name]
        process.down = how == "stop" and not process.down
        process.die(how)
        if how == "disk":
            self.world.disk.lose(self.world.folder / name)

    @rule(contact=contacts, lost=disasters, late=st.sampled_from([OBJECTIONS, CONTROL, GRANTS]),
          turns=st.integers(1, 8))  # fmt: skip
    def disaster(self, contact: int, lost: tuple[str, ...], late: str, turns: int) -> None:
        """Topics that follow from the intents are gone; then the first fetches of a lane are late.

        Where all of them are, so is what was committed.
        """
        self.something(contact)
        self.world.lose(lost, groups=len(lost) > 1)
        self.world.log.sloth[late] = 1.0
        self.world.everybody(turns)
        self.world.log.sloth[late] = 0.0

    @rule(name=st.sampled_from(_EVERYBODY))
    def mend(self, name: str) -> None:
        """The brokers hear a process again, and it them."""
        self.world.log.cut.discard(name)
        self.world.log.unheard.discard(name)

    @rule(topic=st.sampled_from([OBJECTIONS, GRANTS, CONTROL, DECISIONS]),
          sloth=st.sampled_from([0.0, 0.5, 1.0]))  # fmt: skip
    def slow(self, topic: str, sloth: float) -> None:
        """Fetches take their time."""
        self.world.log.sloth[topic] = sloth

    @rule()
    def land(self) -> None:
        """What the dead had sent arrives."""
        self.world.log.land()

    @rule(topic=st.sampled_from([STATE, DECISIONS, PARTY_STATE]))
    def compact(self, topic: str) -> None:
        """The cleaner runs."""
        self.world.log.compact(topic, _COMPACTION_LAG_S)

    @rule(app=st.sampled_from(APPS), down=st.booleans(), mute=st.booleans())
    def trouble(self, app: str, *, down: bool, mute: bool) -> None:
        """An application is down, or its answers get lost, or it is well again."""
        self.world.targets[app].down, self.world.targets[app].mute = down, mute

    @rule(app=st.sampled_from(APPS), back=st.sampled_from([1, 30]))
    def restore(self, app: str, back: int) -> None:
        """An application is put back to a backup; somebody asks for a backfill."""
        self.world.targets[app].restore(self.world.log.clock.ms - back * 1000)
        rest.backfill(self.world, app)

    # --- what must hold ---------------------------------------------------------------------------

    @invariant()
    def nothing_is_broken(self) -> None:
        """At any time: no version goes back, nothing is lifted, no watermark or receipt lies."""
        if self.said and not len(self.world.ops) % 4:
            self.demand(rest.judge(self.world, at_rest=False))

    def teardown(self) -> None:
        """Heal, drain, and ask for everything."""
        if not hasattr(self, "world"):
            return
        try:
            rest.heal(self.world)
            rest.drain(self.world)
            for app in APPS:
                rest.backfill(self.world, app)
            rest.drain(self.world)
            for contact in CONTACTS:
                self.world.ask(contact)
            self.demand(rest.at_rest(self.world))
        finally:
            self.world.close()

    def demand(self, report: Report) -> None:
        """Nothing was found. Printed with the deaths there were."""
        ends = {name: dict(p.ends) for name, p in self.world.processes.items() if p.ends}
        assert report.findings == [], f"{report}\ndeaths: {ends}"
