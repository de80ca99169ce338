"""Input folded anew, and topics made anew, on a real broker (ADR 18)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.inlet import Gained, Inlet, Mark
from noli.runtime import broker
from noli.runtime.part import Part
from noli.runtime.topics import Wanted
from tests.support.blackbox import until
from tests.support.log import append
from tests.support.loop import KEY, Counting, Lab, laboratory, reached
from tests.support.stack import Stack

#: More than a batch of the lane that leads.
BACKLOG = 1_200
_TIMEOUT_S = 15.0


@pytest.fixture
def lab(stack: Stack, tmp_path: Path) -> Lab:
    """Fresh topics for one test."""
    return laboratory(stack, tmp_path)


def made_anew(stack: Stack, name: str) -> None:
    """A topic is deleted, and there again under its name."""
    client = broker.admin(stack.settings())
    client.delete_topics([name], request_timeout=_TIMEOUT_S)[name].result()
    until(lambda: name not in broker.look(client).topics, "the topic gone", _TIMEOUT_S)
    stack.create(Wanted(name, 1, 1, keyed=True, configs={"cleanup.policy": "compact"}))


@pytest.mark.rule("OBJECT")
def test_at_a_takeover_what_denies_is_read_first(lab: Lab) -> None:
    """A consent waits for every objection that stood there, at the first start and at the next."""
    for disk in ("disk-0", "disk-1"):
        lab.feed(1, 5)
        lab.feed(0, BACKLOG)
        step = Counting()
        with lab.worker(step, disk):
            until(lambda: len(step.seen) >= BACKLOG + 5, "everything read", _TIMEOUT_S)  # noqa: B023 - within the turn
        lanes = [record.topic for record in step.seen]
        assert lanes == [lab.topology.lanes[0]] * BACKLOG + [lab.topology.lanes[1]] * 5


def test_a_lane_with_nothing_in_it_holds_nobody_up(lab: Lab) -> None:
    """Nothing was ever said in the lane that leads: the others flow within a fetch or two."""
    step = Counting()
    with lab.worker(step):
        lab.feed(1, 5)
        until(lambda: len(step.seen) == 5, "the consents", _TIMEOUT_S)


@dataclass
class Folding(Counting):
    """Notes whether the partition was being folded anew when a record came."""

    def __post_init__(self) -> None:
        """Nothing yet."""
        self.folding: list[bool] = []

    def restate(self, key: bytes, part: Part) -> None:
        """Note, and write."""
        self.folding.append(part.folding)
        super().restate(key, part)


def test_what_was_folded_anew_is_told_at_the_end(lab: Lab) -> None:
    """The first start reads a past: all of it, then each contact is decided once more, aloud."""
    lab.feed(0, 10)
    lab.feed(1, 10)
    step = Folding()
    with lab.worker(step):
        until(lambda: bool(step.folding), "told again", _TIMEOUT_S)
        assert len(step.seen) == 20
    assert step.folding == [False]


def test_decisions_that_were_deleted_are_told_again(lab: Lab) -> None:
    """The topic is made anew, state and offsets are kept: everybody stands there again."""
    lab.feed(0, 4)
    with lab.worker(Counting()):
        lab.reader(lab.topology.decisions).until(reached(4))
    made_anew(lab.stack, lab.topology.decisions)
    step = Counting()
    with lab.worker(step):
        lab.reader(lab.topology.decisions).until(reached(4))
    assert step.seen == []


@pytest.mark.parametrize("count", [10, 50])
async def test_a_connector_reads_decisions_made_anew_from_their_beginning(
    lab: Lab, count: int
) -> None:
    """Whether its offset lies behind the new end or within it: it does not end, and misses none."""
    topic, group = lab.topology.decisions, f"{lab.topology.group}.app"
    append(lab.settings(), topic, [(0, KEY, b"v")] * 30)
    first = await gained(lab, group, topic)
    assert (first.first, first.end) == (True, 30)
    made_anew(lab.stack, topic)
    append(lab.settings(), topic, [(0, KEY, b"v")] * count)
    again = await gained(lab, group, topic)
    assert (again.first, again.start, again.end, again.mark) == (True, 0, count, Mark(0, None))
    kept = await gained(lab, group, topic)
    assert (kept.first, kept.start) == (False, count)


async def gained(lab: Lab, group: str, topic: str) -> Gained:
    """A connector starts, commits the end of its partition, and stops."""
    inlet = Inlet(lab.settings(), group, topic)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            while True:
                for happened in await inlet.read():
                    if isinstance(happened, Gained):
                        assert await inlet.commit({0: (happened.end, Mark(7, 8))})
                        return happened
    finally:
        await inlet.aclose()
