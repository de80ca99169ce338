"""The body of a question about a contact: read strictly, and never repeated in an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from noli.domain import contact as contacts
from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.domain.wording import Language
from noli.runtime.problem import Problem

_MEDIA: Final = ("", "application/json")
#: msgspec ends its messages with the place; it quotes types, but for enums.
_PLACE: Final = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)


class Asked(NamedTuple):
    """About whom, and in which language."""

    controller: str
    contact: Contact
    language: Language


class _Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Kind
    value: str


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    controller: str
    contact: _Contact
    lang: Language = Language.ENGLISH


_DECODER: Final = msgspec.json.Decoder(_Body)


def read(body: bytes, headers: Mapping[str, str]) -> Asked:
    """Who is asked about. Raises `Problem` 400, 415 or 422."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in _MEDIA:
        raise Problem(415, "unsupported-media-type", "send application/json")
    try:
        said = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        found = _PLACE.fullmatch(str(error))
        detail, place = (found[1], found[2]) if found else (str(error), None)
        if detail.startswith("Invalid enum"):  # the one message that quotes what was sent
            detail = "is not one of the known words"
        raise _refused(place or "body", detail) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem(400, "malformed", "the body is not JSON in UTF-8") from None
    if not said.controller.strip():
        raise _refused("controller", "name the controller")
    try:
        contact = contacts.normalise(said.contact.kind, said.contact.value)
    except contacts.Unreadable as error:
        raise _refused("contact.value", error.remedy) from None
    return Asked(said.controller.strip(), contact, said.lang)


def _refused(field: str, detail: str) -> Problem:
    errors = [{"field": field, "detail": detail}]
    return Problem(422, "refused", f"{field}: {detail}", extra={"errors": errors})
