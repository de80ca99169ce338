"""A real PostgreSQL for one block of code: the demo's dialer table, the tests.

The server of the PyPI package `pgserver` is used where it runs, else the system's. It lives in a
temporary directory and is gone with it. PostgreSQL refuses to run as root, so root lends it to
`nobody`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from noli.cli.problem import ProblemError
from noli.cli.stack import ports
from noli.cli.stack.files import PRIVATE_FILE
from noli.cli.stack.program import Program, Running, launch, until

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
_PROBE_SECONDS: Final = 10.0
_INIT_SECONDS: Final = 120.0
_OWNER: Final = "noli"
_UNPRIVILEGED: Final = "nobody"
#: Where distributions put the server programs, which they keep off PATH.
_SYSTEM: Final = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgres*/bin",
)
#: Line of `postmaster.pid` in which the server says that it takes connections.
_STATUS_LINE: Final = 7
_REMEDY: Final = "pip install 'noli[local]' (Python 3.11, 3.12), or apt-get install postgresql"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. `dsn` is a libpq URL over TCP; `socket_dsn` the same by Unix socket."""

    dsn: str = field(repr=False)  # holds the password
    socket_dsn: str = field(repr=False)
    process: Running
    version: str


@contextmanager
def embedded_postgres(*, durable: bool = True) -> Iterator[Postgres]:
    """Start a new, empty server on a free loopback port; stop it and delete it at the end.

    Not `durable`: it never waits for the disk, for tests, whose data dies with it anyway. Not for
    measuring: no commit is as cheap anywhere else.
    Call it from the main thread: the server is told to stop when that thread's process dies.
    Raises `ProblemError` when no server programs are found or the server does not start.
    """
    directory, version = find_server()
    root = Path(tempfile.mkdtemp(prefix="noli-pg-"))
    try:
        password = secrets.token_urlsafe(24)
        port = ports.choose(["postgres"])["postgres"]
        _initialise(directory, root, password)
        running = launch(_program(directory, root, port, durable=durable))
        try:
            until(lambda: _ready(root), running, START_SECONDS)
            user = f"postgresql://{_OWNER}:{password}@"
            yield Postgres(
                dsn=f"{user}{ports.HOST}:{port}/postgres",
                socket_dsn=f"{user}/postgres?host={root}&port={port}",
                process=running,
                version=version,
            )
        finally:
            _stop(running)
    finally:
        shutil.rmtree(root)


def find_server() -> tuple[Path, str]:
    """Directory of `postgres` and `initdb` that run here, and what the server calls itself."""
    for directory in _candidates():
        if not (directory / "initdb").exists():
            continue
        version = _version(directory)
        if version is not None:
            return directory, version
    raise ProblemError("no PostgreSQL server programs were found that run here", _REMEDY)


def _candidates() -> Iterator[Path]:
    package = importlib.util.find_spec("pgserver")
    if package is not None:
        for place in package.submodule_search_locations or ():
            yield Path(place) / "pginstall" / "bin"
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent
    for pattern in _SYSTEM:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)


def _version(directory: Path) -> str | None:
    argv = [*_as_unprivileged(), str(directory / "postgres"), "--version"]
    try:
        run = subprocess.run(
            argv, capture_output=True, text=True, check=False, timeout=_PROBE_SECONDS, cwd="/"
        )
    except OSError:
        return None  # not there, or for another machine: the next candidate is tried
    return run.stdout.strip() if run.returncode == 0 else None


def _initialise(directory: Path, root: Path, password: str) -> None:
    file = root / "password"
    file.touch(PRIVATE_FILE)
    file.write_text(password, "utf-8")
    if _is_root():
        owner = pwd.getpwnam(_UNPRIVILEGED)
        for path in (root, file):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    options = ["--auth=scram-sha-256", f"--pwfile={file}", "--encoding=UTF8", "--locale=C"]
    argv = [str(directory / "initdb"), "-D", str(root / "data"), "-U", _OWNER, "--no-sync"]
    run = subprocess.run(
        [*_as_unprivileged(), *argv, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=_INIT_SECONDS,
        cwd=root,
    )
    file.unlink()
    if run.returncode:
        raise ProblemError(
            "PostgreSQL's storage could not be initialised",
            f"see that {tempfile.gettempdir()} has room and may be written by {_UNPRIVILEGED}",
            (run.stdout + run.stderr).strip()[-2000:],
        )


def _program(directory: Path, root: Path, port: int, *, durable: bool) -> Program:
    argv = [
        *_as_unprivileged(with_parent=True),
        str(directory / "postgres"),
        *("-D", str(root / "data"), "-k", str(root), "-h", ports.HOST, "-p", str(port)),
        *(() if durable else ("-c", "fsync=off")),
    ]
    return Program("postgres", argv, root / "postgres.log")


def _ready(root: Path) -> bool:
    try:
        lines = (root / "data" / "postmaster.pid").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


def _stop(running: Running) -> None:
    # SIGINT is PostgreSQL's fast shutdown; on SIGTERM it would wait for its clients to leave.
    running.signal(signal.SIGINT)
    if not running.gone.wait(STOP_SECONDS):
        running.stop(STOP_SECONDS)


def _is_root() -> bool:
    return os.geteuid() == 0


def _as_unprivileged(*, with_parent: bool = False) -> list[str]:
    """Prefix of a command that may not run as root; `with_parent`: it stops when we die (Linux)."""
    setpriv = shutil.which("setpriv")
    death = ["--pdeathsig", "INT"] if with_parent else []
    if not _is_root():
        return [setpriv, *death] if setpriv and death else []
    if setpriv is None:
        raise ProblemError(
            "PostgreSQL does not run as root, and setpriv is missing to lend it to another user",
            "apt-get install util-linux, or run as another user",
        )
    owner = pwd.getpwnam(_UNPRIVILEGED)
    identity = [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    return [setpriv, *death, *identity]
