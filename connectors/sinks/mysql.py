"""A suppression table in MariaDB or MySQL that a dialer joins before it calls or sends.

No row = not allowed. The function `<table>_allowed(contact, channel, purpose, brand, controller)`
reads it right; so does `allowed AND (until IS NULL OR until > UTC_TIMESTAMP(3))` on the pair's row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final

import orjson
from pydantic import Field

from connectors import mariadb, protocol
from connectors.protocol import Applied, Change, Held, Problem, Reject, Result, Retry, Verdict
from connectors.said import ELSE, EVERYTHING, said
from connectors.statements import statements

_FIX: Final = "run `noli app check MANIFEST --fix`"
_GRANT: Final = "let the owner of the database grant it"
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - a DATETIME has no zone; ours are UTC
_KEY: Final = "token,channel,purpose,brand"
_INDEX: Final = "contact,channel,purpose"
_Row = tuple[str, str, str]  # channel, purpose, brand


class Mysql:
    """Keeps `noli_suppression`: rows as `postgres` keeps them, that of everything else included."""

    class Config(protocol.SinkConfig):
        """Which database, which table."""

        url: mariadb.Url
        table: Annotated[
            str, Field(pattern=r"^[a-z_][a-z0-9_]{0,47}$", description="Table of that database.")
        ] = "noli_suppression"
        timeout_s: mariadb.Patience = 15.0
        batch: Annotated[
            int, Field(ge=1, le=5000, description="Most contacts in one transaction.")
        ] = 250
        ca_file: mariadb.Authorities = None

    def __init__(self, config: Config, app: str) -> None:  # noqa: ARG002 - MySQL asks no name
        self._table = config.table
        self._server = mariadb.Server(config.url, config.timeout_s, config.ca_file)
        self.traits = protocol.Traits(read_back="exact", batch=config.batch)

    async def check(self) -> Sequence[Problem]:
        """Connect, and compare what is there with what is needed. Writes nothing."""
        try:
            found = await self._server.run(self._missing)
            if f"table {self._table} is missing" not in found:
                found |= await self._server.run(self._refused)
        except Retry as error:
            return [Problem(f"config.url: {error.reason}", "see host, port, user, database")]
        return [
            Problem(what, _FIX if mends else _GRANT, fixable=bool(mends))
            for what, mends in found.items()
        ]

    async def fix(self) -> Sequence[str]:
        """Create what is missing of table, columns, key, index, function."""
        found = await self._server.run(self._missing)
        for statement in (statement for mends in found.values() for statement in mends):
            await self._server.run(lambda cursor, text=statement: cursor.execute(text))  # type: ignore[misc]
        return [f"was mended: {what}" for what in found]

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """All of them in one transaction; a newer version in the table stays."""
        try:
            await self._server.run(partial(self._write, changes=changes))
        except Reject as error:
            if len(changes) > 1:  # which of them? The runner halves the batch to find out
                raise Retry(error.reason) from None
            raise
        return [Applied()] * len(changes)

    async def read_back(self, subjects: Sequence[protocol.Subject]) -> Mapping[str, Held]:
        """The rows of these tokens, as they stand."""
        tokens = [subject.token for subject in subjects]
        rows = await self._server.run(partial(self._held, tokens=tokens))
        return {
            token: Held(
                max(version for *_, version in of_one.values()),
                {key: bool(body[3]) for key, (*body, _) in of_one.items() if key[0] != EVERYTHING},
            )
            for token, of_one in rows.items()
        }

    async def aclose(self) -> None:
        """Close the kept connection."""
        await self._server.aclose()

    def _write(self, cursor: mariadb.Cursor, changes: Sequence[Change]) -> None:
        tokens = sorted(change.token for change in changes)
        cursor.executemany(self._sql("turn"), [(token,) for token in tokens])
        held = self._held(cursor, tokens)
        rows = [row for change in changes for row in _rows(change, held[change.token])]
        if rows:
            cursor.executemany(self._sql("upsert"), rows)

    def _held(
        self, cursor: mariadb.Cursor, tokens: Sequence[str]
    ) -> dict[str, dict[_Row, tuple[Any, ...]]]:
        """Token → key → body and version."""
        held: dict[str, dict[_Row, tuple[Any, ...]]] = {}
        cursor.execute(self._sql("held"), (list(tokens) or [""],))
        for token, channel, purpose, brand, *rest in cursor.fetchall():
            held.setdefault(token, {})[channel, purpose, brand] = tuple(rest)
        return held

    def _missing(self, cursor: mariadb.Cursor) -> dict[str, list[str]]:
        """What is wrong → the statements that mend it."""
        table, columns = self._table, statements("mysql.sql")["columns"].split("\n")
        found: dict[str, list[str]] = {}
        function = [self._sql("forget"), self._sql("function")]
        engine = self._ask(cursor, "has_engine")
        if not engine:
            layout = ", ".join(columns) + f", PRIMARY KEY ({_KEY}), KEY {table}_contact ({_INDEX})"
            create = f"CREATE TABLE {table} ({layout}) ENGINE=InnoDB COLLATE=utf8mb4_bin"
            return {f"table {table} is missing": [create, *function]}
        there = {name for (name,) in self._ask(cursor, "has_columns")}
        for column in columns:
            if (name := column.split(" ")[0]) not in there:
                found[f"column {name} is missing"] = [f"ALTER TABLE {table} ADD COLUMN {column}"]
        keys = self._ask(cursor, "has_keys")
        if not any(key == _KEY and not other for other, key in keys):
            found[f"no unique key on ({_KEY})"] = [f"ALTER TABLE {table} ADD UNIQUE KEY ({_KEY})"]
        if not any(key.startswith(_INDEX) for _, key in keys):
            mend = [f"ALTER TABLE {table} ADD KEY {table}_contact ({_INDEX})"]
            found[f"index {table}_contact is missing"] = mend
        if engine[0][0] != "InnoDB":
            found["table is not InnoDB"] = [f"ALTER TABLE {table} ENGINE=InnoDB"]
        if not self._ask(cursor, "has_function"):
            found[f"function {table}_allowed is missing"] = function
        return found

    def _refused(self, cursor: mariadb.Cursor) -> dict[str, list[str]]:
        """Rights that are missing: EXPLAIN asks for the same as the statement itself."""
        found: dict[str, list[str]] = {}
        for right in ("SELECT", "INSERT", "UPDATE"):
            try:
                self._ask(cursor, f"may_{right}")
            except mariadb.Denied:
                found[f"the user may not {right} on {self._table}"] = []
        return found

    def _ask(self, cursor: mariadb.Cursor, name: str) -> Sequence[tuple[Any, ...]]:
        cursor.execute(self._sql(name))
        return cursor.fetchall()

    def _sql(self, name: str) -> str:
        return statements("mysql.sql")[name].replace("{table}", self._table)


def _rows(change: Change, held: Mapping[_Row, tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The rows to write: those that say something new, and the one that has the version."""
    newest = max(version for *_, version in held.values())
    if newest > change.version:
        return
    wanted = {verdict[:3]: verdict for verdict in (ELSE, *said(change))}
    for key in {**wanted, **held}:
        body = _body(change, wanted.get(key, ELSE))
        *there, _ = held.get(key, (None,))
        if key not in wanted and there[1] == body[1] and there[3:] == body[3:]:
            continue  # denied already, whoever said so
        if there != body or (key == ELSE[:3] and newest < change.version):
            yield (change.token, *key, *body, change.version, _moment(change.as_of))


def _body(change: Change, verdict: Verdict) -> list[object]:
    """contact_kind, contact, controller, allowed, reasons, conditions, until."""
    codes = [orjson.dumps(each).decode() for each in (verdict.reasons, verdict.conditions)]
    contact = change.contact or (None, None)
    return [*contact, change.controller, verdict.allowed, *codes, _moment(verdict.until)]


def _moment(at: int | None) -> datetime | None:
    return None if at is None else _EPOCH + timedelta(milliseconds=at)
