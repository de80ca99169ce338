"""Taking over on a real broker: what former owners left behind is found and mended (ADR 15)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from noli.runtime import broker, failpoints
from noli.runtime.clock import now_us
from noli.runtime.part import Part, Record
from noli.runtime.processor import Processor
from noli.runtime.repair import Superseded
from noli.runtime.restore import StateLost
from noli.runtime.trail import Mark
from schemas.codec import leading_long
from schemas.names import CLAIM_KEY
from tests.support.decisions import decision
from tests.support.log import Stored, append
from tests.support.loop import (
    FAR_EPOCH,
    KEY,
    Counting,
    Lab,
    Running,
    count_of,
    keyed,
    laboratory,
    mark,
    reached,
)
from tests.support.stack import Stack
from tests.support.step import CODEC, state_record


@pytest.fixture
def lab(stack: Stack, tmp_path: Path) -> Lab:
    """Fresh topics for one test."""
    return laboratory(stack, tmp_path)


def test_what_a_dead_owner_did_not_write_over_its_successor_does(lab: Lab) -> None:
    """Late records stand on both topics when the owner dies: the next one, disk lost, mends them.

    Else compaction would keep them, and with a lost disk the contact would be forgotten.
    """
    lab.feed(0, 4)
    decisions, state = lab.reader(lab.topology.decisions), lab.reader(lab.topology.state)
    with lab.worker(Counting()):
        decisions.until(reached(4))
        state.until(reached(4))
    append(lab.settings(), lab.topology.decisions, [(0, KEY, mark(1, 99))])
    append(lab.settings(), lab.topology.state, [(0, KEY, state_record(1, 99))])
    with lab.worker(Counting(), disk="disk-1"):
        for reader in (decisions, state):
            reader.until(lambda found: _last(found, 4) > _last(found, 99) > 0)


def test_state_that_is_gone_is_folded_again(lab: Lab, stack: Stack) -> None:
    """Input was committed and the state topic is new: the next start reads from the beginning.

    Else nobody would know of what was said before, and an old consent that comes late would allow.
    """
    lab.feed(0, 4)
    state = lab.reader(lab.topology.state)
    with lab.worker(Counting()):
        state.until(reached(4))
    fresh = replace(lab, topology=replace(lab.topology, state=stack.topic("state", 1)))
    lost = Running(Processor(fresh.settings("disk-1"), fresh.topology, CODEC, Counting()))
    lost.join()
    assert isinstance(lost.error, StateLost)
    step = Counting()
    with fresh.worker(step, disk="disk-2"):
        fresh.reader(fresh.topology.state).until(reached(4))
    assert len(step.seen) == 4


def _last(records: list[Stored], count: int) -> int:
    return max((r.offset for r in keyed(records, KEY) if count_of(r.value) == count), default=-1)


def test_a_copy_on_disk_ends_before_what_is_not_written_over(lab: Lab) -> None:
    """Killed after it found a foreign state and before it mended it: it is found again."""
    lab.feed(0, 4)
    state = lab.reader(lab.topology.state)
    running = Running(Processor(lab.settings(), lab.topology, CODEC, Counting()))
    state.until(reached(4))
    append(lab.settings(), lab.topology.state, [(0, KEY, state_record(1, 99))])
    failpoints.arm({"NOLI_FAILPOINTS": "processor.repair:raise", "NOLI_FAILPOINTS_ALLOWED": "1"})
    try:
        append(lab.settings(), lab.topology.lanes[0], [(0, b"\x02" * 17, b"v")])
        running.join()
    finally:
        failpoints.arm({})
    assert isinstance(running.error, failpoints.Injected)
    running.release()
    with lab.worker(Counting()):
        state.until(lambda found: _last(found, 4) > _last(found, 99) > 0)


def test_a_foreign_state_is_found_without_a_write_of_ours(lab: Lab) -> None:
    """Nobody says anything more of anybody: the owner looks where its partition ends."""
    lab.feed(0, 4)
    state = lab.reader(lab.topology.state)
    with lab.worker(Counting()):
        state.until(reached(4))
        append(lab.settings(), lab.topology.state, [(0, KEY, state_record(1, 99))])
        state.until(lambda found: _last(found, 4) > _last(found, 99) > 0)


def test_two_groups_over_one_partition_leave_one_owner(lab: Lab) -> None:
    """Who claimed first ends by itself, with nothing to write: it finds the other's claim."""
    lab.feed(0, 1)
    decisions = lab.reader(lab.topology.decisions)
    first = Running(Processor(lab.settings(), lab.topology, CODEC, Counting()))
    decisions.until(reached(1))
    other = replace(lab.topology, group=f"{lab.topology.group}.other")
    second = Running(Processor(lab.settings("disk-1"), other, CODEC, Counting()))
    first.join()
    assert isinstance(first.error, Superseded)
    assert second.error is None
    second.stop()


@dataclass
class Floored(Counting):
    """Notes above which version the next decision must be."""

    floors: list[int] = field(default_factory=list)

    def process(self, record: Record, part: Part) -> None:
        """Note, and count."""
        self.floors.append(part.floor)
        super().process(record, part)


def test_versions_rise_over_an_owner_whose_clock_was_ahead(lab: Lab) -> None:
    """It died between a decision and its state: only the decisions tell what version it gave."""
    decisions = lab.reader(lab.topology.decisions)
    lab.feed(0, 1)
    with lab.worker(Counting()):
        decisions.until(reached(1))
    ahead = now_us() + 3_600_000_000
    orphan = CODEC.encode("noli.Decision", decision(1, ahead, epoch=FAR_EPOCH - 1))
    append(lab.settings(), lab.topology.decisions, [(0, KEY, orphan)])
    step = Floored()
    with lab.worker(step):
        lab.feed(0, 1)
        decisions.until(reached(2))
    assert step.floors == [ahead]


def test_a_successor_reads_the_decisions_from_the_last_commit_only(lab: Lab) -> None:
    """With its offsets an owner commits up to where every decision has its state."""
    lab.feed(0, 4)
    decisions = lab.reader(lab.topology.decisions)
    with lab.worker(Counting()):
        decisions.until(reached(4))
        epoch = leading_long(decisions.records[0].value or b"")
    places = broker.marks(lab.settings(), lab.topology.group, lab.topology.lanes[0])
    found = Mark.read(places[0][1])
    assert found is not None
    assert found.epoch == epoch
    assert found.offset > decisions.records[-1].offset


def test_a_mark_of_decisions_that_are_no_more_is_passed_over(lab: Lab) -> None:
    """The topic was lost and made anew, shorter: the takeover reads it from its beginning."""
    lab.feed(0, 40)
    with lab.worker(Counting()):
        lab.reader(lab.topology.decisions).until(reached(40))
    anew = replace(lab, topology=replace(lab.topology, decisions=lab.stack.topic("decisions")))
    stale = [(0, CLAIM_KEY, mark(FAR_EPOCH - 1, 0)), (0, KEY, mark(1, 99))]
    append(anew.settings(), anew.topology.decisions, stale)
    decisions = anew.reader(anew.topology.decisions)
    with anew.worker(Counting()):
        decisions.until(lambda found: _last(found, 40) > _last(found, 99) > 0)
