"""The board as a process, on topics of a real broker that a test writes as the watcher would."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from confluent_kafka import Producer

from noli import wire
from noli.domain import times
from noli.domain.contact import normalise
from noli.domain.facts import Fact
from noli.domain.token import Pepper, token
from noli.runtime import registry, subjects
from noli.runtime.clock import now_ms
from noli.runtime.kafka import producer_config
from noli.wire import apps
from noli.wire.apps import Verb
from schemas.names import ALIGNMENT, APPS, GRANTS, OBJECTIONS, QUARANTINE, RECEIPTS
from tests.support.blackbox import until
from tests.support.board import FACE, alignment
from tests.support.intake_process import SECRET, Running, started
from tests.support.law import PHONE, consent, objection, on
from tests.support.neutral import neutral
from tests.support.openapi import Description
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)


class Writer:
    """Writes what watchers and operators write, about an application that no other test has."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        settings = stack.settings(data=folder / "writer", instance="writer")
        self._codec = registry.codec(settings)
        self._producer = Producer(producer_config(settings))
        self.app = f"app-{stack.prefix()}"
        #: Of nobody else: a controller of this test's own.
        self.controller = f"acme-{stack.prefix()}"

    def tell(
        self, topic: str, key: str | bytes | None, record: str, datum: Mapping[str, Any],
        at: int | None = None,
    ) -> None:  # fmt: skip
        """Append one record, durably; `at`: the log's timestamp, ms."""
        value, at = self._codec.encode(record, datum), datum["at"] if at is None else at
        self._producer.produce(topic, value, key, timestamp=at)
        assert self._producer.flush(30) == 0

    def key(self) -> bytes:
        """The contact's token."""
        return token(Pepper(1, bytes.fromhex(SECRET)), self.controller, normalise(**PHONE))

    def fact(self, fact: Fact) -> None:
        """A fact of the contact, as the intake writes it."""
        topic = OBJECTIONS if fact.denies else GRANTS
        intent = wire.fact_to_intent(replace(fact, controller=self.controller))
        self.tell(topic, self.key(), "noli.Intent", intent, fact.accepted)

    def confirm(self, at: int, outcome: str) -> None:
        """The application's receipt."""
        change = {
            "token": self.key(), "version": at, "offset": 0, "accepted": at - 200,
            "outcome": outcome, "reason": None,
        }  # fmt: skip
        datum = neutral("noli.Receipt", app=self.app, at=at, changes=[change])
        self.tell(RECEIPTS, self.app, "noli.Receipt", datum)

    def act(self, verb: Verb) -> None:
        """Something is done to the application."""
        datum = apps.action(self.app, verb, action_id="1", at=now_ms(), by="test", face=FACE)
        self.tell(APPS, self.app, "noli.AppAction", datum)

    def align(self, **over: Any) -> None:  # noqa: ANN401 - fields of the record
        """The watcher's word, now."""
        self.tell(ALIGNMENT, self.app, "noli.Alignment", alignment(self.app, now_ms(), **over))


@pytest.fixture
def writer(stack: Stack, tmp_path: Path) -> Iterator[Writer]:
    """The application is removed at the end: topics are shared with other tests."""
    stack.topics(prefix="")
    with subjects.connected(stack.registry) as client:
        subjects.apply(client, subjects.plan(client))
    writer = Writer(stack, tmp_path)
    writer.act(Verb.ADDED)
    yield writer
    writer.act(Verb.REMOVED)


@pytest.fixture
def board(stack: Stack, tmp_path: Path, writer: Writer) -> Iterator[Running]:
    """The process, that has read all there is."""
    with started(stack.settings(), tmp_path, "noli.board") as running:
        running.until_ready()
        yield running


def found(client: httpx2.Client, app: str) -> dict[str, Any] | None:
    """The application as the board shows it."""
    answer = client.get("/v1/alignment")
    Description("noli.board").check("get", "/v1/alignment", answer)
    return next((one for one in answer.json()["apps"] if one["app"] == app), None)


