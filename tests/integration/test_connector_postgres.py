"""The suppression table, as a dialer sees it, on a real server."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from connectors.protocol import Change, Contact, Retry, Verdict
from connectors.sinks.postgres import Postgres
from connectors.testing import CALLS, NOW_MS, TEXTS, a_change, a_verdict, new_token
from noli.cli.problem import ProblemError
from noli.cli.stack.postgres import embedded_postgres, find_server
from noli.domain.channel import Kind
from tests.support.sinks import applied

_numbers = itertools.count(1)
PHONE = "+393331234567"


class Table:
    """A table of its own, with its sink and a dialer's connection."""

    def __init__(self, dsn: str, dialer: psycopg.AsyncConnection, name: str) -> None:
        self.dsn = dsn
        self.dialer = dialer
        self.name = name

    def sink(self, **over: Any) -> Postgres:  # noqa: ANN401 - fields of Config
        """A sink of the table."""
        config = {"dsn": self.dsn, "table": self.name, "timeout_s": 5, **over}
        return Postgres(Postgres.Config.model_validate(config), "dialer")

    async def apply(self, *changes: Change) -> None:
        """Apply and close."""
        await applied(self.sink(), changes)

    async def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query; `{}` in it is the table, `{allowed}` its function."""
        parts = {"allowed": Identifier(f"{self.name}_allowed")}
        found = await self.dialer.execute(SQL(query).format(Identifier(self.name), **parts), values)
        return await found.fetchall()

    async def allows(self, *arguments: object) -> bool:
        """What the table's function says."""
        marks = ", ".join(["%s"] * len(arguments))
        return bool((await self.ask("SELECT {allowed}(" + marks + ")", *arguments))[0][0])


@asynccontextmanager
async def a_table(dsn: str) -> AsyncIterator[Table]:
    """A connection and a name that no other test has."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as dialer:
        yield Table(dsn, dialer, f"noli_{next(_numbers)}")


@pytest.fixture
async def table(postgres_dsn: str) -> AsyncIterator[Table]:
    """A table that was laid out."""
    async with a_table(postgres_dsn) as found:
        sink = found.sink()
        await sink.fix()
        await sink.aclose()
        yield found


def wide(pair: tuple[str, str, str], *, allowed: bool, until: int | None = None) -> Verdict:
    """A verdict with something in every field."""
    return Verdict(*pair, allowed, ("OBJECTED", "REGISTERED"), ("operator, guaranteed",), until)


async def test_every_field_of_a_verdict_is_a_column(table: Table) -> None:
    """Times as timestamps, reasons and conditions as arrays, the contact in the clear."""
    change = a_change("01" + "cd" * 16, 3, wide(CALLS, allowed=False, until=NOW_MS + 500))
    await table.apply(change)
    (row,) = await table.ask(
        "SELECT token, contact_kind, contact, controller, channel, purpose, brand, allowed,"
        " reasons, conditions, extract(epoch FROM until)::float8, version,"
        " extract(epoch FROM as_of)::float8 FROM {} WHERE channel <> '*'"
    )
    assert row == (
        "01" + "cd" * 16, "phone", PHONE, "acme", "operator_call", "marketing", "*", False,
        ["OBJECTED", "REGISTERED"], ["operator, guaranteed"], NOW_MS / 1000 + 0.5, 3, NOW_MS / 1000,
    )  # fmt: skip


async def test_a_dialer_is_denied_what_the_table_does_not_know(table: Table) -> None:
    """No row, another channel, another purpose, an allowance that ended: not allowed."""
    await table.apply(
        a_change(None, 1, a_verdict(CALLS, allowed=True), a_verdict(TEXTS, allowed=True, until=1))
    )
    assert await table.allows(PHONE, "operator_call")
    assert await table.allows(PHONE, "operator_call", "marketing", "red")
    assert not await table.allows(PHONE, "sms")
    assert not await table.allows(PHONE, "mms")
    assert not await table.allows(PHONE, "operator_call", "profiling")
    assert not await table.allows("+390000000", "operator_call")
    assert not await table.allows(None, "operator_call")


async def test_a_dialer_asks_for_a_brand(table: Table) -> None:
    """The brand's own row, else that of the brands not named, else the one for all."""
    pairs = {"*": False, "": True, "red": False, "blue": True}
    verdicts = [a_verdict((*CALLS[:2], brand), allowed=ok) for brand, ok in pairs.items()]
    await table.apply(a_change(None, 1, *verdicts))
    asked = {brand: await table.allows(PHONE, *CALLS[:2], brand) for brand in (*pairs, "other")}
    assert asked == {**pairs, "other": True}


