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
_NUMBER: Final = "give a number in E.164, or a national Italian one"
_LANDLINE: Final = "give the number whole: an Italian landline keeps its leading zero"
#: Of +39 and nine digits (the oldest), or ten.
_MOBILE_LENGTHS: Final = frozenset({12, 13})
#: A number behind a switchboard's; whoever objects to the one objects to the whole.
_EXTENSION: Final = re.compile(
    r"(?<=\d)(?:\s*;\s*ext=|[\s,;]*(?:\bext\b|\bint\b|\binterno\b|x|#)[.:]?)\s*\d{1,7}\s*\Z",
    re.IGNORECASE,
)
_DASHES: Final = r"\u2010-\u2015\u2212-"
#: Texts whose digits, put together, are the number of somebody else.
_DOUBTS: Final = (
    (re.compile(r"\d.*[^\W\d_]", re.DOTALL), "letters stand among the digits: give digits only"),
    (re.compile(r"\A\W*\d+\.0+\s*\Z"), "this is a decimal; give the number as text"),
    (
        re.compile(rf"(?:\d{{4}}\s*|\A[^/{_DASHES}]*)[/{_DASHES}]\s*\d\s*\Z|/\s*\d\d\s*\Z"),
        "two lines in one; give one whole number",
    ),
)
#: What a spreadsheet makes of a mobile number, no digit of it lost: 3331234567.0, 3.331234567E+09.
_MOBILE: Final = re.compile(r"(?:39)?3\d{9}", re.ASCII)
_DECIMAL: Final = re.compile(r"\s*(\d+)[.,]0+\s*", re.ASCII)
_EXPONENT: Final = re.compile(r"\s*(\d)[.,](\d+)E\+?(\d\d?)\s*", re.ASCII | re.IGNORECASE)
#: A zero for callers from home before what may be a mobile number, which has none.
_TRUNK: Final = re.compile(r"\(0\)(?=[\s./-]*3(?:[\s./-]*\d){9}\s*\Z)")
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
    if bare := _ITALIAN.fullmatch(value):
        return f"+39{bare[1]}"
    quick = _ITALIAN.fullmatch(value.translate(_SEPARATORS)) if len(value) <= TEXT_MAX else None
    if quick is None:
        return phone_by_library(value)
    # Only a text with one of these can be what it does not look like.
    if "(0)" in value:
        return phone_by_library(value)
    if "-" in value or "/" in value or "." in value:
        _refuse_doubt(value)
    return f"+39{quick[1]}"


def phone_by_library(value: str) -> str:
    """E.164 by `phonenumbers`, the slow path: what the fast one must equal."""
    import phonenumbers  # noqa: PLC0415 - 10 MB that a worker which never normalises does not pay

    if len(value) > TEXT_MAX:
        raise Unreadable("contact.value", _NUMBER)
    # Wide digits and signs become plain ones, so that no doubt hides behind them.
    text = _unspread(_EXTENSION.sub("", unicodedata.normalize("NFKC", value)))
    _refuse_doubt(text)
    try:
        number = phonenumbers.parse(text, DEFAULT_REGION)
    except phonenumbers.NumberParseException as error:
        raise Unreadable("contact.value", _NUMBER) from error
    if not phonenumbers.is_possible_number(number):
        raise Unreadable("contact.value", _NUMBER)
    e164 = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    if e164.startswith("+39") and e164[3] not in "03" and not phonenumbers.is_valid_number(number):
        raise Unreadable("contact.value", _LANDLINE)
    if _TRUNK.search(text):
        if phonenumbers.is_valid_number(number):
            raise Unreadable("contact.value", "leave out the (0): a mobile has none")
        return phone_by_library(_TRUNK.sub("", text))
    return _planned(e164)


def _unspread(text: str) -> str:
    """A mobile number that a spreadsheet took for a quantity, where every digit of it is there."""
    decimal, exponent = _DECIMAL.fullmatch(text), _EXPONENT.fullmatch(text)
    digits = decimal[1] if decimal else ""
    if exponent and len(exponent[2]) == int(exponent[3]):
        digits = exponent[1] + exponent[2]
    return digits if _MOBILE.fullmatch(digits) else text


def _refuse_doubt(value: str) -> None:
    """Raise `Unreadable` for a text of which digits alone would make another number."""
    for doubt, remedy in _DOUBTS:
        if doubt.search(value):
            raise Unreadable("contact.value", remedy)


def _planned(e164: str) -> str:
    """The number itself, unless it is an Italian mobile one of a length that none has."""
    if e164.startswith("+393") and len(e164) not in _MOBILE_LENGTHS:
        raise Unreadable("contact.value", _NUMBER)
    return e164


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
    if unicodedata.normalize("NFKC", local) != local:
        # Wide letters, ligatures: looks like another address, and most likely is meant to be it.
        raise Unreadable("contact.value", "write the address in plain letters")
    return f"{local}@{(found.ascii_domain or found.domain).lower()}"


def _postal(value: str) -> str:
    if len(value) > POSTAL_MAX:
        raise Unreadable("contact.value", f"give at most {POSTAL_MAX} characters")
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())
