"""A Mailman with a mailing list of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from connectors.ledger import Ledger, fenced
from connectors.protocol import Change, Contact, Held, Sink
from connectors.sinks.mailman import Mailman
from connectors.testing import MAILS, PATIENCE_S, Pair, Peer, email, number_of
from noli.cli.stack import ports
from noli.domain.channel import Kind
from tests.support.mailman import Post
from tests.support.servers import PASSWORD


class MailmanPeer:
    """A new list on the session's server."""

    secrets: Sequence[str] = (PASSWORD,)
    pairs: Sequence[Pair] = (MAILS,)
    contact = staticmethod(email)

    def __init__(self, post: Post, folder: Path) -> None:
        self._post = post
        self._list = post.new_list()
        local, _, host = self._list.partition("@")
        assert post.ask("POST", "/lists", {"fqdn_listname": f"{local}-noli@{host}"}) == 201
        self._ledger = folder / "ledger.sqlite"

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A sink of the list, or one that asks at a port where nobody listens."""
        nobody = f"http://127.0.0.1:{ports.choose(['nobody'])['nobody']}/3.1"
        over = {} if reachable else {"url": nobody}
        config = self._post.config(self._list, timeout_s=patience_s, batch=5, **over)
        return fenced(Mailman(config, "post"), self._ledger)

    async def allow(self, token: str) -> None:
        """Somebody there lifts the ban."""
        self._post.unban(self._list, email(number_of(token)).value)

    async def held(self, token: str) -> Held | None:
        """Our version, and whether the address may be on the list."""
        ledger = Ledger(self._ledger)
        told = ledger.look([token]).get(token)
        ledger.close()
        banned = self._post.is_banned(self._list, email(number_of(token)).value)
        return told and Held(told.version, {MAILS: not banned})

    def poisoned(self, change: Change) -> Change:
        """An address that its REST interface cannot name."""
        return change._replace(contact=Contact(Kind.EMAIL, "a/b@example.it"))

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """The server stands still."""
        with self._post.stopped():
            yield


@contextmanager
def mailman_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A list on the session's server, which only now is started."""
    yield MailmanPeer(request.getfixturevalue("mailman"), request.getfixturevalue("tmp_path"))