async def test_a_contact_of_two_controllers_needs_both_or_a_name(table: Table) -> None:
    """Asked without a controller, each that knows the contact must allow it."""
    allows = a_change(None, 1, a_verdict(allowed=True))
    denies = a_change(None, 1, a_verdict())._replace(controller="other")
    await table.apply(allows, denies)
    assert not await table.allows(PHONE, *CALLS)
    assert await table.allows(PHONE, *CALLS, "acme")
    assert not await table.allows(PHONE, *CALLS, "other")
    assert not await table.allows(PHONE, *CALLS, "nobody")


async def test_an_erased_contact_leaves_no_value_behind(table: Table) -> None:
    """Every row of its token loses contact and kind, and is denied; the token stays."""
    token = new_token()
    both = a_verdict(CALLS, allowed=True), a_verdict((*CALLS[:2], "red"), allowed=True)
    await table.apply(a_change(token, 1, *both))
    await table.apply(a_change(token, 2, Verdict(*CALLS, False, ("ERASED",)), contact=None))
    rows = await table.ask("SELECT channel, brand, contact_kind, contact, allowed, version FROM {}")
    assert sorted(rows) == [
        ("*", "*", None, None, False, 2),
        ("operator_call", "*", None, None, False, 2),
        ("operator_call", "red", None, None, False, 2),
    ]
    assert not await table.allows(PHONE, *CALLS)


async def test_what_has_no_basis_takes_no_row(table: Table) -> None:
    """The row of everything else says it; beside a brand with a basis it is said by name."""
    nothing = ("NO_BASIS",)
    await table.apply(
        a_change(
            None,
            1,
            a_verdict(CALLS, allowed=True),
            Verdict(*CALLS[:2], "red", allowed=False, reasons=nothing),
            Verdict(*TEXTS, allowed=False, reasons=nothing),
        )
    )
    rows = await table.ask("SELECT channel, brand, allowed, reasons FROM {} ORDER BY 1, 2")
    assert rows == [
        ("*", "*", False, ["NO_BASIS"]),
        ("operator_call", "*", True, []),
        ("operator_call", "red", False, ["NO_BASIS"]),
    ]
    assert [await table.allows(PHONE, *CALLS[:2], brand) for brand in ("*", "red")] == [True, False]
    assert not await table.allows(PHONE, *TEXTS)


async def test_a_row_that_says_the_same_keeps_its_version(table: Table) -> None:
    """Only what changed is written; the contact's version stands in the row of everything else."""
    token = new_token()
    await table.apply(a_change(token, 1, a_verdict(CALLS), a_verdict(TEXTS, allowed=True)))
    await table.apply(a_change(token, 2, a_verdict(CALLS), a_verdict(TEXTS)))
    rows = await table.ask("SELECT channel, allowed, version FROM {} ORDER BY channel")
    assert rows == [("*", False, 2), ("operator_call", False, 1), ("sms", False, 2)]
    await table.apply(a_change(token, 1, a_verdict(CALLS, allowed=True)))
    assert not await table.allows(PHONE, *CALLS)


async def test_rows_are_never_deleted(table: Table) -> None:
    """What a newer decision does not state is denied with a reason, under the new version."""
    token = new_token()
    await table.apply(a_change(token, 1, a_verdict(CALLS, allowed=True), a_verdict(TEXTS)))
    await table.apply(a_change(token, 2, a_verdict(TEXTS)))
    (row,) = await table.ask(
        "SELECT allowed, reasons, conditions, until, version FROM {} WHERE channel = %s", CALLS[0]
    )
    assert row == (False, ["NO_BASIS"], [], None, 2)


async def test_a_stale_writer_beside_a_newer_one_changes_nothing(table: Table) -> None:
    """Two sinks at once, many times over: the newer version stands, without a row of the older."""
    tokens = [new_token() for _ in range(40)]
    newer = [a_change(token, 9, a_verdict(CALLS)) for token in tokens]
    older = [
        a_change(token, 8, a_verdict(CALLS, allowed=True), a_verdict(TEXTS, allowed=True))
        for token in tokens
    ]
    both = [change for pair in zip(newer, older, strict=True) for change in pair]
    await asyncio.gather(*map(table.apply, both))
    rows = await table.ask("SELECT version, allowed, count(DISTINCT token) FROM {} GROUP BY 1, 2")
    assert rows == [(9, False, 40)]


