"""Disaster: disks, state, decisions and applications lost, and all of it back from the intent log.

On three brokers. Each test leaves the company whole again; the last ones lose the most. What it
took is printed, and written for docs/reference/faults.md where NOLI_CHAOS_RESULTS names a folder.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from noli.runtime import broker
from noli.runtime.kafka import admin
from noli.runtime.trail import Mark
from schemas.names import DECISIONS, PARTY_STATE, STATE
from streams.topology import PARTIES, SUPPRESS
from tests.chaos.rig import observed
from tests.chaos.rig.crowd import Crowd
from tests.chaos.rig.drain import drain
from tests.chaos.rig.drive import commit
from tests.chaos.rig.lab import STEADY, TABLE, Plan, Rig, opened
from tests.support.blackbox import until
from tests.support.checker.findings import Report

LONG: Final = os.environ.get("NOLI_CHAOS") == "long"
SEED: Final = int(os.environ.get("NOLI_CHAOS_SEED") or secrets.randbelow(100_000))
RESULTS: Final = os.environ.get("NOLI_CHAOS_RESULTS")
_RATE: Final = 120.0
#: Posts before the first disaster: some thousand contacts.
_POSTS: Final = 6_000 if LONG else 2_000
#: Whatever is lost is back by then, the machine being shared, in seconds.
_BACK_S: Final = 240.0
_TIMEOUT_S: Final = 30.0
#: Bytes that a disk forgot of each segment: some records of every partition.
_FORGOTTEN: Final = 1_500
#: Whoever writes or reads decisions.
_DECIDERS: Final = ("suppress", "parties", "replica", "lookup", "connectors", "watch")

pytestmark = [
    pytest.mark.skipif(not LONG, reason="long round only: make chaos LONG=1"),
    pytest.mark.timeout(1_200),
    pytest.mark.rule("OBJECT"),
]


@dataclass(frozen=True)
class Step:
    """What was lost, what came back, how much, in how many seconds."""

    lost: str
    rebuilt: str
    size: str
    seconds: float


@dataclass
class Company:
    """The rig, and what its disasters took."""

    rig: Rig
    steps: list[Step]

    def traffic(self, posts: int) -> None:
        """So many posts more, all answered, folded and confirmed."""
        crowd = Crowd(self.rig.client, SEED + len(self.rig.sent), _RATE)
        crowd.start()
        try:
            until(lambda: len(crowd.ops) >= posts, "traffic", _BACK_S)
        finally:
            crowd.stop()
        self.rig.sent += crowd.ops
        self.drained()

    def drained(self) -> None:
        """Everything folded and confirmed."""
        drain(self.rig.settings(), (*self.rig.apps, TABLE), _BACK_S)

    def report(self) -> Report:
        """What the checker says of all there is."""
        return observed.judged(self.rig, self.rig.sent)

    @contextmanager
    def stopped(self, *heads: str) -> Iterator[None]:
        """The workers whose names begin so, stopped for a block."""
        members = [m for m in self.rig.members.values() if m.name.startswith(heads)]
        for member in members:
            member.stop()
        yield
        for member in members:
            member.start()

    def took(self, began: float, lost: str, rebuilt: str) -> None:
        """Note a step that has just come to its end."""
        size = f"{len(self.rig.sent):,} events"
        step = Step(lost, rebuilt, size, round(time.monotonic() - began, 1))
        self.steps.append(step)
        print(f"\n  lost: {lost}; back ({rebuilt}, {size}) after {step.seconds} s")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A company with a past."""
    print(f"\ndisaster: NOLI_CHAOS_SEED={SEED}, commit {commit()}")
    with opened(tmp_path_factory.mktemp("disaster"), Plan(brokers=3, seed=SEED)) as rig:
        observed.stamp(rig.settings())
        found = Company(rig, [])
        found.traffic(_POSTS)
        yield found
    if RESULTS and found.steps:
        document = {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "commit": commit(),
            "seed": SEED,
            "test": "tests/chaos/test_disaster.py",
            "steps": [asdict(step) for step in found.steps],
        }
        path = Path(RESULTS) / "disaster.json"
        path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def test_every_state_directory_lost(company: Company) -> None:
    """Workers, copies and connectors come back from topics, and nobody is told anything wrong."""
    rig = company.rig
    with company.stopped("suppress", "parties", "replica", "lookup", "connectors"):
        for path in rig.data.iterdir():
            if path.name.startswith(("suppress", "parties", "replica", "connectors")):
                shutil.rmtree(path)
        began = time.monotonic()
    rig.wait_ready(_BACK_S)
    company.took(began, "every state directory", "state and copies, from topics")
    company.traffic(300)
    report = company.report()
    assert report.findings == [], str(report)


def test_a_brokers_disk_lost(company: Company) -> None:
    """An empty disk under the same number: the others fill it, and nothing was lost meanwhile."""
    rig = company.rig
    node = rig.cluster.brokers[1]
    node.kill()
    shutil.rmtree(node.log)
    company.traffic(300)  # two of three are enough to acknowledge
    rig.cluster.format(node)
    began = time.monotonic()
    node.start()
    until(lambda: in_step(rig, len(rig.cluster.brokers)), "every copy in step", _BACK_S)
    company.took(began, "the disk of one broker of three", "its copies, from the others")
    company.traffic(300)
    report = company.report()
    assert report.findings == [], str(report)


