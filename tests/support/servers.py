"""A real Redis and a real MariaDB for the whole test session: `redis_url`, `mariadb_url`.

Each is skipped, with the reason, only where its program is not installed.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pymysql
import pytest
from redis import Redis
from redis.exceptions import RedisError

from noli.cli.stack import ports
from noli.cli.stack.program import Program, Running, launch, until

PASSWORD: Final = "a-secret-of-the-server"
#: Where the package keeps what its own tables are made from, and which of it is needed.
SYSTEM_SQL: Final = Path("/usr/share/mysql")
SYSTEM_TABLES: Final = ("system_tables", "performance_tables", "system_tables_data")
START_S: Final = 30.0
STOP_S: Final = 10.0


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of an empty server that keeps what it is told; each test uses a prefix of its own."""
    program = installed("redis-server", "redis-server")
    with scratch("redis") as root:
        port = ports.choose(["redis"])["redis"]
        argv = [program, "--bind", ports.HOST, "--port", str(port), "--dir", str(root)]
        argv += ["--requirepass", PASSWORD, "--appendonly", "yes", "--save", ""]
        url = f"redis://:{PASSWORD}@{ports.HOST}:{port}/0"
        with running("redis", argv, root) as server:
            until(lambda: redis_answers(url), server, START_S)
            yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """URL of a server with the empty database `noli`; each test uses a table of its own."""
    program = installed("mariadbd", "mariadb-server-core")
    with scratch("mariadb") as root:
        port = ports.choose(["mariadb"])["mariadb"]
        data = root / "data"
        first = root / "first.sql"
        first.write_text(
            "CREATE DATABASE noli CHARACTER SET utf8mb4;\n"  # a line is a statement
            f"CREATE USER noli IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON *.* TO noli WITH GRANT OPTION;\n"
        )
        initialise(program, data)
        argv = [program, "--no-defaults", "--user=root", f"--datadir={data}", f"--port={port}"]
        argv += [f"--bind-address={ports.HOST}", f"--socket={root / 's'}", f"--init-file={first}"]
        argv += [f"--pid-file={root / 'pid'}", "--innodb-flush-log-at-trx-commit=0"]
        url = f"mysql://noli:{PASSWORD}@{ports.HOST}:{port}/noli"
        with running("mariadb", argv, root) as server:
            until(lambda: mariadb_answers(url), server, START_S)
            yield url


def initialise(program: str, data: Path) -> None:
    """Write MariaDB's own tables; `mariadb-install-db` does it too, but wants more packages."""
    data.mkdir()
    texts = [(SYSTEM_SQL / f"mysql_{name}.sql").read_text() for name in SYSTEM_TABLES]
    argv = [program, "--no-defaults", "--user=root", "--bootstrap", f"--datadir={data}"]
    text = "\n".join(["CREATE DATABASE mysql;", "USE mysql;", *texts])
    subprocess.run(
        argv, input=text, text=True, capture_output=True, check=True, timeout=START_S, cwd="/"
    )


def installed(program: str, package: str) -> str:
    """Path of a server program; skips the test where it is missing."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed: apt-get install {package}")
    return found


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"noli-{name}-") as root:
        yield Path(root)


@contextmanager
def running(name: str, argv: Sequence[str], root: Path) -> Iterator[Running]:
    """A server, told to stop at the end."""
    server = launch(Program(name, argv, root / "log"), with_parent=True)
    try:
        yield server
    finally:
        server.stop(STOP_S)


def redis_answers(url: str) -> bool:
    """Whether it takes commands."""
    try:
        with closing(Redis.from_url(url)) as client:
            return bool(client.ping())
    except RedisError:
        return False


def mariadb_answers(url: str) -> bool:
    """Whether it lets our user in."""
    try:
        connect(url).close()
    except pymysql.Error:
        return False
    return True


def connect(url: str) -> pymysql.Connection[pymysql.cursors.Cursor]:
    """A connection of the test's own, which commits each statement."""
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname or "",
        port=parts.port or 0,
        user=parts.username,
        password=parts.password or "",
        database=parts.path.strip("/"),
        autocommit=True,
    )
