"""A CloudEvent, as posted, becomes a Fact; or is refused; or is quarantined.

An objection is never refused for a missing detail: what is unreadable in it widens it, and an
unreadable contact quarantines it. See `envelope` and `details`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from noli.domain import details, envelope, facts
from noli.domain.contact import Unreadable
from noli.domain.envelope import as_received
from noli.domain.facts import Fact
from noli.domain.reading import Refused

#: Bytes of a fact id (BLAKE2b-128).
FACT_ID_SIZE: Final = 16
#: Never to be changed: it decides which posts are the same.
_CANONICAL: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)
_FIELD: Final = {"contact.value": "data.contact.value", "contact.kind": "data.contact.kind"}

__all__ = ["Quarantine", "Refused", "as_received", "canonical", "fact_id", "named", "parse"]


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
    return named(canonical(raw))


def canonical(raw: Mapping[str, Any]) -> bytes:
    """What a sender posted, in the one form that its fact id is made of. Raises as `fact_id`."""
    said = {name: raw[name] for name in ("source", "id", "type", "time", "data") if name in raw}
    try:
        return _CANONICAL.encode(said).encode()
    except (TypeError, ValueError):
        # Not chained: the library's message quotes what it could not write.
        raise Refused("data", "use plain JSON in UTF-8") from None


def named(said: bytes) -> bytes:
    """The fact id of what `canonical` gave."""
    return hashlib.blake2b(said, digest_size=FACT_ID_SIZE).digest()


def parse(raw: Mapping[str, Any], accepted: int) -> Fact:
    """The fact of a CloudEvent accepted at `accepted` (ms). Raises `Refused` or `Quarantine`."""
    kind = raw.get("type")
    if not isinstance(kind, str) or kind not in details.READERS:
        raise Refused("type", "use one of the types of events.md")
    data = raw.get("data")
    if not isinstance(data, Mapping):
        raise Refused("data", "give an object")
    denying = kind in details.DENYING_TYPES
    controller = envelope.controller(data)
    source, name = envelope.identity(raw, denying=denying)
    detail = details.READERS[kind](data)
    party = envelope.party(data, kind, denying=denying)
    unreadable = None
    try:
        contact = envelope.contact(data, kind, party)
    except Unreadable as error:
        field = _FIELD.get(error.field, error.field)
        if not denying:
            raise Refused(field, error.remedy) from None
        unreadable = (field, error.remedy)
        contact, detail = envelope.as_received(data), facts.Quarantined(field)
    fact = Fact(
        fact_id(raw),
        source,
        name,
        envelope.time(raw, accepted, denying=denying),
        accepted,
        controller,
        contact,
        party,
        envelope.brands(data, denying=denying),
        envelope.loose(data, "source_id", denying=denying),
        envelope.evidence_ref(data, denying=denying),
        detail,
    )
    if unreadable:
        raise Quarantine(*unreadable, fact)
    return fact
