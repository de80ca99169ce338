"""The stream of verdict changes, without a broker: places, epochs, pairs, and slow clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message as AsgiMessage

from noli.domain import canary
from noli.domain.channel import Kind, Purpose
from noli.domain.token import token
from noli.replica import gate as gates
from noli.replica.changes import feed as feeds
from noli.replica.changes import vector
from noli.replica.changes.feed import Feed, Told
from noli.replica.changes.vector import Vector
from noli.replica.follow import Batch, Source
from noli.replica.gate import Gate
from noli.replica.head import Head, Position, Refused
from noli.replica.lookup import changes
from noli.replica.lookup.service import Parts, application
from noli.runtime import apikeys
from noli.runtime.apikeys import Keyring
from tests.support.copies import (
    ALICE,
    BOB,
    CODEC,
    CONTROLLER,
    NOW,
    PEPPER,
    TOPIC_ID,
    Log,
    Message,
    blank,
    decision,
    denial,
    fresh,
    row,
)  # fmt: skip
from tests.support.feeds import room


class Tape:
    """A log of two partitions that is read once; `first` and `end` as the brokers would say."""

    def __init__(self, messages: Iterable[Message] = (), first: int = 0, end: int = 100) -> None:
        self._messages = [*messages]
        self._source = Source(TOPIC_ID, (first, first), (end, end))
        self.started: tuple[Position, ...] = ()
        self.closed = False

    def source(self) -> Source:
        """The topic."""
        return self._source

    def start(self, positions: tuple[Position, ...], /) -> None:
        """Read from there."""
        self.started = positions

    def batch(self) -> Batch:
        """All of it, once; then the partitions' ends."""
        found, self._messages = self._messages, []
        return Batch(found, () if found else ((0, 60), (1, 70)))  # type: ignore[arg-type]

    def close(self) -> None:
        """Leave."""
        self.closed = True


def copy_at(*frontiers: int) -> Head:
    """The head of a copy that stands there, under epoch 3."""
    return blank(len(frontiers)).at(Position(at, 3, NOW) for at in frontiers)


def started(tape: Tape, wanted: str | None = None, controllers: Iterable[str] = ()) -> Feed:
    """A feed that found its place."""
    made = Feed(tape, CODEC, PEPPER.version, [*controllers])
    assert made.start(wanted, copy_at(10, 20)) is None
    return made


def test_a_place_is_a_text_and_back() -> None:
    """Topic, frontiers and epochs survive; anything else is no place."""
    place = Vector("a-T0p_ic", (Position(7, 3), Position(0, 0)))
    assert place.text() == "a-T0p_ic@7.3,0.0"
    assert vector.parse(place.text()) == place
    for wrong in ("", "7", "t@", "t@1", "t@1.2,", "t@-1.2", "t t@1.2", "t@1.2\n"):
        with pytest.raises(ValueError, match="position"):
            vector.parse(wrong)


def test_a_stream_begins_where_the_copy_stands_or_where_it_is_told() -> None:
    """Without a place: the copy's; `beginning`: the log's first; a place: that one."""
    tape = Tape(first=5)
    assert started(tape).at() == f"{TOPIC_ID}@10.3,20.3"
    assert tape.started == (Position(10, 3), Position(20, 3))
    assert started(Tape(first=5), "beginning").at() == f"{TOPIC_ID}@5.0,5.0"
    assert started(Tape(first=5), f"{TOPIC_ID}@30.3,40.3").at() == f"{TOPIC_ID}@30.3,40.3"


@pytest.mark.parametrize(
    "wanted, why",
    [
        ("other@10.3,20.3", "another topic"),
        (f"{TOPIC_ID}@10.3", "other partitions"),
        (f"{TOPIC_ID}@4.3,20.3", "partition 0"),
        (f"{TOPIC_ID}@10.3,101.3", "partition 1"),
    ],
)
def test_a_place_that_is_gone_is_told(wanted: str, why: str) -> None:
    """Of another topic, or no longer in the log: why, and the stream goes on from the copy's."""
    made = Feed(Tape(first=5), CODEC, PEPPER.version)
    assert why in str(made.start(wanted, copy_at(10, 20)))
    assert made.at() == f"{TOPIC_ID}@10.3,20.3"


