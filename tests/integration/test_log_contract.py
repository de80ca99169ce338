"""The real broker does what the in-memory log is held to."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from tests.support.logcontract import LogContract, Place
from tests.support.stack import Stack


@pytest.fixture
def place(stack: Stack) -> Place:
    """The session's broker as the contract wants it."""
    return Place(Consumer, Producer, _admin, stack.kafka, stack.topic)


def _admin(config: dict[str, Any]) -> AdminClient:
    """Only what a client of any kind has: librdkafka warns of a consumer's settings."""
    own = ("bootstrap.servers", "client.id", "logger")
    return AdminClient({name: value for name, value in config.items() if name in own})


class TestContract(LogContract):
    """What the double passes in tests/unit/test_memlog.py."""
