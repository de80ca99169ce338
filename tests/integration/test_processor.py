"""The processor loop on a real broker: claims, order, takeover, repair, fencing."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from itertools import count, groupby
from pathlib import Path

import pytest

from noli.runtime import processor
from noli.runtime.chores import Sweep
from noli.runtime.clock import now_ms
from noli.runtime.outputs import LostDelivery
from noli.runtime.part import Part, Record
from noli.runtime.processor import Processor
from noli.runtime.repair import Superseded
from schemas.codec import leading_long
from schemas.names import BEACON_KEY, CLAIM_KEY
from tests.support.blackbox import until
from tests.support.log import Stored, append
from tests.support.loop import (
    FAR_EPOCH,
    KEY,
    LABEL,
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


def test_a_worker_claims_first_then_writes_under_its_epoch(lab: Lab) -> None:
    """The first record of an owner is its claim, and every later one carries that epoch."""
    lab.feed(0, 3)
    decisions = lab.reader(lab.topology.decisions)
    with lab.worker(Counting()):
        records = decisions.until(reached(3))
    assert records[0].key == CLAIM_KEY
    epochs = {leading_long(record.value or b"") for record in records}
    assert epochs == {leading_long(records[0].value or b"")}


def test_a_restarted_worker_goes_on_where_it_stopped(lab: Lab) -> None:
    """Nothing is counted twice over a graceful restart, with the disk kept or lost."""
    decisions = lab.reader(lab.topology.decisions)
    lab.feed(0, 5)
    with lab.worker(Counting()):
        decisions.until(reached(5))
    lab.feed(1, 5)
    with lab.worker(Counting(), disk="disk-1"):
        decisions.until(reached(10))
    lab.feed(0, 1)
    again = Counting()
    with lab.worker(again):
        decisions.until(reached(11))
    assert len(again.seen) == 1


@dataclass
class Timed(Counting):
    """Each record sets its key to wake at once, under a label; waking counts further."""

    swept_labels: list[bytes] = field(default_factory=list)

    def process(self, record: Record, part: Part) -> None:
        """Wake one second from now; a record of value `sweep` starts a sweep."""
        assert record.key is not None
        if record.value == b"sweep":
            part.sweeps.append(Sweep(LABEL))
        else:
            self._write(record.key, 1, part, wake=now_ms() + 1_000)

    def swept(self, label: bytes, part: Part) -> None:
        """Remember."""
        self.swept_labels.append(label)


def test_a_key_wakes_by_itself_also_after_a_restart_on_a_lost_disk(lab: Lab) -> None:
    """The moment is in the state topic: whoever owns the partition then sees to it, once."""
    decisions = lab.reader(lab.topology.decisions)
    with lab.worker(Timed()) as running:
        until(running.ready, "a worker with nothing to fold", 30)
        lab.feed(0, 1)
        decisions.until(reached(1))
    with lab.worker(Timed(), disk="disk-1"):
        decisions.until(reached(2))
        decisions.until(lambda found: len(keyed(found, BEACON_KEY)) >= 3)
    assert [count_of(r.value) for r in keyed(decisions.records, KEY)] == [1, 2]


def test_a_sweep_reaches_every_key_of_its_label(lab: Lab) -> None:
    """More keys than a slice holds, each derived again once, then the step is told."""
    keys = [b"\x01" + n.to_bytes(16, "big") for n in range(450)]
    decisions = lab.reader(lab.topology.decisions)
    step = Timed()
    with lab.worker(step) as running:
        until(running.ready, "a worker with nothing to fold", 30)
        append(lab.settings(), lab.topology.lanes[0], [(0, key, b"v") for key in keys])
        decisions.until(lambda found: sum(len(r.key or b"") == 17 for r in found) >= 900)
        lab.feed(0, 1, b"sweep")
        decisions.until(lambda found: sum(len(r.key or b"") == 17 for r in found) >= 1350)
        decisions.until(lambda _: bool(step.swept_labels))
    assert {count_of(keyed(decisions.records, key)[-1].value) for key in keys} == {3}
    assert step.swept_labels == [LABEL]


@dataclass
class Gated(Counting):
    """Halts once, within the first batch of the second lane, until told to go on."""

    halted: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def process(self, record: Record, part: Part) -> None:
        """Count, after the halt."""
        self.halted.set()
        assert self.go_on.wait(30)
        super().process(record, part)


def test_a_backlog_behind_does_not_delay_the_lead_lane(lab: Lab) -> None:
    """A lead record that arrives during a backlog of the other lane is taken before its rest."""
    backlog = 20_000
    lab.feed(1, backlog)
    step = Gated()
    decisions = lab.reader(lab.topology.decisions)
    with lab.worker(step):
        assert step.halted.wait(30)
        lab.feed(0, 1)
        step.go_on.set()
        decisions.until(reached(backlog + 1))
    turns = [record.topic for record in step.seen]
    assert turns.index(lab.topology.lanes[0]) < backlog


@pytest.fixture
def loaded(lab: Lab) -> Lab:
    """The same with a third lane, of chunks."""
    bulk = lab.stack.topic("bulk")
    lanes = (*lab.topology.lanes, bulk)
    return replace(lab, topology=replace(lab.topology, lanes=lanes, chunked=frozenset({bulk})))


def test_a_load_and_other_grants_take_turns_behind_the_lead_lane(
    loaded: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn ends by the clock; then comes the lead lane, then the other. No record is lost."""
    now = count(0, processor._TURN_S / 2.5)
    monkeypatch.setattr(processor, "steady", lambda: next(now))
    lead, grants, bulk = loaded.topology.lanes
    loaded.feed(1, 2_000)
    loaded.feed(2, 40)
    step = Gated()
    decisions = loaded.reader(loaded.topology.decisions)
    with loaded.worker(step):
        assert step.halted.wait(30)
        loaded.feed(0, 1)
        step.go_on.set()
        decisions.until(reached(2_041))
    turns = [record.topic for record in step.seen]
    assert turns.index(lead) < 1_000
    # Neither waits for the other to end, and a turn is as long as the clock says.
    assert turns.index(bulk) < 1_000
    assert turns.index(grants) < 100
    sizes = [len(list(group)) for topic, group in groupby(turns) if topic == bulk]
    assert sizes[0] <= 2
    assert len(sizes) > 5
    assert sorted(each.offset for each in step.seen if each.topic == grants) == list(range(2_000))
    assert [each.offset for each in step.seen if each.topic == bulk] == list(range(40))