def test_a_replaced_owner_is_not_heard() -> None:
    """Records below the highest claim, the place's own included, are passed over."""
    log = Log(2)
    log.decide(ALICE, decision([row()], version=1, epoch=2))
    log.decide(ALICE, decision([row()], version=2, epoch=3))
    log.claim(4)
    log.decide(ALICE, decision([row()], version=3, epoch=3))
    log.decide(ALICE, decision([denial("OBJECTED")], version=4, epoch=4))
    log.beacon(epoch=4)
    made = started(Tape(log.messages))
    assert [each.data["version"] for each in made.read()] == [2, 4]
    assert made.at() == f"{TOPIC_ID}@6.4,20.3"
    assert made.as_of() is None
    made.read()
    assert made.at() == f"{TOPIC_ID}@60.4,70.3"


def test_a_change_tells_every_pair_as_the_gate_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Token, contact, controller, version; each channel, purpose and brand with its verdict."""
    monkeypatch.setattr(feeds, "now_ms", lambda: NOW)
    log = Log()
    rows = [
        row(until=NOW + 1_000, lapse=["REGISTERED"]),
        row(channels=["sms"], until=NOW - 1, lapse=["WITHDRAWN"]),
        denial("OBJECTED", brand="b"),
    ]
    log.decide(ALICE, decision(rows, version=5, epoch=3))
    [told] = started(Tape(log.messages)).read()
    assert told.at == f"{TOPIC_ID}@1.3,20.3"
    assert told.data["token"] == token(PEPPER, CONTROLLER, ALICE).hex()
    assert told.data["contact"] == {"kind": "phone", "value": ALICE.value}
    assert (told.data["controller"], told.data["version"]) == (CONTROLLER, 5)
    said = {(v["channel"], v["purpose"], v["brand"]): v for v in told.data["verdicts"]}
    assert len(said) == 6 * 4 * 2
    call = said["operator_call", "marketing", "*"]
    assert (call["allowed"], call["until"]) == (True, "2026-11-24T09:00:01Z")
    assert said["sms", "marketing", "*"]["reasons"] == ("WITHDRAWN",)
    assert said["operator_call", "marketing", "b"]["reasons"] == ("OBJECTED",)
    assert said["fax", "marketing", "*"]["reasons"] == ("NO_BASIS",)


def test_other_controllers_peppers_and_rubbish() -> None:
    """A filter leaves others out; another pepper's token is not ours; the unreadable is denied."""
    log = Log()
    log.decide(ALICE, {**decision([row()], epoch=3), "controller": "other"})
    log.decide(BOB, {**decision([row()], epoch=3), "contact": None})
    log.append(b"\x02" + bytes(16), b"whatever")
    poison = token(PEPPER, CONTROLLER, BOB)
    log.append(poison, b"\x00\x00\x00\x00\x63\x06not avro")
    told = started(Tape(log.messages), controllers=[CONTROLLER]).read()
    assert [each.data["controller"] for each in told] == [CONTROLLER, None]
    assert told[0].data["contact"] is None
    assert told[1].data == {
        "token": poison.hex(), "contact": None, "controller": None, "version": None, "verdicts": [],
    }  # fmt: skip


def test_canaries_are_not_told() -> None:
    """A client never sees a contact that is nobody's; its place moves past it all the same."""
    log = Log()
    ours = canary.flock(Kind.PHONE, Purpose.MARKETING)[0]
    said = {"kind": ours.kind.value, "value": ours.value}
    log.decide(ours, {**decision([row()], epoch=3), "contact": said})
    log.decide(ALICE, decision([row()], epoch=3))
    told = started(Tape(log.messages)).read()
    assert [each.data["contact"]["value"] for each in told] == [ALICE.value]


class Scripted:
    """A feed that gives what it was told to, then nothing."""

    def __init__(self, *script: list[Told] | Exception, lost: str | None = None) -> None:
        self._script = [*script]
        self._lost = lost
        self.closed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def start(self, wanted: str | None, copy: Head) -> str | None:
        """Begin."""
        if wanted == "rubbish":
            raise ValueError
        return self._lost

    def again(self, copy: Head) -> None:
        """Begin anew."""

    def read(self) -> list[Told]:
        """The next of the script."""
        found = self._script.pop(0) if self._script else []
        if isinstance(found, Exception):
            raise found
        return found

    def at(self) -> str:
        """The place."""
        return "t@1.1"

    def as_of(self) -> int | None:
        """How fresh."""
        return NOW

    def close(self) -> None:
        """Leave."""
        self._loop.call_soon_threadsafe(self.closed.set)


