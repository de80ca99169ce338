"""The unit room: nothing real. A test that connects to anything belongs in tests/integration."""

from __future__ import annotations

import socket
from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection attempt fails the test and says where the test belongs."""

    def refuse(*_: object) -> NoReturn:
        pytest.fail("a unit test opened a connection: move it to tests/integration")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
