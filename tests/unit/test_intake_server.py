"""The server both HTTP services run in, and the intake's view of its brokers."""

from __future__ import annotations

import asyncio
import threading

import pytest

from noli.intake.service import TOPICS, Reach
from noli.runtime import httpserver
from noli.runtime.broker import BrokerUnavailable, Cluster
from noli.runtime.process import Stop
from schemas.codec import topic_catalogue


async def test_a_stop_that_came_before_serving_is_obeyed() -> None:
    """A SIGTERM during the start ends the service, which would otherwise never see it."""
    stop = Stop()
    stop.request()
    listener = httpserver.bind("127.0.0.1", 0)
    async with asyncio.timeout(30):
        await httpserver.serve(httpserver.application([]), listener, stop)
    assert listener.fileno() == -1


def test_a_taken_port_is_an_error_and_port_0_is_any_free_one() -> None:
    """Two listeners never share an address by accident."""
    with httpserver.bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert port > 0
        with pytest.raises(OSError, match="in use"):
            httpserver.bind("127.0.0.1", port)


class Brokers:
    """Answers a look with what was set last, and tells when it was asked."""

    def __init__(self, found: Cluster | BrokerUnavailable) -> None:
        self.found = found
        self.asked = threading.Event()

    def __call__(self, timeout_s: float) -> Cluster:
        """A look."""
        assert timeout_s > 0
        self.asked.set()
        if isinstance(self.found, BrokerUnavailable):
            raise self.found
        return self.found


def cluster(*topics: str) -> Cluster:
    """One broker with those topics."""
    return Cluster("id", 1, dict.fromkeys(topics, (8, 1)))


async def test_readiness_is_topics_that_can_be_reached() -> None:
    """Ready with every topic there; else not, with the reason and the remedy."""
    brokers = Brokers(BrokerUnavailable("refused"))
    reach = Reach(brokers)
    assert reach()[0] is False
    await reach.ask()
    assert reach() == (False, {"why": "no broker: refused"})
    brokers.found = cluster(*(TOPICS - {"noli.grants"}))
    await reach.ask()
    ready, said = reach()
    assert ready is False
    assert "noli.grants" in str(said["why"])
    assert "noli topics apply" in str(said["why"])
    brokers.found = cluster(*TOPICS)
    await reach.ask()
    assert reach() == (True, {})


async def test_watching_ends_when_told() -> None:
    """`stop` ends the watch without waiting for its next look."""
    brokers = Brokers(cluster(*TOPICS))
    reach = Reach(brokers)
    watching = asyncio.create_task(reach.watch())
    await asyncio.to_thread(brokers.asked.wait)
    reach.stop()
    async with asyncio.timeout(1.5):
        await watching
    assert reach()[0]


def test_every_topic_of_the_intake_is_in_the_catalogue() -> None:
    """What is routed to exists once `noli topics apply` has run."""
    assert set(topic_catalogue()["topics"]) >= TOPICS
