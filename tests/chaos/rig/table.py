"""The dialer's table as its owner sees it: what arrived, what is held, a backup put back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from noli.runtime.clock import now_ms
from tests.support.bad_app import OBJECTED

NAME: Final = "noli_suppression"
_REASONS: Final = ", ".join(f"'{reason}'" for reason in sorted(OBJECTED))
#: What is held of a contact after each transaction that touched it, by the database's own clock.
_WATCH: Final = f"""
CREATE TABLE arrivals (n bigserial, at timestamptz, tx xid8, token text, version bigint,
  allowed text[], objected text[], PRIMARY KEY (tx, token));
CREATE FUNCTION arrived() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO arrivals (at, tx, token, version, allowed, objected)
  SELECT clock_timestamp(), pg_current_xact_id(), NEW.token, max(version),
    array_agg(channel || ' ' || purpose || ' ' || brand) FILTER (WHERE allowed),
    array_agg(channel || ' ' || purpose || ' ' || brand)
      FILTER (WHERE NOT allowed AND reasons && ARRAY[{_REASONS}])
  FROM {NAME} WHERE token = NEW.token
  ON CONFLICT DO NOTHING;
  RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER arrived AFTER INSERT OR UPDATE ON {NAME}
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION arrived();
"""
_ARRIVED: Final = """
SELECT floor(extract(epoch FROM at) * 1000)::bigint, token, version, allowed, objected
FROM arrivals ORDER BY n
"""
_HELD: Final = f"SELECT token, channel, purpose, brand, allowed, version FROM {NAME}"

#: at (ms), token, version, allowed, objected; the last two as "channel purpose brand".
Arrived = tuple[int, str, int, list[str] | None, list[str] | None]


@dataclass
class Table:
    """The table behind a DSN of its owner, around every proxy."""

    dsn: str = field(repr=False)

    def watch(self) -> None:
        """Keep a log of arrivals from now on."""
        self._do(_WATCH)

    def arrivals(self) -> list[Arrived]:
        """All that came, in order."""
        return self._ask(_ARRIVED)

    def held(self) -> list[tuple[str, str, str, str, bool, int]]:
        """What it holds: token, channel, purpose, brand, allowed, version."""
        return self._ask(_HELD)

    def backup(self) -> int:
        """Keep it as it is at a moment, ms, at which nobody writes."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute(f"LOCK TABLE {NAME} IN SHARE MODE".encode())
            moment = now_ms()
            connection.execute(
                f"DROP TABLE IF EXISTS kept; CREATE TABLE kept AS TABLE {NAME}".encode()
            )
        return moment

    def restore(self) -> int:
        """Put it back to what was kept: what came since is forgotten. When, ms."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute(
                f"LOCK TABLE {NAME}; ALTER TABLE {NAME} DISABLE TRIGGER USER; DELETE FROM {NAME};"
                f"INSERT INTO {NAME} TABLE kept; ALTER TABLE {NAME} ENABLE TRIGGER USER".encode()
            )
            return now_ms()  # still locked: nothing of before comes later

    def empty(self) -> None:
        """Everything it held is gone."""
        self._do(f"TRUNCATE {NAME}")

    def _do(self, statements: str) -> None:
        with psycopg.connect(self.dsn) as connection:
            connection.execute(statements.encode())

    def _ask(self, query: str) -> list[Any]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()
