"""A VICIdial for a test: its tables, empty, on the session's MariaDB."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.support.servers import connect

_databases = itertools.count(1)
TABLES: Final = Path(__file__).with_suffix(".sql")


class Dialer:
    """A VICIdial's database of its own, asked by SQL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = connect(url)

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self._connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall())

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


@contextmanager
def dialer(url: str) -> Iterator[Dialer]:
    """A new database with VICIdial's tables and the campaign RED on that server."""
    name = f"asterisk_{next(_databases)}"
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    found = Dialer(url.removesuffix(urlsplit(url).path) + f"/{name}")
    try:
        for statement in TABLES.read_text("utf-8").strip().rstrip(";").split(";\n"):
            found.ask(statement)
        yield found
        found.ask(f"DROP DATABASE {name}")
    finally:
        found.close()
