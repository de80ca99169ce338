"""Contacts that nobody has or can ever have, and which of them answer for an application.

A canary carries a stop and a consent through everything, every second. Its contact is nobody's: a
number that Ofcom keeps for drama (+44 7700 900900 to 900999 of 900000 to 900999), an address under
a name that RFC 2606 reserves, a postal address that is none.

Applications that are told the same (controller, kind of contact, purpose) share a perch, and so a
canary: one for each application would be told to all the others of its controller too, and cost
the square of their number.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from noli.domain.channel import PURPOSES, Channel, Kind, Purpose, channels_of, reach
from noli.domain.contact import Contact

#: Contacts of a perch to choose from: so many that most perches find one for each of 8 partitions.
FLOCK: Final = 25
#: Of several kinds that an application is told of, the first.
_KINDS: Final = (Kind.PHONE, Kind.EMAIL, Kind.POSTAL)
_VALUES: Final = {
    Kind.PHONE: "+4477009009{:02d}",
    Kind.EMAIL: "canary-{:02d}@noli.example",
    Kind.POSTAL: "noli canary {:02d}",
}


class Perch(NamedTuple):
    """What the canaries that sit here are told to; it decides their contacts."""

    controller: str
    kind: Kind
    purpose: Purpose

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All that reach its contacts."""
        return channels_of(reach(self.kind))


def perch(
    controllers: Collection[str], channels: Collection[str], purposes: Collection[str]
) -> Perch | None:
    """Where the canary of an application with this face sits; None: no contact reaches it."""
    kinds = [kind for kind in _KINDS if any(c in channels for c in channels_of(reach(kind)))]
    served = [purpose for purpose in PURPOSES if purpose in purposes]
    if not (controllers and kinds and served):
        return None
    return Perch(min(controllers), kinds[0], served[0])


def flock(kind: Kind, purpose: Purpose) -> tuple[Contact, ...]:
    """The contacts of a perch. Each purpose has its own: an objection may cover them all."""
    first = PURPOSES.index(purpose) * FLOCK
    return tuple(Contact(kind, _VALUES[kind].format(first + n)) for n in range(FLOCK))


#: What a sender is told who grants something for one of them: it would be a person's who is none.
RESERVED: Final = "this contact is reserved for canaries and nobody's; use another one"
_CONTACTS: Final = frozenset(
    contact for kind in Kind for purpose in PURPOSES for contact in flock(kind, purpose)
)


def is_canary(contact: tuple[str, str] | None) -> bool:
    """Whether a normalised contact (kind, value) is a canary's: it is nobody's."""
    return contact in _CONTACTS
