"""SILENT-RATIO in a copy kept by a real writer: told, lifted, and in doubt without its topic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from noli.domain.campaigns import Counts
from noli.replica.gate import Answer, Gate
from noli.runtime.clock import now_ms
from noli.wire.campaigns import Campaign, campaign_key, campaign_record
from schemas.names import BEACON_KEY
from tests.support.copies import CONTROLLER, PEPPER
from tests.support.replica import ALLOWED, DEADLINE_S, Lab, laboratory, person, soon
from tests.support.stack import Stack

CAMPAIGNS_PARTITIONS = 2


@pytest.fixture
def lab(stack: Stack, tmp_path: Path) -> Iterator[Lab]:
    """An empty topic and no copy yet; at the end no process is left."""
    with laboratory(stack, tmp_path) as made:
        yield made


class Watcher:
    """What streams.watch tells, by hand."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.topic = lab.stack.topic("campaigns", CAMPAIGNS_PARTITIONS, cleanup_policy="compact")

    def tell(self, name: str, silent: int, attended: int, *, over: bool) -> None:
        """A campaign as it stands."""
        found = Campaign(CONTROLLER, name, now_ms(), Counts(attended, silent), over)
        value = self._lab.codec.encode("noli.Campaign", campaign_record(found, "watch-0"))
        self._produce(campaign_key(CONTROLLER, name), value, 0)

    def beacon(self) -> None:
        """Every call that there was is counted."""
        for partition in range(CAMPAIGNS_PARTITIONS):
            record = {
                "partition": partition, "as_of": now_ms(), "at": now_ms(), "read": 0,
                "watcher": "watch-0",
            }  # fmt: skip
            value = self._lab.codec.encode("noli.CampaignBeacon", record)
            self._produce(BEACON_KEY, value, partition)

    def _produce(self, key: bytes, value: bytes, partition: int) -> None:
        self._lab.producer.produce(self.topic, value, key, partition)
        assert self._lab.producer.flush(DEADLINE_S) == 0


def ask(gate: Gate, campaign: str | None) -> Answer:
    """May the first person be called for a campaign?"""
    return gate.check(CONTROLLER, person(0), "operator_call", "marketing", campaign=campaign)


@pytest.mark.rule("SILENT-RATIO")
def test_campaigns_follow_the_log_beside_the_decisions(lab: Lab) -> None:
    """Barred when told, allowed when lifted; without a beacon in doubt; restarted, as before."""
    watcher = Watcher(lab)
    lab.claim()
    lab.decide(ALLOWED, range(10))
    lab.beacon()
    watcher.tell("spring", 4, 10, over=True)
    first = lab.start(NOLI_CAMPAIGNS_TOPIC=watcher.topic)
    assert soon(lab.is_ready)
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        assert ask(gate, None).allowed
        assert ask(gate, "spring").reasons == ("STALE_REPLICA",)
        watcher.beacon()
        assert soon(lambda: ask(gate, "autumn").allowed)
        assert ask(gate, "spring").reasons == ("CAMPAIGN_SILENT_RATIO",)
        watcher.tell("spring", 4, 134, over=False)
        assert soon(lambda: ask(gate, "spring").allowed)
        watcher.tell("spring", 3, 10, over=True)  # late, of a watcher that was replaced
        watcher.tell("summer", 9, 10, over=True)
        assert soon(lambda: not ask(gate, "summer").allowed)
        assert ask(gate, "spring").allowed
        lab.stop(first)
        lab.beacon()
        watcher.beacon()
        lab.start(NOLI_CAMPAIGNS_TOPIC=watcher.topic)
        assert soon(lab.is_ready)
        assert soon(lambda: ask(gate, "spring").allowed)
        assert ask(gate, "summer").reasons == ("CAMPAIGN_SILENT_RATIO",)


def test_a_topic_that_is_not_there_holds_nobody_else_up(lab: Lab) -> None:
    """The decisions are followed and answered; whoever names a campaign is denied."""
    lab.claim()
    lab.decide(ALLOWED, range(10))
    lab.beacon()
    process = lab.start(NOLI_CAMPAIGNS_TOPIC="nowhere")
    assert soon(lab.is_ready)
    assert soon(lambda: "campaigns.unavailable" in lab.said() or process.poll() is not None)
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        assert ask(gate, None).allowed
        assert ask(gate, "spring").reasons == ("STALE_REPLICA",)
    assert process.poll() is None
