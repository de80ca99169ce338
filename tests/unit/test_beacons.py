"""A beacon says that all before a moment is decided: it needs an answer, not the want of one."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, Final, NamedTuple, cast

import pytest
from confluent_kafka import OFFSET_INVALID, TopicPartition

from noli.runtime import beacons, broker
from noli.runtime.beacons import Beacons
from noli.runtime.settings import Settings
from schemas.names import BEACON_KEY, DECISIONS, OBJECTIONS
from streams.topology import SUPPRESS
from tests.support.decisions import CODEC

_EPOCHS: Final = {0: 7}
_READ: Final = 5


class Told(NamedTuple):
    """An answer of a leader."""

    offset: int
    timestamp: int = -1


class Cluster:
    """What leaders answer: an end by topic; None: nothing, ever."""

    def __init__(self) -> None:
        self.ends: dict[str, int | None] = {}
        self.asked = 0

    def list_offsets(
        self, wanted: dict[TopicPartition, Any], request_timeout: float
    ) -> dict[TopicPartition, Future[Told]]:
        """As the client's."""
        assert request_timeout > 0
        self.asked += 1
        return {place: self._future(place.topic) for place in wanted}

    def _future(self, topic: str) -> Future[Told]:
        future: Future[Told] = Future()
        end = self.ends.get(topic, _READ)
        if end is not None:
            future.set_result(Told(end))
        return future


class House:
    """Beacons of one partition, read up to the end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.cluster = Cluster()
        self.sent: list[tuple[str, bytes | None]] = []
        monkeypatch.setattr(beacons, "admin", lambda _: self.cluster)
        monkeypatch.setattr(beacons, "steady", lambda: self.now)
        lanes = SimpleNamespace(
            topics=SUPPRESS.lanes, chunked=SUPPRESS.chunked, group="noli.suppress",
            position={(topic, 0): _READ for topic in SUPPRESS.lanes},
        )  # fmt: skip
        outputs = SimpleNamespace(
            send=lambda topic, _number, key, _value: self.sent.append((topic, key)),
            deliver=lambda: None,
            ends_at=lambda *_: None,
        )
        settings = Settings.model_validate({"kafka": "nowhere:1", "instance": "here"})
        self.beacons = Beacons(settings, CODEC, cast("Any", outputs), cast("Any", lanes), SUPPRESS)

    def seconds(self, passed: float) -> None:
        """Time passes, and the loop turns twice: to ask, and to hear."""
        self.now += passed
        for _ in range(2):
            self.beacons.tick(_EPOCHS)


def test_what_is_read_to_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One beacon for each answer, and the lag is none."""
    house = House(monkeypatch)
    house.seconds(1)
    assert house.sent == [(DECISIONS, BEACON_KEY)]
    assert house.beacons.lag == 0


@pytest.mark.rule("OBJECT")
def test_a_leader_that_died_with_the_question_has_not_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client then tells no error and no offset: everybody would be called aligned, and fresh.

    Once somebody leads again and answers, beacons go on.
    """
    house = House(monkeypatch)
    house.cluster.ends[OBJECTIONS] = OFFSET_INVALID
    house.seconds(1)
    assert house.sent == []
    assert house.beacons.lag is None
    house.cluster.ends.clear()
    house.seconds(1)
    assert house.sent == [(DECISIONS, BEACON_KEY)]


def test_a_question_that_nobody_answers_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is the worker ready meanwhile: out of memory the client may lose an answer for ever."""
    house = House(monkeypatch)
    house.cluster.ends[OBJECTIONS] = None
    house.seconds(1)
    house.cluster.ends.clear()
    house.seconds(5)
    assert house.cluster.asked == 1
    house.now += 10
    house.beacons.tick(_EPOCHS)
    assert house.beacons.lag is None
    assert house.cluster.asked == 2
    house.beacons.tick(_EPOCHS)
    assert house.sent == [(DECISIONS, BEACON_KEY)]
    assert house.beacons.lag == 0


def test_ends_are_told_or_nobody_knows_them() -> None:
    """So are the newest times: an intake whose clock is behind counts on them."""
    cluster = Cluster()
    client = cast("Any", cluster)
    seen = cast("Any", SimpleNamespace(topics={OBJECTIONS: (1, 1)}))
    assert broker.ends(client, seen, [OBJECTIONS]) == {OBJECTIONS: {0: _READ}}
    cluster.ends[OBJECTIONS] = OFFSET_INVALID
    with pytest.raises(broker.BrokerUnavailable, match="leader"):
        broker.ends(client, seen, [OBJECTIONS])
    with pytest.raises(broker.BrokerUnavailable, match="leader"):
        broker.newest(client, seen, [OBJECTIONS])
