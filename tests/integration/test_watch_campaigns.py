"""A watcher on a real broker counts calls: each once, killed or not, and says how far it is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from noli.domain.campaigns import Counts
from noli.runtime.clock import now_ms
from noli.runtime.kafka import producer_config
from noli.runtime.tail import Reading
from noli.wire.apps import Face, Verb
from noli.wire.campaigns import Campaign, campaign_key, read_campaign
from schemas.names import CALLS, CAMPAIGNS
from tests.support.stack import Stack
from tests.support.watched import Watched


class Counted:
    """The watcher, the calls it is told of, and what it publishes."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self._reading = Reading(watched.settings, CAMPAIGNS)
        self._producer = Producer(producer_config(watched.settings))
        self._seen: dict[str, Campaign] = {}
        #: By partition, the newest beacon.
        self.beacons: dict[int, dict[str, Any]] = {}
        self._offset = 0

    def close(self) -> None:
        """Read no more."""
        self._reading.close()

    def call(self, campaign: str, outcome: str, **over: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of the contract
        """One call, answered just now, at the next place."""
        self._offset += 1
        datum = {
            "controller": "acme", "campaign": campaign, "outcome": outcome,
            "answered_at": now_ms(), "accepted": now_ms(), "decided": now_ms(),
            "token": b"\x01" * 17, "fact_id": b"f" * 16, "cut_after_ms": 2_000,
            "comfort_noise": True, "lane": "noli.objections", "partition": 0,
            "offset": self._offset, "item": 0, "counts": True, **over,
        }  # fmt: skip
        self.repeat(datum)
        return datum

    def repeat(self, datum: dict[str, Any]) -> None:
        """The same once more, as after a crash of suppress."""
        key = campaign_key(datum["controller"], datum["campaign"])
        self._producer.produce(CALLS, self.watched.codec.encode("noli.Call", datum), key)
        assert self._producer.flush(30) == 0

    def look(self, campaign: str) -> Campaign | None:
        """As published last."""
        for record in self._reading.take(0.2):
            name, datum = self.watched.codec.decode(record.value)
            if name == "noli.CampaignBeacon":
                self.beacons[record.partition] = datum
                continue
            found = read_campaign(datum)
            if found.supersedes(self._seen.get(found.campaign)):
                self._seen[found.campaign] = found
        return self._seen.get(campaign)

    def until(self, campaign: str, whole: Counts) -> Campaign:
        """As published, once it counted so."""
        for _ in self.watched.seconds():
            found = self.look(campaign)
            if found is not None and found.whole == whole:
                return found
        raise AssertionError  # `seconds` fails first

    def fresh(self, since: int) -> None:
        """Wait until every partition says that calls before a moment are counted."""
        for _ in self.watched.seconds():
            self.look("")
            if len(self.beacons) == 8 and all(b["as_of"] >= since for b in self.beacons.values()):
                return


@pytest.fixture(scope="module")
def counted(own_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counted]:
    """The catalogue's own topics, and a watcher on them."""
    with Watched(own_stack, tmp_path_factory.mktemp("counted"), "watch-c") as watched:
        made = Counted(watched)
        yield made
        made.close()


@pytest.mark.rule("SILENT-RATIO")
def test_calls_are_counted_and_a_campaign_over_its_ratio_is_told(counted: Counted) -> None:
    """Each once, by its place; over with the fourth silent one, and within again by the numbers."""
    before = now_ms()
    for _ in range(3):
        counted.call("spring", "silent")
    found = counted.until("spring", Counts(silent=3, holds_due=3))
    assert (found.over, len(found.pending)) == (False, 3)
    fourth = counted.call("spring", "silent", cut_after_ms=3_001, comfort_noise=False)
    counted.repeat(fourth)
    four = Counts(silent=4, late_cuts=1, no_comfort_noise=1, holds_due=4)
    assert counted.until("spring", four).over
    for _ in range(134):
        counted.call("spring", "attended", lane="noli.grants")
    found = counted.until("spring", four._replace(attended=134))
    assert (found.over, found.over_since) == (False, None)
    counted.fresh(before)


@pytest.mark.rule("SILENT-RATIO")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_watcher_that_ends_counts_nothing_twice_and_forgets_nothing(
    counted: Counted, how: signal.Signals
) -> None:
    """Calls before, while it is down, and after; some of them said again."""
    name = f"restart-{how.name}"
    said = [counted.call(name, "silent") for _ in range(2)]
    counted.until(name, Counts(silent=2, holds_due=2))
    said += [counted.call(name, "attended", token=None) for _ in range(3)]
    counted.watched.restart(how)
    counted.call(name, "attended", token=None)
    for each in said:
        counted.repeat(each)
    found = counted.until(name, Counts(silent=2, attended=4, holds_due=2))
    counted.fresh(now_ms())
    assert counted.look(name) == found


@pytest.mark.rule("SILENT-HOLD")
def test_holds_are_confirmed_by_applications_of_calls(counted: Counted) -> None:
    """Once the one that serves calls is aligned after the hold was decided, not before."""
    watched = counted.watched
    face = Face("webhook", ("acme",), ("operator_call",), ("marketing",), third_party=False)
    watched.act("dialer", Verb.ADDED, face)
    counted.call("holds", "silent")
    counted.until("holds", Counts(silent=1, holds_due=1))
    watched.report("dialer", ago_ms=8_000)
    counted.fresh(now_ms())
    assert counted.look("holds") is not None
    counted.until("holds", Counts(silent=1, holds_due=1))
    watched.report("dialer", later_ms=10_000)
    found = counted.until("holds", Counts(silent=1, holds_due=1, holds_confirmed=1))
    assert found.pending == ()
    watched.act("dialer", Verb.REMOVED)


@pytest.mark.rule("SILENT-RATIO")
def test_a_stopped_watcher_gives_no_sign_and_goes_on_right(counted: Counted) -> None:
    """Paused past its session it sends no beacon; woken up it counts what came meanwhile, once."""
    assert counted.watched.process is not None
    counted.call("paused", "silent")
    counted.until("paused", Counts(silent=1, holds_due=1))
    counted.watched.process.signal(signal.SIGSTOP)
    stopped = now_ms()
    for _ in range(3):
        counted.call("paused", "silent")
    for _ in counted.watched.seconds():
        counted.look("paused")
        if now_ms() > stopped + 8_000:
            break
    assert all(beacon["as_of"] <= stopped for beacon in counted.beacons.values())
    counted.watched.process.signal(signal.SIGCONT)
    found = counted.until("paused", Counts(silent=4, holds_due=4))
    assert found.over
    counted.fresh(now_ms())


@pytest.mark.rule("SILENT-RATIO")
def test_watchers_that_come_and_go_count_each_call_once(
    counted: Counted, own_stack: Stack, tmp_path: Path
) -> None:
    """A second one joins and is killed while calls flow: every campaign has its own calls."""
    names = [f"shared-{n}" for n in range(12)]
    rounds = 0

    def all_call() -> None:
        nonlocal rounds
        rounds += 1
        for name in names:
            counted.call(name, "attended", token=None)

    def told() -> None:
        for name in names:
            counted.until(name, Counts(attended=rounds))

    all_call()
    told()
    with Watched(own_stack, tmp_path, "watch-d") as second:
        for _ in second.seconds():  # until it has taken partitions over
            all_call()
            counted.look("")
            if any(beacon["watcher"] == "watch-d" for beacon in counted.beacons.values()):
                break
        all_call()
        told()
    all_call()
    told()
    counted.fresh(now_ms())
    told()
