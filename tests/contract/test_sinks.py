"""`SinkContract` on every sink found in the registry, each against its real target."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from typing import Final
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier
from redis import Redis as RedisClient

from connectors import registry
from connectors.protocol import Change, Contact, Held, Sink
from connectors.sinks.mysql import Mysql
from connectors.sinks.postgres import Postgres
from connectors.sinks.redis import FOR_EVER, Redis
from connectors.sinks.vicidial import Vicidial
from connectors.sinks.webhook import Webhook
from connectors.testing import (
    CALLS,
    PATIENCE_S,
    TEXTS,
    Pair,
    Peer,
    SinkContract,
    number_of,
    phone,
)
from noli.cli.stack import ports
from noli.domain.channel import Kind
from tests.contract.peers.file import file_peer
from tests.contract.peers.kamailio import kamailio_peer
from tests.contract.peers.kannel import kannel_peer
from tests.contract.peers.mailman import mailman_peer
from tests.contract.peers.postfix import postfix_peer
from tests.contract.peers.ses import ses_peer
from tests.contract.peers.tryton import tryton_peer
from tests.support.bad_app import HANG, HELD, SECRET, BadApp, bad_app
from tests.support.servers import PASSWORD, connect
from tests.support.vicidial import Dialer, dialer

_tables = itertools.count(1)
#: A sink that cannot keep an expectation, and why. Only ever shrinks.
WAIVED: Final[dict[tuple[str, str], str]] = {}


class WebhookPeer:
    """A receiver that keeps what the how-to asks of it."""

    secrets: Sequence[str] = (SECRET, SECRET.removeprefix("whsec_"))
    pairs: Sequence[Pair] = (CALLS, TEXTS)
    contact = staticmethod(phone)

    def __init__(self, app: BadApp) -> None:
        self._app = app

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A webhook to the application, or to a port where nobody listens."""
        url = self._app.url if reachable else f"http://127.0.0.1:{free_port()}/"
        config = {"url": url, "secret": SECRET, "timeout_s": patience_s}
        config["read_back_url"] = url + HELD
        config["allow_private_addresses"] = True
        return Webhook(Webhook.Config.model_validate(config), "crm")

    async def allow(self, token: str) -> None:
        """Somebody at the application allows a call."""
        held = self._app.held[token]
        self._app.held[token] = held._replace(allowed={**held.allowed, self.pairs[0]: True})

    async def held(self, token: str) -> Held | None:
        """What the application remembers."""
        assert self._app.complaints == []
        return self._app.held.get(token)

    def poisoned(self, change: Change) -> Change:
        """A contact at which the application fails."""
        self._app.poison.add(change.token)
        return change

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """Requests are taken and not answered."""
        self._app.always(HANG)
        yield
        self._app.always(None)


