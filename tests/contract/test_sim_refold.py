"""What follows from the intents is lost and folded again: nobody is told more than all of it says.

Real processors on an in-memory log; which lane's fetches come late is said by the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from noli.runtime.partition import partition_of
from noli.runtime.trail import Mark, Owes
from schemas.names import CONTROL, DECISIONS, GRANTS, OBJECTIONS, PARTY_STATE, STATE
from streams.topology import SUPPRESS
from tests.support.checker import Report
from tests.support.recorded import allowed
from tests.support.sim import rest
from tests.support.sim.events import CONTACTS, SOURCE, about, consent, event, token_of
from tests.support.sim.process import crash
from tests.support.sim.world import PARTITIONS, SUPPRESSORS, World
from tests.support.step import CODEC

ANNA, BRUNO, EVA = CONTACTS
ALL: Final = (STATE, DECISIONS, PARTY_STATE)
PLACE: Final = partition_of(token_of(ANNA), PARTITIONS)
OWNER: Final = SUPPRESSORS[PLACE]


@pytest.fixture
def world() -> Iterator[World]:
    """A past: Anna consented, then objected; Bruno's record was unreadable; Eva consented."""
    made = World(0)
    made.everybody(3)
    for number, contact in enumerate(CONTACTS):
        made.submit(consent(number, contact, made.log.clock.ms - 90_000, source_id=SOURCE))
    made.everybody(3)
    made.submit(event(7, "objection.raised", made.log.clock.ms, **about(ANNA)))
    made.poison(GRANTS, BRUNO, b"?")
    rest.drain(made)
    yield made
    made.close()


