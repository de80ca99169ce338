"""One real PostgreSQL for the whole test session. Ask for the fixture `postgres_dsn`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from noli.cli.stack.postgres import embedded_postgres


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """URL of an empty server over TCP; each test uses a table or schema of its own."""
    with embedded_postgres(durable=False) as server:
        yield server.dsn