def test_beacons_go_on_and_the_worker_is_ready_behind_a_load(loaded: Lab) -> None:
    """`as_of` speaks of objections: a load of whatever length does not age it."""
    step = Gated()
    decisions = loaded.reader(loaded.topology.decisions)
    with loaded.worker(step) as running:
        until(running.ready, "a worker with nothing to fold", 30)
        loaded.feed(2, 11_000)
        assert step.halted.wait(30)
        step.go_on.set()
        records = decisions.until(lambda found: len(keyed(found, BEACON_KEY)) >= 2)
        assert len(step.seen) < 11_000, "the load was over before the second beacon"
        assert running.ready()
    as_of = [CODEC.decode(record.value)[1]["as_of"] for record in keyed(records, BEACON_KEY)]
    assert as_of == sorted(as_of)


def test_a_beacon_stands_behind_what_was_accepted_before_it(lab: Lab) -> None:
    """Once a second readers learn how fresh the partition is."""
    lab.feed(0, 2)
    decisions = lab.reader(lab.topology.decisions)
    with lab.worker(Counting()):
        records = decisions.until(lambda found: len(keyed(found, BEACON_KEY)) >= 2)
    beacons = [CODEC.decode(record.value)[1]["as_of"] for record in keyed(records, BEACON_KEY)]
    assert beacons == sorted(beacons)
    first_beacon = keyed(records, BEACON_KEY)[0]
    assert [count_of(r.value) for r in keyed(records, KEY) if r.offset < first_beacon.offset] == [
        1,
        2,
    ]


