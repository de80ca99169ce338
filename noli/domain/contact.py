"""Contact points: normalised, never shown."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

from noli.domain.channel import Kind

#: Region of a number written without its country code.
DEFAULT_REGION: Final = "IT"
#: Longest postal address taken, characters; a longer one is not an address.
POSTAL_MAX: Final = 500
#: Longest phone or e-mail text looked at, characters (RFC 5321 allows 254 for an address).
TEXT_MAX: Final = 320

_SEPARATORS: Final = str.maketrans("", "", " .-/()\u00a0")
# National mobile of ten digits (not 39…, which could be a country code) or landline with its zero.
_ITALIAN: Final = re.compile(r"(?:\+39|0039)?(3[0-8]\d{8}|0[1-9]\d{6,9})", re.ASCII)
_ATOM: Final = r"[a-z0-9_+-]+"
_LABEL: Final = r"[a-z0-9](?:[a-z0-9]|-(?!-)){0,30}(?<!-)"
_EMAIL: Final = re.compile(
    rf"(?=.{{1,60}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.){{1,3}}(?:it|com|eu|net|org)", re.ASCII
)


class Unreadable(Exception):
    """A contact that cannot be normalised. `field` and `remedy` never hold the value."""

    def __init__(self, field: str, remedy: str) -> None:
        super().__init__(f"{field}: {remedy}")
        self.field = field
        self.remedy = remedy


class Contact(NamedTuple):
    """A contact point: kind and normalised value. Its repr, which is its str too, is redacted."""

    kind: Kind
    value: str

    def __repr__(self) -> str:
        """Kind only."""
        return f"Contact({self.kind}, …)"


def normalise(kind: str, value: object) -> Contact:
    """Contact of a kind from what a sender wrote. Raises `Unreadable`."""
    if not isinstance(value, str) or not value.strip():
        raise Unreadable("contact.value", "give a non-empty text")
    if kind == Kind.PHONE:
        return Contact(Kind.PHONE, _phone(value))
    if kind == Kind.EMAIL:
        return Contact(Kind.EMAIL, _email(value))
    if kind == Kind.POSTAL:
        return Contact(Kind.POSTAL, _postal(value))
    raise Unreadable("contact.kind", "use email, phone or postal")


def _phone(value: str) -> str:
    quick = _ITALIAN.fullmatch(value.translate(_SEPARATORS)) if len(value) <= TEXT_MAX else None
    return f"+39{quick[1]}" if quick else phone_by_library(value)


def phone_by_library(value: str) -> str:
    """E.164 by `phonenumbers`, the slow path: what the fast one must equal."""
    import phonenumbers  # noqa: PLC0415 - 10 MB that a worker which never normalises does not pay

    remedy = "give a number in E.164, or a national Italian one"
    if len(value) > TEXT_MAX:
        raise Unreadable("contact.value", remedy)
    try:
        number = phonenumbers.parse(value, DEFAULT_REGION)
    except phonenumbers.NumberParseException as error:
        raise Unreadable("contact.value", remedy) from error
    if not phonenumbers.is_possible_number(number):
        raise Unreadable("contact.value", remedy)
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _email(value: str) -> str:
    quick = value.strip().lower()
    if quick.isascii() and _EMAIL.fullmatch(quick):
        return quick
    return email_by_library(value)


def email_by_library(value: str) -> str:
    """Lower-cased address, IDNA domain, by `email-validator`: what the fast path must equal."""
    import email_validator  # noqa: PLC0415 - as above

    try:
        # test_environment: the reserved domain .test stays usable; no DNS is asked.
        found = email_validator.validate_email(
            value.strip(), check_deliverability=False, test_environment=True
        )
    except email_validator.EmailNotValidError:
        # Not chained: the library's message quotes the address.
        raise Unreadable("contact.value", "give an e-mail address, name@domain") from None
    local = unicodedata.normalize("NFC", found.local_part.lower())
    return f"{local}@{(found.ascii_domain or found.domain).lower()}"


def _postal(value: str) -> str:
    if len(value) > POSTAL_MAX:
        raise Unreadable("contact.value", f"give at most {POSTAL_MAX} characters")
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())
