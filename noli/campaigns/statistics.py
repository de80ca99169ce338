"""The statistics in PostgreSQL: a row per campaign, and one per campaign and day.

Written again as often as one likes: a row is replaced only by one that counted as many calls or
more, and is not older. Nothing is ever deleted here but by `purge`, which spares two years.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Self

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed, Identifier, Placeholder

from noli.domain.campaigns import KEPT_DAYS, Counts
from noli.wire.campaigns import Campaign

#: Days kept beyond the two years: an inspection asks for whole months.
MARGIN_DAYS: Final = 31
#: Seconds for connecting, and for one statement.
_TIMEOUT_S: Final = 15

_EPOCH: Final = date(1970, 1, 1)
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)

_WHOLE: Final = "noli_campaign"
_DAYS: Final = "noli_campaign_day"
_COUNTS: Final = Counts._fields

_TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS {_WHOLE} (
  controller text NOT NULL, campaign text NOT NULL, at timestamptz NOT NULL,
  is_over boolean NOT NULL, over_since timestamptz,
  {", ".join(f"{name} bigint NOT NULL" for name in _COUNTS)},
  PRIMARY KEY (controller, campaign));
CREATE TABLE IF NOT EXISTS {_DAYS} (
  controller text NOT NULL, campaign text NOT NULL, day date NOT NULL, at timestamptz NOT NULL,
  {", ".join(f"{name} bigint NOT NULL" for name in _COUNTS)},
  PRIMARY KEY (controller, campaign, day));
"""


class Unusable(Exception):
    """The database cannot be used; the text says why, without its address."""


class TooYoung(ValueError):
    """What was to be purged must still be kept."""


class Statistics:
    """One connection. Raises `Unusable` where the database fails."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self._connection = connection
        #: Rows as written last, so that a day that stands is not written again.
        self._written: dict[tuple[str, str, int], Counts] = {}

    @classmethod
    def open(cls, dsn: str) -> Self:
        """Connect. Raises `Unusable`."""
        with _asked("connecting"):
            connection = psycopg.connect(dsn, connect_timeout=_TIMEOUT_S, row_factory=dict_row)
        with _asked("preparing"):
            connection.autocommit = True  # but in `transaction()`
            connection.execute(f"SET statement_timeout = '{_TIMEOUT_S}s'".encode())
        return cls(connection)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def create(self) -> None:
        """Make the tables that are not there."""
        with _asked("creating the tables"), self._connection.transaction():
            self._connection.execute(_TABLES.encode())

    def put(self, campaigns: Iterable[Campaign]) -> int:
        """Write what changed, all or nothing; how many rows were sent."""
        whole, days = [], []
        sent: dict[tuple[str, str, int], Counts] = {}
        for each in campaigns:
            named = {"controller": each.controller, "campaign": each.campaign, "at": _time(each.at)}
            state = {"is_over": each.over, "over_since": _time(each.over_since)}
            whole.append({**named, **state, **each.whole._asdict()})
            for day, counts in each.days.items():
                key = (each.controller, each.campaign, day)
                if self._written.get(key) != counts:
                    sent[key] = counts
                    days.append({**named, "day": _date(day), **counts._asdict()})
        with (
            _asked("writing"),
            self._connection.transaction(),
            self._connection.cursor() as cursor,
        ):
            if whole:
                cursor.executemany(_upsert(_WHOLE, ("controller", "campaign"), whole[0]), whole)
            if days:
                cursor.executemany(_upsert(_DAYS, ("controller", "campaign", "day"), days[0]), days)
        self._written.update(sent)
        return len(whole) + len(days)

    def campaigns(self) -> list[Campaign]:
        """Every campaign, in order of controller and name."""
        with _asked("reading"), self._connection.transaction():
            found = self._connection.execute(
                SQL("SELECT * FROM {} ORDER BY controller, campaign").format(Identifier(_WHOLE))
            ).fetchall()
            days = self._connection.execute(
                SQL("SELECT * FROM {} ORDER BY day").format(Identifier(_DAYS))
            ).fetchall()
        by_campaign: dict[tuple[str, str], dict[int, Counts]] = {}
        for row in days:
            key = (row["controller"], row["campaign"])
            by_campaign.setdefault(key, {})[(row["day"] - _EPOCH).days] = _counts(row)
        return [
            Campaign(
                row["controller"],
                row["campaign"],
                _ms(row["at"]),
                _counts(row),
                row["is_over"],
                None if row["over_since"] is None else _ms(row["over_since"]),
                by_campaign.get((row["controller"], row["campaign"]), {}),
            )
            for row in found
        ]

    def purge(self, before: date, today: date) -> int:
        """Delete days before `before`; how many rows. Raises `TooYoung` within the time to keep."""
        if before > oldest_kept(today):
            raise TooYoung(f"statistics are kept until {oldest_kept(today).isoformat()}")
        query = SQL("DELETE FROM {} WHERE day < %s").format(Identifier(_DAYS))
        with _asked("purging"), self._connection.transaction():
            return self._connection.execute(query, (before,)).rowcount


def oldest_kept(today: date) -> date:
    """The first day that must be there: two years and a month ago."""
    return today - timedelta(days=KEPT_DAYS + MARGIN_DAYS)


@contextmanager
def _asked(doing: str) -> Iterator[None]:
    """Psycopg's errors as ours: their texts may quote the connection string."""
    try:
        yield
    except psycopg.Error as error:
        state = getattr(error, "sqlstate", None) or type(error).__name__
        raise Unusable(f"PostgreSQL, {doing}: {state}") from None


def _upsert(table: str, key: tuple[str, ...], row: Mapping[str, object]) -> Composed:
    """Insert, or replace what counted no more calls and is not newer."""
    columns = SQL(", ").join(map(Identifier, row))
    others = [name for name in row if name not in key]
    return SQL(
        "INSERT INTO {table} AS t ({columns}) VALUES ({values}) ON CONFLICT ({key}) DO UPDATE"
        " SET {changes} WHERE (excluded.attended + excluded.silent, excluded.at)"
        " >= (t.attended + t.silent, t.at)"
    ).format(
        table=Identifier(table),
        columns=columns,
        values=SQL(", ").join(map(Placeholder, row)),
        key=SQL(", ").join(map(Identifier, key)),
        changes=SQL(", ").join(
            SQL("{0} = excluded.{0}").format(Identifier(name)) for name in others
        ),
    )


def _counts(row: Mapping[str, Any]) -> Counts:
    return Counts(*[row[name] for name in _COUNTS])


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else _START + ms * _MS


def _ms(moment: datetime) -> int:
    return (moment - _START) // _MS
