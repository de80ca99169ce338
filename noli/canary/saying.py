"""What a canary says and asks: the two events, and the question whose answer they turn round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from noli.domain.canary import Perch
from noli.domain.contact import Contact

#: Who speaks; a URI, as every source.
SOURCE: Final = "urn:noli:canary"
#: A consent needs proof (CONSENT-PROVEN): this one says what it is.
_EVIDENCE: Final = "a canary: this contact is nobody's"
#: The reason by which a lookup says that it holds the objection, and not only that it doubts.
_OBJECTED: Final = "OBJECTED"


def event(perch: Perch, contact: Contact, event_id: str, *, objects: bool) -> dict[str, Any]:
    """The CloudEvent of one post. Without a time: it counts from its acceptance."""
    told: dict[str, Any] = {
        "controller": perch.controller,
        "contact": {"kind": contact.kind.value, "value": contact.value},
    }
    if objects:
        told |= {"purposes": [perch.purpose.value], "via": "web"}
    else:
        channels = [channel.value for channel in perch.channels]
        told |= {"purpose": perch.purpose.value, "channels": channels}
        told |= {"evidence": {"ref": _EVIDENCE}}
    kind = "objection.raised" if objects else "consent.given"
    return {
        "specversion": "1.0", "id": event_id, "source": SOURCE, "type": f"noli.{kind}.v1",
        "data": told,
    }  # fmt: skip


def question(perch: Perch, contact: Contact) -> dict[str, Any]:
    """What the lookup is asked, on the first of the channels."""
    return {
        "controller": perch.controller,
        "contact": {"kind": contact.kind.value, "value": contact.value},
        "channel": perch.channels[0].value,
        "purpose": perch.purpose.value,
    }


def answers(verdict: Mapping[str, Any], *, objects: bool) -> bool:
    """Whether a lookup's verdict is the one that the post asks for; a doubt is neither."""
    if objects:
        return not verdict["allowed"] and _OBJECTED in verdict["reasons"]
    return bool(verdict["allowed"])