async def test_check_names_what_is_missing_and_writes_nothing(postgres_dsn: str) -> None:
    """The table; then column, key, index and function one by one; `fix` mends each, once."""
    async with a_table(postgres_dsn) as table:
        sink = table.sink()
        assert [p.what for p in await sink.check()] == [f"table {table.name} is missing"]
        assert [p.what for p in await sink.check()] == [f"table {table.name} is missing"]
        assert await sink.fix() == [f"was mended: table {table.name} is missing"]
        name = table.name
        older = f"function {name}_allowed is missing, or of an older release"
        for damage, said in {
            f"ALTER TABLE {name} DROP COLUMN reasons": "column reasons is missing",
            f"ALTER TABLE {name} DROP CONSTRAINT {name}_pkey": "no unique key on (token, channel, "
            "purpose, brand)",
            f"DROP INDEX {name}_contact": f"index {name}_contact is missing",
            f"DROP FUNCTION {name}_allowed": older,
            f"COMMENT ON FUNCTION {name}_allowed IS 'noli 1'": older,
        }.items():
            await table.dialer.execute(damage.encode())
            assert [(p.what, p.fixable) for p in await sink.check()] == [(said, True)]
            assert await sink.fix() == [f"was mended: {said}"]
            assert await sink.fix() == []
        await sink.apply([a_change()])
        await sink.aclose()


async def test_check_names_the_right_that_is_missing(table: Table) -> None:
    """A user who may only read is told so; the remedy is the owner's, not --fix."""
    reader = f"reader_{next(_numbers)}"
    await table.dialer.execute(f"CREATE ROLE {reader} LOGIN PASSWORD 'x'".encode())
    await table.dialer.execute(f"GRANT SELECT ON {table.name} TO {reader}".encode())
    table.dsn = make_conninfo(table.dsn, user=reader, password="x")
    sink = table.sink()
    problems = await sink.check()
    with pytest.raises(Retry, match="postgres_42501"):
        await sink.apply([a_change()])
    await sink.aclose()
    assert [p.what for p in problems] == [
        f"user {reader} may not INSERT on {table.name}",
        f"user {reader} may not UPDATE on {table.name}",
    ]
    assert not any(p.fixable for p in problems)


async def test_check_says_why_it_cannot_connect(postgres_dsn: str) -> None:
    """A wrong password and a wrong database are told apart; the password is not told."""
    for wrong, said in {
        "password": 'password authentication failed for user "noli"',
        "dbname": 'database "not-the-one" does not exist',
    }.items():
        dsn = make_conninfo(postgres_dsn, **{wrong: "not-the-one"})
        sink = Postgres(Postgres.Config.model_validate({"dsn": dsn}), "dialer")
        (problem,) = await sink.check()
        await sink.aclose()
        assert said in problem.what
        assert str(urlsplit(postgres_dsn).password) not in problem.what


async def test_a_table_that_is_not_there_is_waited_for(postgres_dsn: str) -> None:
    """`Retry` with PostgreSQL's code, so the application is not aligned, and goes on once it is."""
    async with a_table(postgres_dsn) as table:
        sink = table.sink()
        with pytest.raises(Retry, match="postgres_42P01"):
            await sink.apply([a_change()])
        await sink.fix()
        await sink.apply([a_change()])
        await sink.aclose()
        assert await table.ask("SELECT count(DISTINCT token) FROM {}") == [(1,)]


async def test_the_connection_is_made_again_after_it_broke(table: Table) -> None:
    """The server ends it: one `Retry`, then it works again."""
    sink = table.sink()
    await sink.apply([a_change()])
    await table.dialer.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'noli dialer'"
    )
    with pytest.raises(Retry, match="postgres_"):
        await sink.apply([a_change()])
    await sink.apply([a_change(contact=Contact(Kind.EMAIL, "a@b.it"))])
    await sink.aclose()
    kinds = "SELECT contact_kind, count(DISTINCT token) FROM {} GROUP BY 1 ORDER BY 1"
    assert await table.ask(kinds) == [
        ("email", 1),
        ("phone", 1),
    ]


def test_the_server_of_the_system_serves_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the Python package is not installed, PostgreSQL of the system is found and works."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    try:
        directory, _ = find_server()
    except ProblemError:
        pytest.skip("no PostgreSQL of the system is installed here")
    assert "pgserver" not in str(directory)
    with embedded_postgres() as server:
        for dsn in (server.dsn, server.socket_dsn):
            with psycopg.connect(dsn) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
    assert server.process.code == 0
