"""API keys: a file of names, hashes and scopes, read again when it changes.

A key is 256 random bits, so one SHA-256 is hash enough: there is nothing to guess. The file holds
no key and may be read by whoever runs the services; only `keys add` ever sees one.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from noli.runtime import clock
from noli.runtime.logging import get_logger
from noli.runtime.metrics import web
from noli.runtime.problem import Problem

log = get_logger()

Scope = Literal["events:write", "decisions:read", "evidence:read", "admin", "canary"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
#: May say that the contacts reserved for canaries consent (`noli.domain.canary`); the prober alone.
CANARY: Final[Scope] = "canary"

#: So that a key is recognised where it leaked, by people and by secret scanners.
PREFIX: Final = "noli_"
_KEY_BYTES: Final = 32

#: Seconds between two looks at the file: how long a revoked key may live on.
RELOAD_S: Final = 1.0


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the file. `hash` is the SHA-256 of the key, hexadecimal."""

    name: str
    hash: str
    scopes: tuple[Scope, ...]


class KeyFileError(Exception):
    """The file is missing or cannot be read as keys; says which, and what to do."""


def digest(key: str) -> str:
    """What the file holds of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def new(name: str, scopes: Sequence[Scope]) -> tuple[str, Key]:
    """A fresh key, and its line for the file."""
    key = PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    return key, Key(name, digest(key), tuple(scopes))


def read(path: Path) -> list[Key]:
    """The keys in a file. Raises `KeyFileError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Key])
    except OSError as error:
        remedy = "make it with `noli keys add` or set NOLI_API_KEYS_FILE"
        raise KeyFileError(f"API keys: {path}: {error.strerror}; {remedy}") from error
    except msgspec.MsgspecError as error:
        raise KeyFileError(f"API keys: {path} is not a list of keys: {error}") from error


def write(path: Path, keys: Iterable[Key]) -> None:
    """Replace the file at once, so that no reader sees half of it. Mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    body = msgspec.json.format(msgspec.json.encode(list(keys)), indent=1)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(body + b"\n")
    fresh.replace(path)


class Keyring:
    """Who may do what, following the file.

    A file that becomes unreadable keeps the keys known before and is logged at every look: locking
    everyone out would also lock out objections.
    """

    def __init__(self, path: Path) -> None:
        """Raises `KeyFileError`: a service never starts without knowing its callers."""
        self._path = path
        self._stamp = _stamp(path)
        self._keys = {key.hash: key for key in read(path)}
        self._next_look = clock.steady() + RELOAD_S

    def authorise(self, authorization: str | None, api_key: str | None, *scopes: Scope) -> Key:
        """The caller of a request by its `Authorization: Bearer` or `X-API-Key` header.

        Any one of `scopes` will do. Raises `Problem` 401 where no known key is given, 403 where it
        has none of them.
        """
        presented = _presented(authorization, api_key)
        key = self._find(presented) if presented else None
        if key is None:
            raise Problem(
                401,
                "unauthenticated",
                "give a known API key: `Authorization: Bearer noli_…`",
                headers={"WWW-Authenticate": 'Bearer realm="noli"'},
            )
        if not set(scopes) & set(key.scopes):
            wanted = " or ".join(scopes)
            raise Problem(403, "forbidden", f"this API key lacks the scope {wanted}")
        return key

    def still(self, key: Key) -> bool:
        """Whether a key that was known is so still, with the same scopes."""
        self._follow()
        return self._keys.get(key.hash) == key

    def _find(self, presented: str) -> Key | None:
        self._follow()
        wanted = digest(presented)
        # Found by hash, so timing tells about the hash of a guess at most; compared whole anyway.
        key = self._keys.get(wanted)
        return key if key is not None and hmac.compare_digest(key.hash, wanted) else None

    def _follow(self) -> None:
        if clock.steady() >= self._next_look:
            self._look()

    def _look(self) -> None:
        self._next_look = clock.steady() + RELOAD_S
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            self._keys = {key.hash: key for key in read(self._path)}
            self._stamp = stamp
            log.info("api_keys_reloaded", keys=len(self._keys))
        except KeyFileError as error:
            web.API_KEY_RELOAD_FAILURES.inc()
            log.error("api_keys_unreadable", error=str(error))  # noqa: TRY400 - the text says it


def _presented(authorization: str | None, api_key: str | None) -> str | None:
    if authorization is not None:
        kind, _, value = authorization.partition(" ")
        return value.strip() if kind.lower() == "bearer" else None
    return api_key


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when the file does: time alone is too coarse for two writes in a tick."""
    try:
        status = path.stat()
    except OSError as error:
        remedy = "make it with `noli keys add` or set NOLI_API_KEYS_FILE"
        raise KeyFileError(f"API keys: {path}: {error.strerror}; {remedy}") from error
    return status.st_mtime_ns, status.st_size, status.st_ino
