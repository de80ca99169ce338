"""Unsubscribe links: everything an objection needs, sealed in the URL (RFC 8058 §3.1).

The token is AES-256-SIV (RFC 5297) over a packed payload, its key drawn from the pepper by HKDF
with a domain of its own: nobody without the pepper can read a contact in a URL, a proxy's log or a
mailbox, nor make a token. SIV needs no nonce, so hundreds of millions of links under one key stay
safe, where random 96-bit GCM nonces would come to their limit.

A link never expires: the right to object does not, and mail stays in mailboxes for years.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from noli.domain.token import Pepper

#: Header values of a mail that carries a link (RFC 2369, RFC 8058). DKIM must cover both.
POST_HEADER: Final = "List-Unsubscribe=One-Click"

#: Path of the endpoint; the token follows.
PATH: Final = "/u/"

_DOMAIN: Final = b"noli unsubscribe link 1"
_KEY_BYTES: Final = 64  # AES-256-SIV takes two 256-bit keys

#: Longest token looked at, characters; real ones have 80 to 300.
TOKEN_MAX: Final = 2048

#: Bytes of a token's digest: what names it in an event id, where the token must not stand.
_DIGEST_BYTES: Final = 12


class Link(msgspec.Struct, frozen=True, array_like=True, repr_omit_defaults=True):
    """Who objects to what. Empty scopes mean the default of OBJECT: everything.

    Fields are packed by position: new ones go at the end, with a default.
    """

    controller: str
    kind: str
    value: str
    issued_at: int
    brands: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without the contact."""
        return f"Link({self.controller}, {self.kind}, …)"


class Links:
    """Mints and opens tokens. The first pepper mints; every one given opens."""

    def __init__(self, peppers: Sequence[Pepper]) -> None:
        self._minting = peppers[0].version
        self._ciphers = {pepper.version: AESSIV(_key(pepper)) for pepper in peppers}

    def mint(self, link: Link) -> str:
        """The token of a link: URL-safe text without padding."""
        version = bytes((self._minting,))
        sealed = self._ciphers[self._minting].encrypt(msgspec.msgpack.encode(link), [version])
        return base64.urlsafe_b64encode(version + sealed).rstrip(b"=").decode()

    def open(self, token: str) -> Link | None:
        """The link of a token, None for anything that is not one of ours, whatever is wrong."""
        raw = _unpacked(token)
        cipher = self._ciphers.get(raw[0]) if raw else None
        if cipher is None:
            return None
        try:
            return msgspec.msgpack.decode(cipher.decrypt(raw[1:], [raw[:1]]), type=Link)
        except (InvalidTag, ValueError):
            return None


def digest(token: str) -> str:
    """What names a token without giving it away, hexadecimal."""
    return hashlib.blake2b(token.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _key(pepper: Pepper) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=_DOMAIN).derive(pepper.secret)


def _unpacked(token: str) -> bytes:
    if len(token) > TOKEN_MAX:
        return b""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    # Base64's unused bits would let one token be written in several ways.
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == token else b""
