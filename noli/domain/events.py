"""A CloudEvent, as posted, becomes a Fact; or is refused; or is quarantined.

An objection is never refused for a missing detail: what is unreadable in it widens it, and an
unreadable contact quarantines it. See `details` for what each type adds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from noli.domain import contact as contacts
from noli.domain import details, facts, reading, times
from noli.domain.channel import Kind
from noli.domain.contact import Contact, Unreadable
from noli.domain.facts import EVERY_BRAND, Fact
from noli.domain.reading import Data, Refused

#: Bytes of a fact id (BLAKE2b-128).
FACT_ID_SIZE: Final = 16
#: Longest controller name, characters.
CONTROLLER_MAX: Final = 200

#: Never to be changed: it decides which posts are the same.
_CANONICAL: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)
_NO_CONTACT: Final = ("noli.source.revoked.v1",)
_LINKS: Final = ("noli.party.linked.v1", "noli.party.unlinked.v1")
_FIELD: Final = {"contact.value": "data.contact.value", "contact.kind": "data.contact.kind"}

__all__ = ["Quarantine", "Refused", "as_received", "fact_id", "parse"]


class Quarantine(Exception):
    """A denial whose contact cannot be read: it is kept for a human, who is alarmed.

    `fact` is a `Quarantined` fact on the contact as received (in no repr, no message), to deny it
    until then; its kind is `email` where the kind itself was unreadable.
    """

    def __init__(self, field: str, remedy: str, fact: Fact) -> None:
        super().__init__(f"{field}: {remedy}")
        self.field = field
        self.remedy = remedy
        self.fact = fact


def fact_id(raw: Mapping[str, Any]) -> bytes:
    """Names what a sender posted: source, id, type, time if given, data. 16 bytes.

    Raises `Refused` for content without a canonical JSON.
    """
    said = {name: raw[name] for name in ("source", "id", "type", "time", "data") if name in raw}
    try:
        canonical = _CANONICAL.encode(said).encode()
    except (TypeError, ValueError):
        # Not chained: the library's message quotes what it could not write.
        raise Refused("data", "use plain JSON in UTF-8") from None
    return hashlib.blake2b(canonical, digest_size=FACT_ID_SIZE).digest()


def parse(raw: Mapping[str, Any], accepted: int) -> Fact:
    """The fact of a CloudEvent accepted at `accepted` (ms). Raises `Refused` or `Quarantine`."""
    kind = raw.get("type")
    reader = details.READERS.get(kind) if isinstance(kind, str) else None
    if reader is None or not isinstance(kind, str):
        raise Refused("type", "use one of the types of events.md")
    denying = kind in details.DENYING_TYPES
    data = raw.get("data")
    if not isinstance(data, Mapping):
        raise Refused("data", "give an object")
    controller = _controller(data)
    source, name = _identity(raw, denying=denying)
    time = _time(raw, accepted, denying=denying)
    brands = _brands(data, denying=denying)
    detail = reader(data)
    provenance = _loose(data, "source_id", denying=denying)
    proof = _evidence_ref(data, denying=denying)
    identity = fact_id(raw)
    party = _party(data, kind, denying=denying)
    if party is not None and data.get("contact") is not None and not (denying or kind in _LINKS):
        party = None  # a grant that names both is the contact's alone
    try:
        contact = _contact(data, kind, party)
    except Unreadable as error:
        field = _FIELD.get(error.field, error.field)
        if not denying:
            raise Refused(field, error.remedy) from None
        held = facts.Quarantined(field)
        fact = Fact(
            identity,
            source,
            name,
            time,
            accepted,
            controller,
            as_received(data),
            party,
            brands,
            provenance,
            proof,
            held,
        )
        raise Quarantine(field, error.remedy, fact) from None
    return Fact(
        identity,
        source,
        name,
        time,
        accepted,
        controller,
        contact,
        party,
        brands,
        provenance,
        proof,
        detail,
    )


def _controller(data: Data) -> str:
    found = data.get("controller")
    if not isinstance(found, str) or not found or len(found) > CONTROLLER_MAX or "|" in found:
        raise Refused(
            "data.controller", f"name the controller: 1 to {CONTROLLER_MAX} characters, no |"
        )
    return found


def _identity(raw: Mapping[str, Any], *, denying: bool) -> tuple[str, str]:
    if denying:
        return _loose(raw, "source", denying=True) or "", _loose(raw, "id", denying=True) or ""
    if raw.get("specversion", "1.0") != "1.0":
        raise Refused("specversion", "use 1.0")
    return reading.text(raw, "source", ""), reading.text(raw, "id", "")


def _time(raw: Mapping[str, Any], accepted: int, *, denying: bool) -> int:
    said = raw.get("time")
    if said is None:
        return accepted
    try:
        return times.parse(said)
    except (ValueError, TypeError, OverflowError):
        if denying:
            return accepted  # the later reading, which is harder to lift
        raise Refused("time", "give an RFC 3339 time with its offset") from None


def _brands(data: Data, *, denying: bool) -> tuple[str, ...]:
    if "brands" not in data:
        return (EVERY_BRAND,)
    try:
        brands = reading.texts(data, "brands")
    except Refused:
        if denying:
            return (EVERY_BRAND,)
        raise
    if not brands and not denying:
        raise Refused("data.brands", 'name at least one brand, or leave it out for ["*"]')
    return (EVERY_BRAND,) if not brands or EVERY_BRAND in brands else brands


def _loose(data: Data, name: str, *, denying: bool) -> str | None:
    try:
        return reading.optional_text(data, name)
    except Refused:
        if denying:
            return None
        raise


def _evidence_ref(data: Data, *, denying: bool) -> str | None:
    if "evidence" not in data:
        return None
    try:
        return reading.optional_text(details.evidence(data), "ref", "data.evidence.")
    except Refused:
        if denying:
            return None
        raise


def _party(data: Data, kind: str, *, denying: bool) -> str | None:
    party = data.get("party")
    if party is None and kind not in _LINKS:
        return None
    if not isinstance(party, str) or ":" not in party or len(party) > reading.TEXT_MAX:
        if denying and data.get("contact") is not None:
            return None  # the contact alone is denied
        raise Refused("data.party", "give it as <namespace>:<id>")
    return party


def _contact(data: Data, kind: str, party: str | None) -> Contact | None:
    found = data.get("contact")
    if found is None:
        if kind in _NO_CONTACT or (party is not None and kind not in _LINKS):
            return None
        raise Refused("data.contact", 'give {"kind": …, "value": …}')
    if not isinstance(found, Mapping):
        raise Unreadable("data.contact", 'give {"kind": …, "value": …}')
    return contacts.normalise(str(found.get("kind")), found.get("value"))


def as_received(data: Data) -> Contact:
    """The contact of a quarantine fact: not normalised, of kind `email` where that is unreadable."""
    found = data["contact"]
    if not isinstance(found, Mapping):
        return Contact(Kind.EMAIL, str(found))
    kind = str(found.get("kind"))
    return Contact(
        Kind(kind) if kind in set(Kind) else Kind.EMAIL, str(found.get("value") or "").strip()
    )
