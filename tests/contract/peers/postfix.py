"""Postfix's table, beside its sink."""

from __future__ import annotations

import fcntl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import pytest

from connectors.ledger import Ledger, fenced
from connectors.protocol import Change, Contact, Held, Sink
from connectors.sinks.postfix import Postfix
from connectors.testing import MAILS, PATIENCE_S, Pair, Peer, email, number_of
from noli.domain.channel import Kind
from tests.support.postfix import MailServer
from tests.support.servers import scratch

PERMIT: Final = "OK"


class PostfixPeer:
    """The table of the session's Postfix, and a ledger."""

    secrets: Sequence[str] = ()
    pairs: Sequence[Pair] = (MAILS,)
    contact = staticmethod(email)

    def __init__(self, server: MailServer, ledger: Path) -> None:
        self._server = server
        self._ledger = ledger

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A sink of the table, or one in a folder that is not there."""
        where = {} if reachable else {"table": self._server.root / "nowhere" / "noli"}
        return fenced(
            Postfix(self._server.config(timeout_s=patience_s, **where), "mail"), self._ledger
        )

    async def allow(self, token: str) -> None:
        """An administrator's own command."""
        self._server.postmap("-i", "-r", said=f"{self._address(token)} {PERMIT}\n")

    async def held(self, token: str) -> Held | None:
        """What Postfix looks up; of our ledger, whether it was ever told of."""
        ledger = Ledger(self._ledger)
        told = ledger.look([token]).get(token)
        ledger.close()
        found = self._server.postmap("-q", self._address(token)).strip()
        return Held(told.version, {MAILS: found == PERMIT}) if told else None

    def poisoned(self, change: Change) -> Change:
        """What would be two lines of postmap's."""
        return change._replace(contact=Contact(Kind.EMAIL, "a@b.it OK\nc@d.it"))

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """Somebody else locks the table."""
        with self._server.table.with_name("noli.lmdb").open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            fcntl.lockf(file, fcntl.LOCK_EX)
            yield

    def _address(self, token: str) -> str:
        return self.contact(number_of(token)).value


@contextmanager
def postfix_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """The session's Postfix, which only now is started, and a ledger of its own."""
    with scratch("ledger") as root:
        yield PostfixPeer(request.getfixturevalue("postfix_server"), root / "ledger.sqlite")
