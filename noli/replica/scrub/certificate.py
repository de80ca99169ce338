"""The scrub certificate: which list was asked about, when, of how fresh a copy, and what came out.

Signed with Ed25519, whose library (`cryptography`) is a dependency already: an inspector or a
client of the call centre verifies it with the public key alone, where an HMAC could only be
verified by whoever can also forge it. The key pair is drawn from the pepper by HKDF with a domain
of its own, as the key of unsubscribe links is: every host of a deployment signs alike and no
further secret needs keeping. A rotated pepper signs with another key; certificates made before are
verified by the public key that is kept with them, so keep that key with the campaign's records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from io import BufferedIOBase
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from noli.domain import times
from noli.domain.token import Pepper

TYPE: Final = "noli.scrub_certificate.v1"
ALGORITHM: Final = "Ed25519"

_DOMAIN: Final = b"noli scrub certificate 1"
_SEED_BYTES: Final = 32


class Counts(msgspec.Struct, frozen=True):
    """Rows by outcome; the unparsable ones are among the denied."""

    rows: int
    allowed: int
    denied: int
    unparsable: int
    reasons: Mapping[str, int]


class Replica(msgspec.Struct, frozen=True):
    """Which copy answered: its generation's name, the topic it is made of, where it ran."""

    generation: str
    topic_id: str
    pepper_version: int
    host: str


class Certificate(msgspec.Struct, frozen=True):
    """What is signed. Times are RFC 3339; digests SHA-256, hexadecimal.

    `as_of`: every answer knows each objection taken before it. `lease_seconds`: how old the copy
    might have been at most.
    """

    input_sha256: str
    output_sha256: str
    counts: Counts
    controller: str
    channel: str
    purpose: str
    brand: str | None
    product: str | None
    as_of: str | None
    lease_seconds: float
    started: str
    ended: str
    replica: Replica
    type: str = TYPE
    campaign: str | None = None


class _Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    certificate: msgspec.Raw
    algorithm: str
    public_key: str
    signature: str


class Invalid(Exception):
    """A certificate that proves nothing; the message says why."""


def sign(certificate: Certificate, pepper: Pepper) -> bytes:
    """The certificate with its signature over the bytes of `certificate` as written; JSON."""
    key = _key(pepper)
    body = msgspec.json.encode(certificate)
    return msgspec.json.encode(
        _Signed(
            msgspec.Raw(body), ALGORITHM, key.public_key().public_bytes_raw().hex(),
            key.sign(body).hex(),
        )
    )  # fmt: skip


def public_key(pepper: Pepper) -> str:
    """The key that certificates of this pepper are verified with, hexadecimal."""
    return _key(pepper).public_key().public_bytes_raw().hex()


def opened(signed: bytes, trusted: str) -> Certificate:
    """The certificate, if `trusted` (a public key, hexadecimal) signed it. Raises `Invalid`."""
    try:
        found = msgspec.json.decode(signed, type=_Signed)
        certificate = msgspec.json.decode(found.certificate, type=Certificate)
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(trusted))
        signature = bytes.fromhex(found.signature)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise Invalid(f"not a scrub certificate: {type(error).__name__}") from None
    if found.public_key != trusted.lower():
        raise Invalid("signed with another key than the one trusted")
    try:
        key.verify(signature, bytes(found.certificate))
    except InvalidSignature:
        raise Invalid("the signature does not fit: the certificate was altered") from None
    if certificate.type != TYPE:
        raise Invalid(f"of another type than {TYPE}")
    return certificate


def which(certificate: Certificate, file: BufferedIOBase) -> str:
    """Whether a file is the certificate's `input` or its `output`. Raises `Invalid`."""
    found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == certificate.output_sha256:
        return "output"
    if found == certificate.input_sha256:
        return "input"
    raise Invalid("the file is neither the list that was scrubbed nor what came of it")


def moment(ms: int | None) -> str | None:
    """A time as the certificate has it."""
    return None if ms is None else times.text(ms)


def _key(pepper: Pepper) -> Ed25519PrivateKey:
    salt = bytes((pepper.version,))
    seed = HKDF(SHA256(), _SEED_BYTES, salt, _DOMAIN).derive(pepper.secret)
    return Ed25519PrivateKey.from_private_bytes(seed)