def test_records_a_disk_forgot_are_found_missing(company: Company) -> None:
    """The last replica standing loses its newest records: the others have all that was promised."""
    rig = company.rig
    first, second, last = rig.cluster.brokers
    first.stop()
    second.stop()
    last.kill()
    for segment in last.log.glob("noli.*/*.log"):
        with segment.open("r+b") as file:
            file.truncate(max(0, segment.stat().st_size - _FORGOTTEN))
    began = time.monotonic()
    for node in rig.cluster.brokers:
        node.start()
    rig.cluster.wait(_BACK_S)
    until(lambda: in_step(rig, len(rig.cluster.brokers)), "every copy in step", _BACK_S)
    company.took(began, "the newest records of the last broker standing", "from the others")
    company.traffic(300)
    report = company.report()
    assert report.findings == [], str(report)


def test_a_group_set_back_to_the_beginning_lifts_nothing(company: Company) -> None:
    """Committed offsets lost: the whole past is read again, and changes no answer."""
    rig = company.rig
    with company.stopped("suppress", "parties"):
        forget(rig, SUPPRESS.group, PARTIES.group)
        began = time.monotonic()
    company.drained()
    company.took(began, "the offsets of the stream workers", "nothing: read again, and known")
    report = company.report()
    assert report.findings == [], str(report)


def test_applications_lost(company: Company) -> None:
    """An emptied table and an application with no memory are filled again from the decisions."""
    rig = company.rig
    rig.table.empty()
    rig.apps[STEADY].rewind({})
    at = rig.apps[STEADY].rewound_at
    rig.restored += [(TABLE, at, 0), (STEADY, at, 0)]
    began = time.monotonic()
    for name in (TABLE, STEADY):
        rig.cli("app", "backfill", name, "--reason", "lost")
    company.took(began, "what two applications held", "by backfill, from noli.decisions")
    company.drained()
    report = company.report()
    assert report.findings == [], str(report)


def test_decisions_are_told_again(company: Company) -> None:
    """The decisions alone are lost: owners tell them from the state, applications start over."""
    rig = company.rig
    with company.stopped(*_DECIDERS):
        drop(rig, DECISIONS)
        deaths = {name: len(member.deaths) for name, member in rig.members.items()}
        began = time.monotonic()
    until(lambda: told_again(rig), "everything told again", _BACK_S)
    company.drained()
    rig.wait_ready(_BACK_S)
    company.took(began, "noli.decisions", "the decisions, from noli.state")
    company.traffic(300)
    report = company.report()
    assert report.findings == [], str(report)
    assert deaths == {name: len(member.deaths) for name, member in rig.members.items()}


def test_decisions_and_state_are_folded_again_from_the_intents(company: Company) -> None:
    """Only the intent log is left: state, decisions, copies and applications follow from it."""
    rig = company.rig
    with company.stopped(*_DECIDERS):
        drop(rig, STATE, DECISIONS, PARTY_STATE)
        forget(rig, SUPPRESS.group, PARTIES.group, *(f"noli.app.{n}" for n in (*rig.apps, TABLE)))
        began = time.monotonic()
    until(lambda: told_again(rig), "everything told again", _BACK_S)
    company.drained()
    rig.wait_ready(_BACK_S)
    company.took(began, "noli.state, noli.decisions, noli.party_state", "all, from the intents")
    company.traffic(300)
    report = company.report()
    assert report.findings == [], str(report)


def told_again(rig: Rig) -> bool:
    """Whether every owner has told all it knows, and every application reads the topic as it is."""
    settings = rig.settings()
    topic = broker.topic_ids(broker.admin(settings), [DECISIONS])[DECISIONS]
    texts = [
        text
        for lane in SUPPRESS.lanes
        for _, text in broker.marks(settings, SUPPRESS.group, lane).values()
    ]
    marks = [mark for mark in map(Mark.read, texts) if mark is not None]
    read = [
        text
        for name in (*rig.apps, TABLE)
        for _, text in broker.marks(settings, f"noli.app.{name}", DECISIONS).values()
    ]
    owed = any(mark.owes or mark.topic != topic for mark in marks)
    return bool(marks and read) and not owed and all(text.endswith(topic) for text in read)


def in_step(rig: Rig, copies: int) -> bool:
    """Whether every partition has so many copies in step."""
    topics = admin(rig.settings(), silent=True).list_topics(timeout=_TIMEOUT_S).topics
    return all(
        len(p.isrs) == copies
        for name, topic in topics.items()
        if name.startswith("noli.")
        for p in topic.partitions.values()
    )


def forget(rig: Rig, *groups: str) -> None:
    """What these groups committed is gone, once their static members' sessions have run out."""
    client: AdminClient = broker.admin(rig.settings())
    left = set(groups)

    def gone() -> bool:
        asked = client.delete_consumer_groups(sorted(left), request_timeout=_TIMEOUT_S)
        for group, future in asked.items():
            error = future.exception()
            if error is None:
                left.discard(group)
            elif error.args[0].code() != KafkaError.NON_EMPTY_GROUP:
                raise error
        return not left

    until(gone, "groups gone", _BACK_S)


def drop(rig: Rig, *topics: str) -> None:
    """These topics are deleted, and made anew as they are to be."""
    observed.forget_decisions(rig)
    client = broker.admin(rig.settings())
    for future in client.delete_topics(list(topics), request_timeout=_TIMEOUT_S).values():
        future.result()
    until(lambda: not set(topics) & set(broker.look(client).topics), "topics gone", _BACK_S)
    rig.cli("topics", "apply")
    observed.stamp(rig.settings())