class PostgresPeer:
    """A table of its own on the session's server."""

    pairs: Sequence[Pair] = (CALLS, TEXTS)
    contact = staticmethod(phone)

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._table = f"noli_contract_{next(_tables)}"
        self.secrets: Sequence[str] = (str(psycopg.conninfo.conninfo_to_dict(dsn)["password"]),)

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A sink of the table, or one that asks at a port where nobody listens."""
        dsn = self._dsn if reachable else make_conninfo(self._dsn, port=free_port())
        config = {"dsn": dsn, "table": self._table, "timeout_s": patience_s}
        return Postgres(Postgres.Config.model_validate(config), "dialer")

    async def prepare(self) -> None:
        """Lay out the table, as `noli app check --fix` does."""
        sink = self.sink()
        assert isinstance(sink, Postgres)
        assert await sink.fix() == [f"was mended: table {self._table} is missing"]
        await sink.aclose()

    async def allow(self, token: str) -> None:
        """An UPDATE of somebody else."""
        change = SQL("UPDATE {} SET allowed = true WHERE token = %s AND channel = %s")
        async with await psycopg.AsyncConnection.connect(self._dsn) as connection:
            await connection.execute(
                change.format(Identifier(self._table)), [token, self.pairs[0][0]]
            )

    async def held(self, token: str) -> Held | None:
        """The rows, asked by SQL."""
        ask = SQL("SELECT channel, purpose, brand, allowed, version FROM {} WHERE token = %s")
        async with await psycopg.AsyncConnection.connect(self._dsn) as connection:
            found = await connection.execute(ask.format(Identifier(self._table)), [token])
            rows = await found.fetchall()
        if not rows:
            return None
        said = {tuple(row[:3]): row[3] for row in rows if row[0] != "*"}
        return Held(max(row[4] for row in rows), said)

    def poisoned(self, change: Change) -> Change:
        """Text that PostgreSQL cannot store."""
        return change._replace(contact=Contact(Kind.PHONE, "+39\x00333"))

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """Somebody else holds the table."""
        lock = SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(Identifier(self._table))
        async with await psycopg.AsyncConnection.connect(self._dsn) as connection:
            await connection.execute(lock)
            yield
            await connection.rollback()


class MysqlPeer:
    """A table of its own on the session's server."""

    pairs: Sequence[Pair] = (CALLS, TEXTS)
    contact = staticmethod(phone)

    def __init__(self, url: str) -> None:
        self._url = url
        self._table = f"noli_contract_{next(_tables)}"
        self.secrets: Sequence[str] = (str(urlsplit(url).password),)

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A sink of the table, or one that asks at a port where nobody listens."""
        config = {"url": elsewhere(self._url, reachable), "table": self._table}
        return Mysql(Mysql.Config.model_validate({**config, "timeout_s": patience_s}), "dialer")

    async def prepare(self) -> None:
        """Lay out the table, as `noli app check --fix` does."""
        sink = self.sink()
        assert isinstance(sink, Mysql)
        assert await sink.fix() == [f"was mended: table {self._table} is missing"]
        await sink.aclose()

    async def allow(self, token: str) -> None:
        """An UPDATE of somebody else."""
        change = f"UPDATE {self._table} SET allowed = 1 WHERE token = %s AND channel = %s"
        with connect(self._url) as connection, connection.cursor() as cursor:
            cursor.execute(change, [token, self.pairs[0][0]])

    async def held(self, token: str) -> Held | None:
        """The rows, asked by SQL."""
        ask = f"SELECT channel, purpose, brand, allowed, version FROM {self._table} WHERE token=%s"
        with connect(self._url) as connection, connection.cursor() as cursor:
            cursor.execute(ask, [token])
            rows = cursor.fetchall()
        said = {(row[0], row[1], row[2]): bool(row[3]) for row in rows if row[0] != "*"}
        return Held(max(row[4] for row in rows), said) if rows else None

    def poisoned(self, change: Change) -> Change:
        """A text that is longer than the column."""
        return change._replace(contact=Contact(Kind.PHONE, "+39" + "3" * 500))

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """Somebody else holds the table."""
        with connect(self._url) as connection, connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {self._table} WRITE")
            yield


class VicidialPeer:
    """A VICIdial's tables of its own on the session's server."""

    secrets: Sequence[str] = (PASSWORD,)
    pairs: Sequence[Pair] = (CALLS,)
    contact = staticmethod(phone)

    def __init__(self, vicidial: Dialer) -> None:
        self._dialer = vicidial

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A sink of the tables, or one that asks at a port where nobody listens."""
        config = {"url": elsewhere(self._dialer.url, reachable), "timeout_s": patience_s}
        return Vicidial(Vicidial.Config.model_validate(config), "dialer")

    async def prepare(self) -> None:
        """Make the ledger, as `noli app check --fix` does."""
        sink = self.sink()
        assert isinstance(sink, Vicidial)
        assert await sink.fix() == ["was mended: table noli_vicidial is missing"]
        await sink.aclose()

    async def allow(self, token: str) -> None:
        """An agent takes the number off the system list."""
        number = self.contact(number_of(token)).value.removeprefix("+39")
        self._dialer.ask("DELETE FROM vicidial_dnc WHERE phone_number = %s", number)

    async def held(self, token: str) -> Held | None:
        """The version of our ledger, and whether the number is on the system list."""
        ask = "SELECT version, phone_number FROM noli_vicidial WHERE token = %s"
        for version, number in self._dialer.ask(ask, token):
            free = "SELECT 1 FROM vicidial_dnc WHERE phone_number = %s"
            return Held(version, {CALLS: bool(number) and not self._dialer.ask(free, number)})
        return None

    def poisoned(self, change: Change) -> Change:
        """A number longer than VICIdial's column."""
        return change._replace(contact=Contact(Kind.PHONE, "+39" + "3" * 19))

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """Somebody else holds the list."""
        self._dialer.ask("LOCK TABLE vicidial_dnc WRITE")
        yield
        self._dialer.ask("UNLOCK TABLES")


