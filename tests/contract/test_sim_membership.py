"""What a group tells its members while brokers are restarted, and what it keeps from them.

A group that moves to another broker costs nobody a takeover; who is not taken back starts anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from confluent_kafka import KafkaError

from noli.runtime.membership import OUT_S, PATIENCE_S
from tests.support.sim import rest
from tests.support.sim.events import CONTACTS, about, consent, event
from tests.support.sim.world import APPS, SUPPRESSORS, World

#: Who commits what is said here.
MEMBERS: Final = {*SUPPRESSORS, *APPS}


@pytest.fixture
def world() -> Iterator[World]:
    """Everybody up, and at rest."""
    made = World(0)
    rest.drain(made)
    yield made
    made.close()


def said(world: World, times: int) -> None:
    """Consents and objections, and everybody works."""
    for number in range(times):
        contact = CONTACTS[number % len(CONTACTS)]
        world.submit(consent(2 * number, contact, world.log.clock.ms))
        world.everybody(2)
        at = world.log.clock.ms
        world.submit(event(2 * number + 1, "objection.raised", at, **about(contact)))
        world.everybody(2)
        world.log.pass_time(1.1)


def ends(world: World) -> dict[str, list[str]]:
    """What ended whom."""
    return {name: [*process.ends] for name, process in world.processes.items() if process.ends}


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize(
    "code",
    [
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError._WAIT_COORD,
        KafkaError._TRANSPORT,
    ],
)
def test_a_commit_that_has_to_wait_ends_nobody(world: World, code: int) -> None:
    """All work on meanwhile; afterwards everything is committed, and nothing was told wrongly."""
    before = {name: dict(group.offsets) for name, group in world.log.groups.items()}
    world.log.refusing = code
    said(world, 4)
    assert {name: dict(group.offsets) for name, group in world.log.groups.items()} == before
    assert [len(target.arrivals) > 0 for target in world.targets.values()] == [True, True]
    world.log.refusing = None
    rest.drain(world)  # raises where something is not committed to its end
    assert ends(world) == {}
    report = rest.at_rest(world)
    assert report.findings == [], str(report)


def test_a_group_without_a_coordinator_for_too_long_ends_its_members(world: World) -> None:
    """A client may ask the wrong broker for ever; the next one asks right, and loses nothing."""
    world.log.refusing = KafkaError.NOT_COORDINATOR
    said(world, 4)
    assert ends(world) == {}
    world.log.pass_time(PATIENCE_S)
    said(world, 4)
    assert ends(world).keys() == MEMBERS
    world.log.refusing = None
    rest.drain(world)
    report = rest.at_rest(world)
    assert report.findings == [], str(report)


@pytest.mark.rule("OBJECT")
def test_a_member_that_is_not_taken_back_starts_anew(world: World) -> None:
    """Its session ran out, and no assignment comes: it ends, once, and loses nothing."""
    cut = {SUPPRESSORS[0], APPS[0]}
    world.log.cut |= cut
    world.log.pass_time(10)
    said(world, 2)
    assert ends(world) == {}
    world.log.pass_time(OUT_S)
    said(world, 2)
    assert ends(world) == {SUPPRESSORS[0]: ["LanesError"], APPS[0]: ["InletError"]}
    world.log.cut.clear()
    rest.drain(world)
    report = rest.at_rest(world)
    assert report.findings == [], str(report)


def test_a_commit_that_is_refused_for_good_ends_its_process(world: World) -> None:
    """What no time mends is told at once."""
    world.log.refusing = KafkaError.GROUP_AUTHORIZATION_FAILED
    said(world, 4)
    assert ends(world).keys() == MEMBERS