def test_the_board_follows_the_log(board: Running, writer: Writer) -> None:
    """Registered and not aligned; aligned once the watcher says so; gone once removed."""
    with board.client() as client:

        def state() -> str | None:
            one = found(client, writer.app)
            return None if one is None else one["state"]

        until(lambda: state() == "unknown", "the application is there, and not aligned")
        writer.align()
        until(lambda: state() == "aligned", "the watcher's word counts")
        writer.align(as_of=now_ms() - 60_000, pending=7)
        until(lambda: state() == "behind", "and its next one")
        one = client.get(f"/v1/alignment/{writer.app}").json()
        assert (one["pending"], one["lags"][-1] is None or one["lags"][-1] < 120) == (7, True)
        writer.act(Verb.REMOVED)
        until(lambda: state() is None, "a removed application is gone")


def test_a_board_that_starts_late_knows_the_same_and_the_curve(
    stack: Stack, tmp_path: Path, writer: Writer
) -> None:
    """What stood in the log before it started: the newest words, the past lags, the quarantine."""
    for age in (60_000, 30_000, 0):
        at = now_ms() - age
        datum = alignment(writer.app, at, as_of=at - 3_000)
        writer.tell(ALIGNMENT, writer.app, "noli.Alignment", datum)
    held = neutral("noli.Quarantine", topic="noli.grants", reason="unreadable", at=now_ms())
    writer.tell(QUARANTINE, None, "noli.Quarantine", held)
    with started(stack.settings(), tmp_path, "noli.board") as running, running.client() as client:
        running.until_ready()
        one = client.get(f"/v1/alignment/{writer.app}").json()
        assert one["state"] == "aligned"
        assert [lag for lag in one["lags"] if lag is not None][:2] == [3.0, 3.0]
        with client.stream("GET", "/v1/stream") as stream:
            lines = stream.iter_lines()
            data = next(line for line in lines if line.startswith("data: "))
            board = json.loads(data.removeprefix("data: "))
            assert board["quarantine"]["count"] >= 1
            assert "noli.grants" in board["quarantine"]["topics"]
            next(line for line in lines if line.startswith("event: change"))


@pytest.mark.rule("EVIDENCE")
def test_the_line_of_a_contact_is_read_from_the_log(board: Running, writer: Writer) -> None:
    """Consent, objection, what they changed and who confirmed it, out of the real topics."""
    writer.fact(consent(1))
    writer.confirm(on(1) + 200, "applied")
    writer.fact(objection(40))
    writer.confirm(on(40) + 200, "applied")
    writer.confirm(on(60), "drifted")
    with board.client() as client:
        body = {"controller": writer.controller, "contact": PHONE}
        answer = client.post("/v1/contacts/timeline", json=body)
        Description("noli.board").check("post", "/v1/contacts/timeline", answer)
        assert answer.status_code == 200
        told = answer.json()
        assert told["receipts"]["complete"]
        seen = [
            (entry["kind"], entry.get("outcome") or entry.get("words", "").split(":")[0])
            for entry in told["entries"]
        ]
        assert seen[0] == ("fact", "consent given")
        assert [word for kind, word in seen if kind == "receipt"] == [
            "applied", "applied", "drifted",
        ]  # fmt: skip
        denied = [e for e in told["entries"] if e["kind"] == "verdict" and "sms" in e["channels"]]
        assert [entry["allowed"] for entry in denied][:2] == [True, False]
        assert denied[1]["at"] == times.text(on(40))
        other = client.post("/v1/contacts/timeline", json={**body, "controller": "nobody"}).json()
        assert other["entries"] == []


def test_a_board_stops_at_once_and_leaves_its_streams(board: Running) -> None:
    """SIGTERM with a stream open: exit code 0 within the grace."""
    with board.client() as client, client.stream("GET", "/v1/stream") as stream:
        next(stream.iter_lines())
        began = time.monotonic()
        board.process.terminate()
        assert board.process.wait(10) == 0
        assert time.monotonic() - began < 5
