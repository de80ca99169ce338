"""The envelope of an event: who, about whom, when. Denials are read leniently, grants strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from noli.domain import contact as contacts
from noli.domain import details, reading, times
from noli.domain.channel import Kind
from noli.domain.contact import Contact, Unreadable
from noli.domain.facts import EVERY_BRAND
from noli.domain.reading import Data, Refused

#: Longest controller name, characters.
CONTROLLER_MAX: Final = 200

WITHOUT_CONTACT: Final = ("noli.source.revoked.v1",)
LINKS: Final = ("noli.party.linked.v1", "noli.party.unlinked.v1")

_KINDS: Final = frozenset(Kind)


def controller(data: Data) -> str:
    """The legal entity that decides; part of the contact token's input, hence no `|`."""
    found = data.get("controller")
    if not isinstance(found, str) or not found or len(found) > CONTROLLER_MAX or "|" in found:
        raise Refused(
            "data.controller", f"name the controller: 1 to {CONTROLLER_MAX} characters, no |"
        )
    return found


def identity(raw: Mapping[str, Any], *, denying: bool) -> tuple[str, str]:
    """(source, id); a denial without them is a fact all the same, named by its content."""
    if denying:
        return loose(raw, "source", denying=True) or "", loose(raw, "id", denying=True) or ""
    if raw.get("specversion", "1.0") != "1.0":
        raise Refused("specversion", "use 1.0")
    return reading.text(raw, "source", ""), reading.text(raw, "id", "")


def time(raw: Mapping[str, Any], accepted: int, *, denying: bool) -> int:
    """When the person acted (ms); absent, or unreadable in a denial: when accepted."""
    said = raw.get("time")
    if said is None:
        return accepted
    try:
        return times.parse(said)
    except (ValueError, TypeError, OverflowError):
        if denying:
            return accepted
        raise Refused("time", "give an RFC 3339 time with its offset") from None


def brands(data: Data, *, denying: bool) -> tuple[str, ...]:
    """The brands named; absent, or unreadable in a denial: every brand."""
    if "brands" not in data:
        return (EVERY_BRAND,)
    try:
        found = reading.texts(data, "brands")
    except Refused:
        if denying:
            return (EVERY_BRAND,)
        raise
    if not found and not denying:
        raise Refused("data.brands", 'name at least one brand, or leave it out for ["*"]')
    return (EVERY_BRAND,) if not found or EVERY_BRAND in found else found


def loose(data: Data, name: str, *, denying: bool) -> str | None:
    """An optional text; in a denial what is not one is not there."""
    try:
        return reading.optional_text(data, name)
    except Refused:
        if denying:
            return None
        raise


def evidence_ref(data: Data, *, denying: bool) -> str | None:
    """Reference of the evidence."""
    if "evidence" not in data:
        return None
    try:
        return reading.optional_text(details.evidence(data), "ref", "data.evidence.")
    except Refused:
        if denying:
            return None
        raise


def party(data: Data, kind: str, *, denying: bool) -> str | None:
    """The party, `<namespace>:<id>`; a denial that names a contact too is not refused for it."""
    found = data.get("party")
    if found is None and kind not in LINKS:
        return None
    if not isinstance(found, str) or ":" not in found or len(found) > reading.TEXT_MAX:
        if denying and data.get("contact") is not None:
            return None  # the contact alone is denied
        raise Refused("data.party", "give it as <namespace>:<id>")
    if data.get("contact") is not None and not denying and kind not in LINKS:
        return None  # a grant that names both is the contact's alone
    return found


def contact(data: Data, kind: str, of: str | None) -> Contact | None:
    """The contact, normalised; None where the type or a party needs none. Raises `Unreadable`."""
    found = data.get("contact")
    if found is None:
        if kind in WITHOUT_CONTACT or (of is not None and kind not in LINKS):
            return None
        raise Refused("data.contact", 'give {"kind": …, "value": …}')
    if not isinstance(found, Mapping):
        raise Unreadable("data.contact", 'give {"kind": …, "value": …}')
    return contacts.normalise(str(found.get("kind")), found.get("value"))


def as_received(data: Data) -> Contact:
    """The contact of a quarantine fact, not normalised; an unreadable kind is `email`."""
    found = data["contact"]
    if not isinstance(found, Mapping):
        return Contact(Kind.EMAIL, str(found))
    kind = str(found.get("kind"))
    return Contact(
        Kind(kind) if kind in _KINDS else Kind.EMAIL, str(found.get("value") or "").strip()
    )
