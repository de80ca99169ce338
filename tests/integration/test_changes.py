"""`GET /v1/changes` of a lookup process on a real broker: followed, left, resumed, reset."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

from noli.domain.token import token
from noli.runtime import apikeys
from noli.runtime.kafka import admin
from tests.support.copies import CONTROLLER, PEPPER
from tests.support.replica import (
    ALLOWED,
    DEADLINE_S,
    DENIED,
    PARTITIONS,
    Lab,
    laboratory,
    person,
    soon,
)
from tests.support.stack import Stack


class Event(NamedTuple):
    """A server-sent event."""

    id: str
    name: str
    data: dict[str, Any]


class Dialer:
    """A client of the stream."""

    def __init__(self, lab: Lab) -> None:
        self.key, line = apikeys.new("dialer", ["decisions:read"])
        apikeys.write(lab.folder / "keys.json", [line])
        lab.start("noli.replica.lookup")
        self.url = f"http://127.0.0.1:{lab.port}"

    @contextmanager
    def follow(self, last: str | None = None, **query: str) -> Iterator[Iterator[Event]]:
        """Events as they come."""
        headers = {"Authorization": f"Bearer {self.key}"}
        headers |= {"Last-Event-ID": last} if last else {}
        with httpx2.stream(
            "GET", f"{self.url}/v1/changes", params=query, headers=headers, timeout=20
        ) as answer:
            assert answer.status_code == 200, answer.read()
            yield _events(answer.iter_lines())

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            return httpx2.get(f"{self.url}/readyz").status_code == 200
        except httpx2.TransportError:
            return False


def _events(lines: Iterator[str]) -> Iterator[Event]:
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name in {"id", "event", "data"}:
            found[name] = value
        elif not line and "data" in found:
            yield Event(found["id"], found["event"], json.loads(found["data"]))
            found = {}


def changes(events: Iterator[Event], count: int) -> list[Event]:
    """The next changes."""
    found: list[Event] = []
    while len(found) < count:
        event = next(events)
        if event.name == "change":
            found.append(event)
    return found


@pytest.fixture
def lab(stack: Stack, tmp_path: Path) -> Iterator[Lab]:
    """A copy of a topic in which ten may be called, and its writer."""
    with laboratory(stack, tmp_path) as made:
        made.claim()
        made.decide(ALLOWED, range(10))
        made.beacon()
        made.start()
        assert soon(made.is_ready)
        yield made


def test_a_stream_resumes_without_a_loss(lab: Lab) -> None:
    """What changes while the client is away is told when it comes back: each once, none missing."""
    dialer = Dialer(lab)
    assert soon(dialer.is_up)
    tokens = {token(PEPPER, CONTROLLER, person(n)).hex() for n in range(400)}
    with dialer.follow() as events:
        first = next(events)
        assert first.name == "position"
        lab.decide(DENIED, range(100), version=2)
        lab.decide(ALLOWED, range(50), version=9, epoch=0)  # of an owner that was replaced
        seen = changes(events, 60)
    lab.decide(DENIED, range(100, 300), version=2)
    with dialer.follow(seen[-1].id) as events:
        seen += changes(events, 40 + 150)
    with dialer.follow(seen[-1].id) as events:
        writing = threading.Thread(target=lab.decide, args=(DENIED, range(300, 400), 2))
        writing.start()
        seen += changes(events, 150)
        writing.join()
    assert len(seen) == 400
    assert {each.data["token"] for each in seen} == tokens
    call = [
        verdict
        for verdict in seen[0].data["verdicts"]
        if (verdict["channel"], verdict["purpose"]) == ("operator_call", "marketing")
    ]
    assert [(each["allowed"], each["reasons"]) for each in call] == [(False, ["OBJECTED"])]
    # From the beginning: what the log holds, the copy's own part included.
    with dialer.follow(**{"from": "beginning"}) as events:
        assert len(changes(events, 410)) == 410
    with dialer.follow(seen[0].id, controller="nobody") as events:
        lab.beacon()
        assert next(event for event in events if event.data["as_of"]).name == "position"


def test_a_position_that_is_gone_resets(lab: Lab, stack: Stack) -> None:
    """Of another topic, or cut away from the log: `reset`, then changes go on."""
    dialer = Dialer(lab)
    assert soon(dialer.is_up)
    with dialer.follow() as events:
        here = next(events).id
    topic_id, _, places = here.partition("@")
    with dialer.follow(f"other{topic_id}@{places}") as events:
        assert next(events).name == "reset"
        lab.decide(DENIED, range(10), version=2)
        assert len(changes(events, 10)) == 10
    lab.beacon()
    assert soon(lambda: dialer.is_up() and _caught_up(dialer, here))
    cut_away(stack, lab.topic)
    with dialer.follow(here) as events:
        told = next(events)
        assert (told.name, "no such position" in told.data["why"]) == ("reset", True)
        lab.decide(DENIED, range(3), version=3)
        assert len(changes(events, 3)) == 3


def cut_away(stack: Stack, topic: str) -> None:
    """Have the broker forget every record of a topic, as retention would."""
    client = admin(stack.settings())  # kept: its futures end with it
    policy = ConfigEntry("cleanup.policy", "delete", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[policy])
    for done in client.incremental_alter_configs([resource]).values():
        done.result(DEADLINE_S)
    ends = [TopicPartition(topic, number, OFFSET_END) for number in range(PARTITIONS)]
    for done in client.delete_records(ends).values():
        done.result(DEADLINE_S)


def _caught_up(dialer: Dialer, here: str) -> bool:
    """Whether the copy stands beyond a place in every partition."""
    with dialer.follow() as events:
        now = next(events).id
    places = [text.partition("@")[2].split(",") for text in (here, now)]
    return all(
        float(a.split(".")[0]) < float(b.split(".")[0]) for a, b in zip(*places, strict=True)
    )
