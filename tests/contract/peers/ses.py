"""An SES account with a contact list of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from connectors.ledger import Ledger, fenced
from connectors.protocol import Change, Contact, Held, Sink
from connectors.sinks.ses import Ses
from connectors.testing import MAILS, PATIENCE_S, Pair, Peer, email, number_of
from noli.cli.stack import ports
from noli.domain.channel import Kind
from tests.support.servers import PASSWORD
from tests.support.ses import KEY, Account


class SesPeer:
    """A new list on the session's server."""

    secrets: Sequence[str] = (PASSWORD, KEY)
    pairs: Sequence[Pair] = (MAILS,)
    contact = staticmethod(email)

    def __init__(self, account: Account, folder: Path) -> None:
        self._account = account
        self._list = account.new_list()
        self._ledger = folder / "ledger.sqlite"

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A sink of the list, or one that asks at a port where nobody listens."""
        nobody = f"http://127.0.0.1:{ports.choose(['nobody'])['nobody']}"
        over = {} if reachable else {"endpoint_url": nobody}
        config = self._account.config(self._list, timeout_s=patience_s, batch=5, **over)
        return fenced(Ses(config, "shop"), self._ledger)

    async def allow(self, token: str) -> None:
        """Somebody there subscribes the address again."""
        self._account.put(self._list, email(number_of(token)).value, UnsubscribeAll=False)

    async def held(self, token: str) -> Held | None:
        """Our version, and whether SES would send."""
        ledger = Ledger(self._ledger)
        told = ledger.look([token]).get(token)
        ledger.close()
        found = self._account.contact(self._list, email(number_of(token)).value)
        return told and Held(told.version, {MAILS: not (found and found["UnsubscribeAll"])})

    def poisoned(self, change: Change) -> Change:
        """A contact that is no address."""
        return change._replace(contact=Contact(Kind.PHONE, "+393331234567"))

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """The server stands still."""
        with self._account.stopped():
            yield


@contextmanager
def ses_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A list on the session's server, which only now is started."""
    yield SesPeer(request.getfixturevalue("ses"), request.getfixturevalue("tmp_path"))
