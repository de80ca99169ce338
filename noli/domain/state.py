"""The state of a contact: a join of its facts, bounded and canonical.

Two histories of the same facts give equal states, whatever their order (see `fold`). The parts are
named tuples: they are compared, sorted and copied in C, which the budget of 40 µs needs.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from noli.domain.channel import Kind
from noli.domain.contact import Contact


class Denied(IntEnum):
    """Why something is denied. The order is part of the contract."""

    UNKNOWN = 0
    OBJECTED = 1
    WITHDRAWN = 2
    ERASED = 3
    QUARANTINED = 4


class Denial(NamedTuple):
    """An objection or what works like one: component-wise maximum of (time, accepted) per pair.

    `mask` is not limited to the contact's kind; masks of the same kind and brand are disjoint.
    """

    kind: Denied
    brand: str
    mask: int
    time: int
    accepted: int


class Basis(IntEnum):
    """What allows. The order is part of the contract, and the one in which a basis is named."""

    UNKNOWN = 0
    CONSENT = 1
    SOFT_OPT_IN = 2
    LEGITIMATE_INTEREST = 3
    PUBLIC_DIRECTORY = 4


class Flag:
    """Bits of `Grant.flags`: what the evidence itself says, whatever happens later."""

    #: CONSENT-FREE: pre-ticked, required for the contract, or several purposes in one box.
    NOT_FREE: Final = 1
    #: CONSENT-PROVEN: no evidence reference.
    UNPROVEN: Final = 2
    #: CONSENT-CONFIRMED: effective only once confirmed; `Grant.ref` is its consent id.
    DOUBLE_OPT_IN: Final = 4
    #: CONSENT-EXTENDS: given for an automated channel, for marketing.
    EXTENDS: Final = 8
    #: Soft opt-in or interest without what it needs.
    INVALID: Final = 16
    #: SOURCE-KIND: the source never gives a basis.
    UNLAWFUL: Final = 32
    #: Voids by itself.
    VOID: Final = 1 | 2 | 16 | 32


class Grant(NamedTuple):
    """A recorded basis, valid or void: a Pareto front of (time, accepted) per all other fields.

    `mask` holds the pairs it names that reach the contact. `ref` is the consent id of a double
    opt-in, the category of a soft opt-in. A collected contact is a grant of the directory basis, of
    no pair unless its source is a directory. Only consents use `accepted`; elsewhere it is 0.
    """

    basis: Basis
    mask: int
    brand: str
    source: str
    ref: str
    flags: int
    time: int
    accepted: int


class Latest(IntEnum):
    """What a `Mark` is the latest time of. The order is part of the contract."""

    UNKNOWN = 0
    #: The key is the consent id; all times are kept, not only the latest.
    CONFIRMED = 1
    #: The key is the source, "" where none was named.
    LISTED_IN_DIRECTORY = 2
    UNLISTED = 3
    PHONE_LISTED = 4
    PHONE_DELISTED = 5
    PHONE_VERIFIED = 6
    POST_LISTED = 7
    POST_DELISTED = 8
    POST_VERIFIED = 9
    #: The key is the contract.
    CONTRACT_STARTED = 10
    CONTRACT_ENDED = 11
    CALL_SILENT = 12
    CALL_ATTENDED = 13


class Mark(NamedTuple):
    """The latest time at which something happened."""

    what: Latest
    key: str
    at: int


class State(NamedTuple):
    """All that is known of one contact point of one controller.

    `contact` is None once erased; `kind` only where no readable fact ever came. `seen` packs
    (accepted, fact id) of the latest facts, in order; `forgotten` is the latest acceptance that
    fell out of it.
    """

    controller: str
    kind: Kind | None
    contact: Contact | None
    denials: tuple[Denial, ...] = ()
    grants: tuple[Grant, ...] = ()
    marks: tuple[Mark, ...] = ()
    seen: bytes = b""
    forgotten: int = -(1 << 62)

    def __repr__(self) -> str:
        """Sizes only: references and ids of senders may hold personal data."""
        return (
            f"State({self.kind}, {len(self.denials)} denials, {len(self.grants)} grants,"
            f" {len(self.marks)} marks)"
        )


#: Nothing known of nobody.
EMPTY: Final = State("", None, None)
