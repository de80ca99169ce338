"""The contact token: a versioned keyed hash, so that numbers cannot be enumerated from it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from noli.domain.channel import Kind
from noli.domain.contact import Contact

#: Bytes of HMAC-SHA-256 kept: 128 bits.
KEPT: Final = 16
#: Raw token: the pepper's version, then the hash.
SIZE: Final = 1 + KEPT
_VERSION_MAX: Final = 255
#: Of HMAC-SHA-256: bytes of a block, and what its two halves mix into the secret.
_BLOCK: Final = 64
_INNER, _OUTER = 0x36, 0x5C


@dataclass(frozen=True, slots=True)
class Pepper:
    """The secret of the token; `version` (1..255) is the token's first byte."""

    version: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a pepper that would make every token guessable."""
        if not 1 <= self.version <= _VERSION_MAX:
            raise ValueError("pepper version: use 1 to 255")
        if len(self.secret) < KEPT:
            raise ValueError(f"pepper secret: use at least {KEPT} bytes")


def token(pepper: Pepper, controller: str, contact: Contact) -> bytes:
    """17 raw bytes that stand for a contact of a controller (hexadecimal outside Kafka)."""
    said = f"{controller}|{contact.kind}|{contact.value}".encode()
    return bytes((pepper.version,)) + hmac.digest(pepper.secret, said, "sha256")[:KEPT]


class Tokens:
    """`token` for many contacts of one controller and kind: what they share is hashed once.

    HMAC (RFC 2104) by its two halves, each continued from where the secret and the prefix end.
    """

    __slots__ = ("_inner", "_outer", "_version")

    def __init__(self, pepper: Pepper, controller: str, kind: Kind) -> None:
        secret = pepper.secret
        if len(secret) > _BLOCK:
            secret = hashlib.sha256(secret).digest()
        block = secret.ljust(_BLOCK, b"\0")
        self._version = bytes((pepper.version,))
        self._inner = hashlib.sha256(bytes(byte ^ _INNER for byte in block))
        self._inner.update(f"{controller}|{kind}|".encode())
        self._outer = hashlib.sha256(bytes(byte ^ _OUTER for byte in block))

    def of(self, value: bytes) -> bytes:
        """The token of the contact with this normalised value, in UTF-8."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return self._version + outer.digest()[:KEPT]


def tokens(pepper: Pepper, controller: str, contacts: Iterable[Contact]) -> list[bytes]:
    """`token` of each, in order: what they share is made once."""
    version, secret, digest = bytes((pepper.version,)), pepper.secret, hmac.digest
    said = {kind: f"{controller}|{kind}|" for kind in Kind}
    return [
        version + digest(secret, (said[kind] + value).encode(), "sha256")[:KEPT]
        for kind, value in contacts
    ]
