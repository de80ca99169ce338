"""A suppression table in PostgreSQL that a dialer joins before it calls or sends.

No row = not allowed. The function `<table>_allowed(contact, channel, purpose, brand, controller)`
reads it right; so does `allowed AND (until IS NULL OR until > now())` on the row of the pair.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import orjson
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Composed, Identifier, Literal
from pydantic import Field, SecretStr, field_validator

from connectors.protocol import (
    Applied,
    Change,
    Held,
    Problem,
    Reject,
    Result,
    Retry,
    SinkConfig,
    Subject,
    Traits,
)
from connectors.said import ELSE, EVERYTHING, said
from connectors.statements import statements

_FIX: Final = "run `noli app check MANIFEST --fix`"
_GRANT: Final = "let the owner of the database grant it"

#: Before its first ANALYZE a table has no statistics, and a plan made while it was empty is kept:
#: each batch then reads the whole table (at 10,000 contacts 220 ms instead of 10).
_BY_INDEX: Final = (
    "SET plan_cache_mode = force_custom_plan; SET enable_seqscan = off; SET enable_mergejoin = off"
)


class Postgres:
    """Keeps `noli_suppression`: a row per contact, channel, purpose and brand that has a reason.

    The row `*`, `*`, `*` of a contact stands for all the others: denied, NO_BASIS.
    """

    class Config(SinkConfig):
        """Which database, which table."""

        dsn: Annotated[SecretStr, Field(description="libpq URL or key=value connection string.")]
        table: Annotated[
            str,
            Field(pattern=r"^[a-z_][a-z0-9_]{0,47}$", description="Table, in the search path."),
        ] = "noli_suppression"
        timeout_s: Annotated[
            float, Field(gt=0, le=60, description="For connecting, and for one batch, in seconds.")
        ] = 15.0
        batch: Annotated[
            int, Field(ge=1, le=5000, description="Most contacts in one transaction.")
        ] = 250

        @field_validator("dsn")
        @classmethod
        def _is_dsn(cls, value: SecretStr) -> SecretStr:
            try:
                conninfo_to_dict(value.get_secret_value())
            except psycopg.Error:  # not chained: it quotes what it could not read
                raise ValueError("cannot be read; write postgresql://user@host/database") from None
            return value

    def __init__(self, config: Config, app: str) -> None:
        self._config = config
        self._app = app
        self._kept: psycopg.AsyncConnection | None = None
        self.traits = Traits(read_back="exact", batch=config.batch)

    async def check(self) -> Sequence[Problem]:
        """Connect, and compare what is there with what is needed. Writes nothing."""
        try:
            await self._connect()
        except psycopg.Error as error:
            said = str(error).splitlines()[-1]
            return [Problem(f"config.dsn: {said}", "see host, port, user, password, database")]
        async with self._connection() as connection:
            found = await connection.execute(self._statement("problems"))
            rows = await found.fetchall()
        return [Problem(what, _FIX if mends else _GRANT, fixable=mends) for what, mends in rows]

    async def fix(self) -> Sequence[str]:
        """Create what is missing of table, columns, key, index, function."""
        mended = [problem.what for problem in await self.check() if problem.fixable]
        if mended:
            async with self._connection() as connection, connection.transaction():
                await connection.execute(self._statement("layout"))
        return [f"was mended: {what}" for what in mended]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """All of them in one transaction; a newer version in the table stays."""
        rows = orjson.dumps([row for change in changes for row in _rows(change)]).decode()
        try:
            # A pipeline: BEGIN, the statements and COMMIT travel together.
            async with (
                self._connection() as connection,
                connection.pipeline(),
                connection.transaction(),
            ):
                await connection.execute(self._statement("turn"))
                await connection.execute(self._statement("upsert"), [rows])
        except Reject as error:
            if len(changes) > 1:  # which of them? The runner halves the batch to find out
                raise Retry(error.reason) from None
            raise
        return [Applied()] * len(changes)

    async def read_back(self, subjects: Sequence[Subject]) -> Mapping[str, Held]:
        """The rows of these tokens, as they stand."""
        tokens = [subject.token for subject in subjects]
        async with self._connection() as connection:
            found = await (await connection.execute(self._statement("held"), [tokens])).fetchall()
        held: dict[str, dict[tuple[str, str, str], bool]] = {}
        versions: dict[str, int] = {}
        for token, channel, purpose, brand, allowed, version in found:
            pairs = held.setdefault(token, {})
            if channel != EVERYTHING:
                pairs[channel, purpose, brand] = allowed
            versions[token] = max(version, versions.get(token, 0))
        return {token: Held(versions[token], allowed) for token, allowed in held.items()}

    async def aclose(self) -> None:
        """Close the kept connection."""
        if self._kept is not None:
            kept, self._kept = self._kept, None
            await kept.close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """The kept connection, given up after any failure. Raises `Retry` or `Reject`.

        Neither is chained to its cause: what the server says may quote a contact.
        """
        try:
            async with asyncio.timeout(self._config.timeout_s):
                if self._kept is None:
                    await self._connect()
                assert self._kept is not None  # noqa: S101 - for the type checker
                yield self._kept
        except TimeoutError:
            await self.aclose()
            raise Retry("timeout") from None
        except psycopg.Error as error:
            await self.aclose()
            reason = f"postgres_{error.sqlstate or type(error).__name__}"
            if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
                raise Reject(reason) from None
            raise Retry(reason) from None
        except BaseException:
            await self.aclose()  # cancelled in the middle of something
            raise

    async def _connect(self) -> None:
        await self.aclose()
        self._kept = await psycopg.AsyncConnection.connect(
            self._config.dsn.get_secret_value(),
            autocommit=True,
            application_name=f"noli {self._app}",
            connect_timeout=max(2, int(self._config.timeout_s)),  # libpq waits for whole seconds
        )
        # The turn is taken in a statement before the upsert, whose snapshot must be younger.
        await self._kept.set_isolation_level(psycopg.IsolationLevel.READ_COMMITTED)
        limit = SQL("SET statement_timeout = {}").format(int(self._config.timeout_s * 1000))
        await self._kept.execute(limit)
        await self._kept.execute(_BY_INDEX)

    def _statement(self, name: str) -> Composed:
        table = self._config.table
        index, function = f"{table}_contact", f"{table}_allowed"
        return SQL(statements("postgres.sql")[name]).format(
            table=Identifier(table),
            name=Literal(table),
            key=Identifier(f"{table}_pkey"),
            index=Identifier(index),
            index_name=Literal(index),
            function=Identifier(function),
            function_name=Literal(function),
        )


def _rows(change: Change) -> Iterator[dict[str, Any]]:
    """The row of everything else, and one for each verdict that it does not say already."""
    kind, value = change.contact or (None, None)
    of_contact = {
        "token": change.token,
        "contact_kind": kind,
        "contact": value,
        "controller": change.controller,
        "version": change.version,
        "as_of": change.as_of,
    }
    for verdict in (ELSE, *said(change)):
        yield {**of_contact, **verdict._asdict()}
