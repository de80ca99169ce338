"""Kamailio's table, beside its sink."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil
import pytest

from connectors.ledger import Ledger, fenced
from connectors.protocol import Change, Contact, Held, Sink
from connectors.sinks.kamailio import Kamailio
from connectors.testing import CALLS, PATIENCE_S, Pair, Peer, number_of, phone
from noli.cli.stack import ports
from noli.domain.channel import Kind
from tests.support.kamailio import Proxy
from tests.support.servers import PASSWORD, scratch

FOR_EVER = (1 << 31) - 1


class KamailioPeer:
    """A table on the session's proxy, and a ledger."""

    secrets: Sequence[str] = (PASSWORD,)
    pairs: Sequence[Pair] = (CALLS,)
    contact = staticmethod(phone)

    def __init__(self, proxy: Proxy, ledger: Path) -> None:
        self._proxy = proxy
        self._ledger = ledger

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A sink of the table, or one that asks at a port where nobody listens."""
        where = {} if reachable else {"url": f"http://127.0.0.1:{ports.choose(['no'])['no']}/noli"}
        config = self._proxy.config(timeout_s=patience_s, **where)
        return fenced(Kamailio(config, "proxy"), self._ledger)

    async def allow(self, token: str) -> None:
        """An administrator's own command."""
        self._proxy.command("htable.seti", "noli", self._number(token), FOR_EVER)

    async def held(self, token: str) -> Held | None:
        """Whether the number is in the table; of our ledger, whether it was ever told of."""
        ledger = Ledger(self._ledger)
        told = ledger.look([token]).get(token)
        ledger.close()
        free = self._number(token) in self._proxy.table()
        return Held(told.version, {CALLS: free}) if told else None

    def poisoned(self, change: Change) -> Change:
        """What is no number."""
        return change._replace(contact=Contact(Kind.PHONE, "+39\x00333"))

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """Every process of the proxy is stopped; the kernel still takes connections."""
        main = psutil.Process(self._proxy.server.pid)
        family = [main, *main.children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in family:
                process.send_signal(signal.SIGCONT)

    def _number(self, token: str) -> str:
        return self.contact(number_of(token)).value.removeprefix("+")


@contextmanager
def kamailio_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """The session's proxy, which only now is started, and a ledger of its own."""
    with scratch("ledger") as root:
        yield KamailioPeer(request.getfixturevalue("kamailio_proxy"), root / "ledger.sqlite")
