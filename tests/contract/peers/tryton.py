"""A Tryton with a mailing list of its own, on which everybody of the contract is."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from connectors.ledger import Ledger, fenced
from connectors.protocol import Change, Contact, Held, Sink
from connectors.sinks.tryton import Tryton
from connectors.testing import MAILS, PATIENCE_S, Pair, Peer, email, number_of
from noli.cli.stack import ports
from noli.domain.channel import Kind
from tests.support.tryton import KEY, Office


class TrytonPeer:
    """A new list on the session's server."""

    secrets: Sequence[str] = (KEY,)
    pairs: Sequence[Pair] = (MAILS,)

    def __init__(self, office: Office, folder: Path) -> None:
        self._office = office
        self._list = office.new_list()
        self._ledger = folder / "ledger.sqlite"

    def contact(self, number: int) -> Contact:
        """Somebody who is on the list."""
        found = email(number)
        if self._office.active(self._list, found.value) is None:
            self._office.subscribe(self._list, found.value)
        return found

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A sink of the list, or one that asks at a port where nobody listens."""
        nobody = f"http://127.0.0.1:{ports.choose(['nobody'])['nobody']}/noli"
        over = {} if reachable else {"url": nobody}
        config = self._office.config(self._list, timeout_s=patience_s, batch=5, **over)
        return fenced(Tryton(config, "office"), self._ledger)

    async def allow(self, token: str) -> None:
        """Somebody there makes the row active."""
        self._office.turn(self._list, email(number_of(token)).value, active=True)

    async def held(self, token: str) -> Held | None:
        """Our version, and whether the list writes to the address."""
        ledger = Ledger(self._ledger)
        told = ledger.look([token]).get(token)
        ledger.close()
        active = self._office.active(self._list, email(number_of(token)).value)
        return told and Held(told.version, {MAILS: bool(active)})

    def poisoned(self, change: Change) -> Change:
        """A contact that is no address."""
        return change._replace(contact=Contact(Kind.PHONE, "+393331234567"))

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """The server stands still."""
        os.kill(self._office.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._office.pid, signal.SIGCONT)


@contextmanager
def tryton_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A list on the session's server, which only now is started."""
    yield TrytonPeer(request.getfixturevalue("tryton"), request.getfixturevalue("tmp_path"))