class RedisPeer:
    """A prefix of its own on the session's server."""

    pairs: Sequence[Pair] = (CALLS, TEXTS)
    contact = staticmethod(phone)

    def __init__(self, url: str) -> None:
        self._url = url
        self._prefix = f"contract-{next(_tables)}"
        self._client = RedisClient.from_url(url)
        self.secrets: Sequence[str] = (str(urlsplit(url).password),)

    def sink(self, *, reachable: bool = True, patience_s: float = PATIENCE_S) -> Sink:
        """A sink of the prefix, or one that asks at a port where nobody listens."""
        config = {"url": elsewhere(self._url, reachable), "prefix": self._prefix}
        return Redis(Redis.Config.model_validate({**config, "timeout_s": patience_s}), "dialer")

    async def allow(self, token: str) -> None:
        """Somebody's own command."""
        reader = f"{self._prefix}:acme:{self.contact(number_of(token)).value}"
        for key in (reader, f"{self._prefix}.token:{token}"):
            self._client.hset(key, ":".join(self.pairs[0]), FOR_EVER)

    async def held(self, token: str) -> Held | None:
        """The hash of the token, asked by command."""
        found = self._client.hgetall(f"{self._prefix}.token:{token}")
        record = {as_text(key): as_text(value) for key, value in found.items()}
        pairs = [key.split(":") for key in record if key.count(":") == 2]
        said = {(c, p, b): record[f"{c}:{p}:{b}"] != "0" for c, p, b in pairs}
        return Held(int(record["version"]), said) if record else None

    def poisoned(self, change: Change) -> Change:
        """A contact whose place somebody else's key takes."""
        self._client.set(f"{self._prefix}.token:{change.token}", "not ours")
        return change

    @asynccontextmanager
    async def stalled(self) -> AsyncIterator[None]:
        """Whoever writes must wait."""
        self._client.client_pause(60_000, all=False)
        yield
        self._client.client_unpause()

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()


@contextmanager
def webhook_peer(_: pytest.FixtureRequest) -> Iterator[Peer]:
    """A receiver on a loopback port."""
    with bad_app() as app:
        yield WebhookPeer(app)


@contextmanager
def postgres_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A table on the session's server, which only now is started."""
    yield PostgresPeer(request.getfixturevalue("postgres_dsn"))


@contextmanager
def mysql_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A table on the session's server, which only now is started."""
    yield MysqlPeer(request.getfixturevalue("mariadb_url"))


@contextmanager
def vicidial_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A database on the session's server, which only now is started."""
    with dialer(request.getfixturevalue("mariadb_url")) as found:
        yield VicidialPeer(found)


@contextmanager
def redis_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A prefix on the session's server, which only now is started."""
    with closing(RedisPeer(request.getfixturevalue("redis_url"))) as peer:
        yield peer


#: How to make the real target of each sink of the registry.
PEERS: Final[dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Peer]]]] = {
    "kamailio": kamailio_peer,
    "kannel": kannel_peer,
    "postfix": postfix_peer,
    "file": file_peer,
    "mailman": mailman_peer,
    "ses": ses_peer,
    "tryton": tryton_peer,
    "webhook": webhook_peer,
    "postgres": postgres_peer,
    "mysql": mysql_peer,
    "redis": redis_peer,
    "vicidial": vicidial_peer,
}


def elsewhere(url: str, reachable: bool) -> str:
    """The same server, or a port where nobody listens."""
    return url if reachable else url.replace(f":{urlsplit(url).port}/", f":{free_port()}/")


def as_text(said: bytes | str) -> str:
    """What Redis answered."""
    return said if isinstance(said, str) else said.decode()


def free_port() -> int:
    """A loopback port where nobody listens."""
    return ports.choose(["nobody"])["nobody"]


def test_every_sink_of_the_registry_has_a_real_target() -> None:
    """A new sink comes with a peer here, so none escapes the contract."""
    assert sorted(PEERS) == registry.names()


def test_waivers_name_existing_expectations_and_give_reasons() -> None:
    """A waiver that no longer waives anything leaves the list."""
    known = {(name, each) for name in registry.names() for each in SinkContract.expectations()}
    assert [waiver for waiver, reason in WAIVED.items() if waiver not in known or not reason] == []


@pytest.mark.parametrize("expectation", SinkContract.expectations())
@pytest.mark.parametrize("name", registry.names())
async def test_sink_keeps_the_contract(
    name: str, expectation: str, request: pytest.FixtureRequest
) -> None:
    """Each expectation of `SinkContract` holds for each sink."""
    if reason := WAIVED.get((name, expectation)):
        pytest.skip(f"waived: {reason}")
    with PEERS[name](request) as peer:
        if isinstance(peer, PostgresPeer | MysqlPeer | VicidialPeer):
            await peer.prepare()
        await SinkContract(peer).check(expectation)
