"""Kannel's list, beside its sink."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil
import pytest

from connectors.ledger import Ledger, fenced
from connectors.protocol import Change, Contact, Held, Sink
from connectors.sinks.kannel import Kannel
from connectors.testing import PATIENCE_S, TEXTS, Pair, Peer, number_of, phone
from noli.cli.stack import ports
from noli.domain.channel import Kind
from tests.support.kannel import KEY, PASSWORD, Gateway, answering
from tests.support.servers import scratch


class KannelPeer:
    """A list for the session's gateway, and a ledger."""

    secrets: Sequence[str] = (PASSWORD, KEY)
    pairs: Sequence[Pair] = (TEXTS,)
    contact = staticmethod(phone)

    def __init__(self, gateway: Gateway, root: Path) -> None:
        self._gateway = gateway
        self._file = root / "list.txt"
        self._ledger = root / "ledger.sqlite"

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A sink of the list, or one that asks at a port where nobody listens."""
        where = {} if reachable else {"url": f"http://127.0.0.1:{ports.choose(['no'])['no']}"}
        config = self._gateway.config(file=self._file, timeout_s=patience_s, **where)
        return fenced(Kannel(config, "sms"), self._ledger)

    async def allow(self, token: str) -> None:
        """Somebody writes into the file, and has Kannel fetch it."""
        self._file.write_text(f"{self._file.read_text()}{self._number(token)}\n")
        with answering(self._gateway.at["list"], lambda _: self._file.read_bytes()):
            self._gateway.command("reload-lists")

    async def held(self, token: str) -> Held | None:
        """Whether Kannel takes a message; of our ledger, whether it was ever told of."""
        ledger = Ledger(self._ledger)
        told = ledger.look([token]).get(token)
        ledger.close()
        return (
            Held(told.version, {TEXTS: self._gateway.send(self._number(token))}) if told else None
        )

    def poisoned(self, change: Change) -> Change:
        """What would be two lines of the list."""
        return change._replace(contact=Contact(Kind.PHONE, "+39333\n+39334"))

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """Bearerbox is stopped; the kernel still takes connections."""
        process = psutil.Process(self._gateway.boxes["bearerbox"].pid)
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def _number(self, token: str) -> str:
        return self.contact(number_of(token)).value


@contextmanager
def kannel_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """The session's gateway, which only now is started, a list and a ledger of its own."""
    with scratch("kannel-list") as root:
        yield KannelPeer(request.getfixturevalue("kannel_gateway"), root)