def test_a_failing_step_ends_the_worker_and_commits_nothing_past_it(lab: Lab) -> None:
    """The record that broke a worker is read again by the next."""
    lab.feed(0, 1)
    lab.feed(0, 1, b"poison")
    running = Running(Processor(lab.settings(), lab.topology, CODEC, Counting()))
    running.join()
    assert isinstance(running.error, ValueError)
    again = Counting()
    retried = Running(Processor(lab.settings("disk-1"), lab.topology, CODEC, again))
    retried.join()
    assert again.seen[-1].value == b"poison"


def test_a_foreign_write_is_found_and_written_over(lab: Lab) -> None:
    """A late record of a former owner ends up behind our own value again, on both topics."""
    decisions, state = lab.reader(lab.topology.decisions), lab.reader(lab.topology.state)
    lab.feed(0, 4)
    with lab.worker(Counting()):
        decisions.until(reached(4))
        append(lab.settings(), lab.topology.decisions, [(0, KEY, mark(1, 99))])
        append(lab.settings(), lab.topology.state, [(0, KEY, state_record(1, 99))])
        state.until(reached(99))
        lab.feed(0, 1)
        for reader in (decisions, state):
            reader.until(lambda found: _last_own(found) > _foreign(found))
    for reader in (decisions, state):
        assert count_of(keyed(reader.records, KEY)[-1].value) == 5


def _foreign(records: list[Stored]) -> int:
    return max((r.offset for r in keyed(records, KEY) if count_of(r.value) == 99), default=2**40)


def _last_own(records: list[Stored]) -> int:
    return max((r.offset for r in keyed(records, KEY) if count_of(r.value) == 5), default=-1)


def test_a_higher_claim_ends_the_older_owner(lab: Lab) -> None:
    """Whoever finds a newer claim in its partition stops writing: no commit, no output."""
    decisions = lab.reader(lab.topology.decisions)
    lab.feed(0, 1)
    running = Running(Processor(lab.settings(), lab.topology, CODEC, Counting()))
    decisions.until(reached(1))
    append(lab.settings(), lab.topology.state, [(0, CLAIM_KEY, mark(FAR_EPOCH, 0))])
    lab.feed(0, 1)
    running.join()
    assert isinstance(running.error, Superseded)


def test_a_new_owner_claims_above_every_epoch_it_read(lab: Lab) -> None:
    """Epochs rise even where an earlier owner's clock was far ahead."""
    append(lab.settings(), lab.topology.state, [(0, CLAIM_KEY, mark(FAR_EPOCH, 0))])
    state = lab.reader(lab.topology.state)
    with lab.worker(Counting()):
        claims = state.until(lambda found: len(keyed(found, CLAIM_KEY)) == 2)
    assert leading_long(claims[-1].value or b"") == FAR_EPOCH + 1


def test_what_was_saved_and_not_told_is_told_by_the_next_owner(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state says "seen": were its decision not told at the takeover, nobody ever told it."""
    decisions, state = lab.reader(lab.topology.decisions), lab.reader(lab.topology.state)
    lab.feed(0, 1)
    with monkeypatch.context() as crash:

        def dies(_: Part) -> None:
            raise LostDelivery("the process dies here")

        crash.setattr(Part, "send_decisions", dies)
        running = Running(Processor(lab.settings(), lab.topology, CODEC, Counting()))
        running.join()
    assert isinstance(running.error, LostDelivery)
    assert keyed(state.until(reached(1)), KEY)
    with lab.worker(Counting(), disk="disk-1"):
        twice = decisions.until(lambda found: len(keyed(found, KEY)) == 2)
    # First what the dead owner had saved; then the record again, which this step counts again.
    assert [count_of(each.value) for each in keyed(twice, KEY)] == [1, 2]
