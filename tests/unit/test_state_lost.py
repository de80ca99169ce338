"""A state topic that is another one than the input was committed under, over an in-memory log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from noli.runtime.kafka import producer_config
from noli.runtime.part import Topology
from noli.runtime.processor import Processor
from noli.runtime.restore import StateLost
from noli.runtime.settings import Settings
from tests.support.blackbox import until
from tests.support.loop import KEY, Counting, Running
from tests.support.memlog import Log, Producer, installed
from tests.support.step import CODEC


@pytest.mark.rule("OBJECT")
def test_what_was_folded_into_a_lost_state_is_folded_again(tmp_path: Path) -> None:
    """The worker sets its input back, says so and ends; the next one reads from the beginning.

    Else nobody would know of what was said before, and an old consent that comes late would allow.
    """
    log = Log()
    topology = Topology("group", ("first", "second"), "state", "decisions")
    for topic in (*topology.lanes, "state", "decisions", "new"):
        log.create(topic, 1)

    def worker(at: Topology, step: Counting, disk: str) -> Running:
        settings = Settings(kafka=log.address, instance="w-0", data=tmp_path / disk)
        return Running(Processor(settings, at, CODEC, step))

    with installed(log):
        producer = Producer(producer_config(Settings(kafka=log.address, instance="sender")))
        for _ in range(4):
            producer.produce("first", b"v", KEY, 0)
        producer.flush(5)
        step = Counting()
        first = worker(topology, step, "0")
        until(lambda: len(step.seen) == 4, "four records")
        first.stop()
        again = replace(topology, state="new")
        lost = worker(again, Counting(), "1")
        lost.join()
        assert isinstance(lost.error, StateLost)
        step = Counting()
        second = worker(again, step, "2")
        until(lambda: len(step.seen) == 4, "the same four again")
        second.stop()
        third = worker(again, step, "2")
        until(third.ready, "a start that finds its state")
        third.stop()
    assert (second.error, third.error, len(step.seen)) == (None, None, 4)
    log.close()