class Client:
    """An ASGI client that reads a stream until it has seen an event of a name, then leaves."""

    def __init__(self, folder: Path, feed: Scripted) -> None:
        self.key, line = apikeys.new("dialer", ["decisions:read"])
        apikeys.write(folder / "keys.json", [line])
        self._folder, self._feed = folder, feed
        self.text, self.status, self.stuck = "", 0, False

    async def get(self, until: str, query: str = "", **headers: str) -> list[tuple[str, Any]]:
        """Events as (name, data)."""
        left = asyncio.Event()

        async def send(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            elif self.stuck:
                await asyncio.Event().wait()
            self.text += message.get("body", b"").decode()
            if until in self.text:
                left.set()
            await asyncio.sleep(0)

        async def receive() -> AsgiMessage:
            await left.wait()
            return {"type": "http.disconnect"}

        named = {"authorization": f"Bearer {self.key}", **headers}
        scope = {
            "type": "http", "method": "GET", "path": "/v1/changes", "raw_path": b"/v1/changes",
            "query_string": query.encode(), "asgi": {"version": "3.0", "spec_version": "2.3"},
            "headers": [(k.encode(), v.encode()) for k, v in named.items()],
        }  # fmt: skip
        with Gate.open(self._folder / "copy", pepper=PEPPER) as gate:
            keyring = Keyring(self._folder / "keys.json")
            app = application(Parts(gate, keyring, lambda _: self._feed, room(self._folder)))
            await app(scope, receive, send)
        return [
            (event.partition("event: ")[2].partition("\n")[0], json.loads(data))
            for event in self.text.split("\n\n")
            if (data := event.partition("data: ")[2])
        ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a copy."""
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 1_000)
    fresh(tmp_path / "copy", [(ALICE, decision([row()]))])
    return tmp_path


async def test_changes_come_with_their_place(folder: Path) -> None:
    """The place first, then each change under its own id; the feed is let go at the end."""
    feed = Scripted([Told("t@2.1", {"n": 1}), Told("t@3.1", {"n": 2})], [Told("t@4.1", {"n": 3})])
    client = Client(folder, feed)
    events = await client.get("event: position", query="controller=acme")
    assert client.status == 200
    assert events[0] == ("position", {"as_of": "2026-11-24T09:00:00Z"})
    again = Client(folder, Scripted([Told("t@2.1", {"n": 1}), Told("t@3.1", {"n": 2})]))
    events = await again.get("event: change")
    assert events[1:3] == [("change", {"n": 1}), ("change", {"n": 2})]
    assert "id: t@2.1\nevent: change\n" in again.text
    await feed.closed.wait()


async def test_a_client_without_a_past_is_told_to_build_anew(folder: Path) -> None:
    """At the start, or when the log throws away what comes next: `reset` with the remedy."""
    [event, *_] = await Client(folder, Scripted(lost="gone")).get("event: reset")
    assert (event[0], event[1]["why"]) == ("reset", "gone")
    assert "/v1/decisions" in event[1]["remedy"]
    events = await Client(folder, Scripted(Refused("cut away"))).get("event: reset")
    assert [name for name, _ in events[:2]] == ["position", "reset"]


async def test_a_silent_log_still_beats(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment for proxies, and the place with its freshness for the client."""
    monkeypatch.setattr(changes, "HEARTBEAT_S", 0.0)
    client = Client(folder, Scripted())
    events = await client.get(": heartbeat\n\n")
    assert client.text.startswith("retry: 1000\n\nid: t@1.1\nevent: position\n")
    assert events[-1] == ("position", {"as_of": "2026-11-24T09:00:00Z"})


async def test_a_slow_client_is_told_and_let_go(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than the bound for one piece: `slow` is its last event; the feed is closed."""
    monkeypatch.setattr(changes, "SLOW_S", -1.0)
    feed = Scripted([Told("t@2.1", {"n": 1})], [Told("t@3.1", {"n": 2})])
    events = await Client(folder, feed).get("never")
    assert events[-1][0] == "slow"
    assert "Last-Event-ID" in events[-1][1]["why"]
    await feed.closed.wait()


async def test_a_client_that_takes_nothing_is_cut_off(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing taken for too long: the stream ends, nothing is kept for the client."""
    monkeypatch.setattr(changes, "CUT_S", 0.01)
    feed = Scripted([Told("t@2.1", {"n": 1})])
    client = Client(folder, feed)
    client.stuck = True
    await client.get("never")
    assert client.text == ""
    await feed.closed.wait()


async def test_what_is_no_place_is_refused(folder: Path) -> None:
    """422 for a place that never was one; 401 without a key."""
    client = Client(folder, Scripted())
    await client.get("never", query="from=rubbish")
    assert client.status == 422
    client = Client(folder, Scripted())
    await client.get("never", **{"last-event-id": "rubbish"})
    assert client.status == 422
    client.key = "noli_unknown"
    await client.get("never")
    assert client.status == 401
