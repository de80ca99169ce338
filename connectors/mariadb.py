"""One connection to MariaDB or MySQL for the sinks that write there: a thread, deadlines, errors.

The driver waits for its socket, so its work runs in a thread; who gives up on it shuts the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

import pymysql
from pydantic import AfterValidator, Field, SecretStr
from pymysql.cursors import Cursor

from connectors.protocol import Reject, Retry

__all__ = ["Authorities", "Cursor", "Denied", "Patience", "Server", "Url"]

_T = TypeVar("_T")
#: A right or an object is missing, as `work` may expect.
Denied = pymysql.OperationalError
Connection: TypeAlias = "pymysql.Connection[Cursor]"
PORT: Final = 3306
#: Text that does not fit is an error, not cut; times are UTC; only rows that exist are locked.
_SESSION: Final = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00', innodb_lock_wait_timeout = "
)
_ISOLATION: Final = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"


def url(value: SecretStr) -> SecretStr:
    """The same, if it names host, user and database. Raises ValueError, which quotes nothing."""
    try:
        parts = urlsplit(value.get_secret_value())
        named = parts.scheme in {"mysql", "mariadb"} and parts.hostname and parts.username
        if named and parts.path.strip("/") and (parts.port or PORT):
            return value
    except ValueError:  # a port that is no number: quoted
        pass
    raise ValueError("cannot be read; write mysql://user:password@host:3306/database")


def _number(error: pymysql.Error) -> int:
    """The server's number of it (or the driver's, from 2000); 0: none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


Url: TypeAlias = Annotated[
    SecretStr,
    AfterValidator(url),
    Field(description="mysql://user:password@host:3306/database."),
]
Patience: TypeAlias = Annotated[
    float, Field(gt=0, le=60, description="For connecting, and for one batch, in seconds.")
]
Authorities: TypeAlias = Annotated[
    Path | None, Field(description="PEM file of authorities: TLS is then required.")
]


class Server:
    """A database; connects when first asked, and again after any failure."""

    def __init__(self, address: SecretStr, timeout_s: float, ca_file: Path | None = None) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._ca_file = ca_file
        self._kept: Connection | None = None

    async def run(self, work: Callable[[Cursor], _T]) -> _T:
        """`work` in one transaction, committed. Raises `Retry` or `Reject`, not chained.

        `Reject` where the server can never take a value; what it says may quote it, so its number
        is all that is passed on.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.to_thread(self._transaction, work)
        except (TimeoutError, UnicodeEncodeError, pymysql.Error, OSError) as error:
            await self.aclose()
            raise _told(error) from None
        except BaseException:
            await self.aclose()  # cancelled in the middle of something
            raise

    async def aclose(self) -> None:
        """Shut the connection; a thread that waits for it ends at once."""
        if self._kept is not None:
            kept, self._kept = self._kept, None
            _shut(kept)

    def _transaction(self, work: Callable[[Cursor], _T]) -> _T:
        connection = self._kept or self._connect()
        with connection.cursor() as cursor:
            found = work(cursor)
        connection.commit()
        return found

    def _connect(self) -> Connection:
        parts = urlsplit(self._address.get_secret_value())
        patience = math.ceil(self._timeout_s)
        connection = pymysql.connect(
            host=parts.hostname or "",
            port=parts.port or PORT,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=unquote(parts.path.strip("/")),
            charset="utf8mb4",
            ssl=ssl.create_default_context(cafile=self._ca_file) if self._ca_file else None,
            connect_timeout=patience,
            read_timeout=patience,
            write_timeout=patience,
        )
        with connection.cursor() as cursor:
            cursor.execute(_SESSION + str(patience))
            cursor.execute(_ISOLATION)
        self._kept = connection
        return connection


def _told(error: Exception) -> Retry | Reject:
    """What the runner is told of it."""
    match error:
        case TimeoutError():
            return Retry("timeout")
        case UnicodeEncodeError():
            return Reject("not_text")
        case pymysql.DataError() | pymysql.IntegrityError():
            return Reject(f"mysql_{_number(error)}")
        case pymysql.Error():
            return Retry(f"mysql_{_number(error) or type(error).__name__}")
    return Retry(f"mysql_{type(error).__name__}")


def _shut(connection: Connection) -> None:
    # Closing alone would leave a thread in `recv`; PyMySQL has no public way to wake it.
    sock: socket.socket | None = getattr(connection, "_sock", None)
    if sock is not None:
        with contextlib.suppress(OSError):  # the other side was first
            sock.shutdown(socket.SHUT_RDWR)
    if connection.open:
        with contextlib.suppress(pymysql.Error):
            connection.close()