def told(world: World, contact: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as in `events`
    """Every decision on a contact that the topic as it is now holds."""
    key = token_of(contact)
    entries = world.log.everything(DECISIONS)
    return [CODEC.decode(entry.value)[1] for _, entry in entries if entry.key == key]


def folded(world: World, late: str, turns: int = 8) -> Report:
    """Everybody starts on what was left; the first fetches of one lane are late."""
    world.log.sloth[late] = 1.0
    world.log.pass_time(7)
    world.everybody(turns)
    rest.heal(world)
    rest.drain(world)
    return rest.at_rest(world)


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize("late", [OBJECTIONS, CONTROL, GRANTS])
def test_nobody_is_told_allowed_before_all_is_folded(world: World, late: str) -> None:
    """Whichever lane comes last: no decision of the new topic allows who is denied by the whole."""
    world.lose(ALL, groups=True)
    report = folded(world, late)
    assert report.findings == [], str(report)
    for contact in (ANNA, BRUNO):
        assert [d for d in told(world, contact) if allowed(d["rows"])] == []
        assert told(world, contact)
    assert allowed(told(world, EVA)[-1]["rows"])


@pytest.mark.rule("SOURCE-REVOKED")
def test_what_a_revoked_source_gave_is_not_given_again(world: World) -> None:
    """The lane that revokes is folded before the lane of consents, however late it comes."""
    world.submit(event(8, "source.revoked", world.log.clock.ms, source_id=SOURCE, reason="x"))
    rest.drain(world)
    world.lose(ALL, groups=True)
    report = folded(world, CONTROL)
    assert report.findings == [], str(report)
    assert told(world, EVA)
    assert [d for d in told(world, EVA) if allowed(d["rows"])] == []


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize("late", [OBJECTIONS, CONTROL, GRANTS])
def test_at_any_takeover_what_denies_is_read_first(world: World, late: str) -> None:
    """Said while nobody was there: a yes, and the no behind it. Nobody is told of the yes alone."""
    for name in SUPPRESSORS:
        world.processes[name].die("stopped")
    now = world.log.clock.ms
    world.submit(consent(11, ANNA, now + 1))
    world.log.pass_time(0.1)
    world.submit(event(12, "objection.raised", now + 50, **about(ANNA)))
    report = folded(world, late)
    assert report.findings == [], str(report)
    before = [d for d in told(world, ANNA) if d["decided"] < now]
    assert len(told(world, ANNA)) > len(before)
    assert [d for d in told(world, ANNA)[len(before) :] if allowed(d["rows"])] == []


@pytest.mark.rule("OBJECT")
def test_objections_do_not_wait_for_the_rest(world: World) -> None:
    """While consents cannot be read, an objection is told at once, and allows nothing beside."""
    world.lose(ALL, groups=True)
    world.log.sloth[GRANTS] = 1.0
    world.everybody(6)
    world.submit(event(9, "objection.raised", world.log.clock.ms, **about(EVA), channels=["email"]))
    world.everybody(3)
    newest = told(world, EVA)[-1]
    assert [row["allowed"] for row in newest["rows"]] == [False] * len(newest["rows"])
    assert {"OBJECTED"} <= {reason for row in newest["rows"] for reason in row["reasons"]}
    rest.heal(world)
    rest.drain(world)
    report = rest.at_rest(world)
    assert report.findings == [], str(report)


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize("hit", [1, 2, 5, 9])
@pytest.mark.parametrize("kind", ["appended", "commit"])
def test_who_dies_while_folding_is_succeeded_by_who_goes_on(
    world: World, kind: str, hit: int
) -> None:
    """Wherever the owner dies, its successor knows that the past is not whole yet."""
    world.lose(ALL, groups=True)
    world.log.sloth[OBJECTIONS] = 0.7
    world.turn(OWNER)
    world.processes[OWNER].at((kind, hit), crash)
    world.turn(OWNER, 8)
    report = folded(world, GRANTS)
    assert report.findings == [], str(report)
    assert [d for d in told(world, ANNA) if allowed(d["rows"])] == []


@pytest.mark.parametrize("lost", [(DECISIONS,), (STATE,)], ids=lambda lost: lost[0])
def test_one_topic_that_is_lost_is_filled_again(world: World, lost: tuple[str]) -> None:
    """With offsets kept: the owners tell all again, and applications read from the beginning."""
    rest.drain(world)
    world.lose(lost)
    report = folded(world, OBJECTIONS)
    assert report.findings == [], str(report)
    assert allowed(told(world, EVA)[-1]["rows"])
    assert [d for d in told(world, ANNA) if allowed(d["rows"])] == [] or lost == (STATE,)
    ends = {name: process.ends for name, process in world.processes.items()}
    assert all(ended["InletError"] == 0 for ended in ends.values()), ends


@pytest.mark.rule("OBJECT")
def test_decisions_lost_while_a_past_is_folded(world: World) -> None:
    """What was told of the fold is gone too: it is as if nothing of it had been told."""
    world.lose(ALL, groups=True)
    world.log.sloth[GRANTS] = 1.0
    world.everybody(8)
    world.lose((DECISIONS,))
    world.everybody(8)
    assert told(world, ANNA)
    report = folded(world, OBJECTIONS)
    assert report.findings == [], str(report)
    assert [d for d in told(world, ANNA) if allowed(d["rows"])] == []


def test_no_watermark_before_all_is_told_again(world: World) -> None:
    """Decisions made anew say nothing of the past until they were told: nor does a beacon."""
    world.lose((DECISIONS,))
    world.log.sloth[OBJECTIONS] = 1.0  # nor is anything told while what denies is not read
    world.everybody(20)
    assert world.copy.positions == () or not any(p.as_of for p in world.copy.positions)
    rest.heal(world)
    rest.drain(world)
    assert all(p.as_of for p in world.copy.positions)


def test_what_is_owed_is_remembered_with_the_commit(world: World) -> None:
    """A folded partition owes nothing; the mark of its commit says so, and of which topic."""
    world.lose(ALL, groups=True)
    folded(world, OBJECTIONS)
    offsets = world.log.group(SUPPRESS.group).offsets
    marks = [Mark.read(committed.metadata) for committed in offsets.values()]
    said = [mark for mark in marks if mark is not None]
    assert {mark.owes for mark in said} == {Owes.NOTHING}
    assert {mark.topic for mark in said} == {world.log.topics[DECISIONS].id}
