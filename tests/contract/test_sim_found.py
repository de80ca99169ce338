"""What the state machine found, as the shortest stories that show it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

import pytest

from noli.runtime.partition import partition_of
from schemas.names import OBJECTIONS
from tests.support.checker import Category, Report
from tests.support.sim import rest
from tests.support.sim.events import CONTACTS, about, consent, event, token_of
from tests.support.sim.plants import decision_before_its_state
from tests.support.sim.process import ANY, Point, crash
from tests.support.sim.world import PARTITIONS, SUPPRESSORS, World

ANNA: Final = CONTACTS[0]
#: Whose her partition is while both work: `range` gives them out in order.
OWNER: Final = SUPPRESSORS[partition_of(token_of(ANNA), PARTITIONS)]
POINTS: Final = list(product(("produce", "flush", "appended"), (1, 2, 3)))


@pytest.fixture
def world() -> Iterator[World]:
    """Everybody up, for as long as it takes to know each other."""
    made = World(0)
    made.everybody(3)
    yield made
    made.close()


def replayed(world: World, point: Point, how: str) -> Report:
    """Her consent is known; her objection is decided when its owner is broken at a point of it.

    The successor is served an old consent of hers first, then the objection again.
    """
    now = world.log.clock.ms
    world.submit(consent(1, ANNA, now))
    world.everybody(2)
    world.log.pass_time(0.5)
    world.submit(event(2, "objection.raised", world.log.clock.ms, **about(ANNA)))
    if how == "crash":
        world.processes[OWNER].at(point, crash)
    else:
        world.overtake(OWNER, point, 0)
    world.turn(OWNER)
    world.submit(consent(3, ANNA, now - 90_000))
    world.log.sloth[OBJECTIONS] = 1.0
    world.log.pass_time(7)
    world.everybody(4)
    world.log.sloth.clear()
    rest.heal(world)
    rest.drain(world)
    return rest.at_rest(world)


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize("how", ["crash", "overtake"])
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_replay_lifts_no_objection_that_was_obeyed(world: World, point: Point, how: str) -> None:
    """Wherever its owner dies or stands still, a successor knows what all were told (ADR 16)."""
    report = replayed(world, point, how)
    assert report.findings == [], str(report)
    assert report.checked["denials"] == 1


def test_a_decision_before_its_state_would_lift(world: World) -> None:
    """The order before ADR 16: the story above shows the lift, so it would show it again."""
    with decision_before_its_state():
        report = replayed(world, ("appended", 1), "crash")
    assert Category.LIFTED in report.categories, str(report)


def test_a_worker_that_gets_a_partition_back_tells_no_older_moment(world: World) -> None:
    """What it asked before it was replaced is forgotten: a watermark does not go back."""
    for number in (1, 2):
        world.submit(event(number, "objection.raised", world.log.clock.ms, party="crm:1"))
    world.everybody(5)
    for name, turns in (("suppress-1", 1), ("suppress-0", 6)):
        world.overtake(name, (ANY, 1), turns)
        world.turn(name, 4)
    world.everybody(1)
    rest.heal(world)
    rest.drain(world)
    report = rest.at_rest(world)
    assert report.findings == [], str(report)
    assert report.checked["watermarks"] > 2
