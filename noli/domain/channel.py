"""Closed vocabularies of the law, and the grid that turns it into bit arithmetic.

For one contact point the pairs channel x purpose are bits of one `int` (a *mask*): bit
`purpose * STRIDE + channel`. The stride leaves room for channels and purposes not invented yet, and
"all" means the unassigned bits too: an old objection to everything covers what is added later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from typing import Final


class Kind(StrEnum):
    """What a contact point is."""

    EMAIL = "email"
    PHONE = "phone"
    POSTAL = "postal"


class Channel(StrEnum):
    """How somebody is contacted; the order is the bit order and never changes."""

    EMAIL = "email"
    SMS = "sms"
    MMS = "mms"
    PUSH = "push"
    MESSAGING = "messaging"
    FAX = "fax"
    AUTOMATED_CALL = "automated_call"
    OPERATOR_CALL = "operator_call"
    POST = "post"


class Purpose(StrEnum):
    """What for; the order is the bit order and never changes."""

    MARKETING = "marketing"
    PROFILING = "profiling"
    THIRD_PARTY_DISCLOSURE = "third_party_disclosure"
    RELATIONSHIP = "relationship"


#: Bits per purpose: nine channels today, twelve at most.
STRIDE: Final = 12
#: Purposes that fit a signed 64-bit long at that stride.
PURPOSES_MAX: Final = 5

ALL_CHANNELS: Final = (1 << STRIDE) - 1
ALL_PURPOSES: Final = (1 << PURPOSES_MAX) - 1
EVERYTHING: Final = (1 << STRIDE * PURPOSES_MAX) - 1

CHANNELS: Final = tuple(Channel)
PURPOSES: Final = tuple(Purpose)
CHANNEL_BIT: Final[Mapping[str, int]] = {c.value: 1 << i for i, c in enumerate(CHANNELS)}
PURPOSE_BIT: Final[Mapping[str, int]] = {p.value: 1 << i for i, p in enumerate(PURPOSES)}

KNOWN_CHANNELS: Final = (1 << len(CHANNELS)) - 1
KNOWN_PURPOSES: Final = (1 << len(PURPOSES)) - 1

CALLS: Final = CHANNEL_BIT["operator_call"] | CHANNEL_BIT["automated_call"]
PERSONAL: Final = CHANNEL_BIT["operator_call"] | CHANNEL_BIT["post"]
AUTOMATED: Final = KNOWN_CHANNELS & ~PERSONAL

#: Channels that apply to a contact point of a kind. Push applies to none of the three.
OF_KIND: Final[Mapping[Kind, int]] = {
    Kind.EMAIL: CHANNEL_BIT["email"],
    Kind.PHONE: KNOWN_CHANNELS
    & ~(CHANNEL_BIT["email"] | CHANNEL_BIT["push"] | CHANNEL_BIT["post"]),
    Kind.POSTAL: CHANNEL_BIT["post"],
}


@cache
def grid(channels: int, purposes: int) -> int:
    """Mask of every pair of a channel set and a purpose set (both as bit sets)."""
    return sum(channels << STRIDE * p for p in range(PURPOSES_MAX) if purposes >> p & 1)


def reach(kind: Kind | None) -> int:
    """Channels that apply to a contact point; of an unknown kind, all: there is only denying it."""
    return KNOWN_CHANNELS if kind is None else OF_KIND[kind]


@cache
def applicable(kind: Kind | None) -> int:
    """Mask of the pairs whose channel reaches a contact point of that kind."""
    return grid(reach(kind), KNOWN_PURPOSES)


def pair(channel: Channel, purpose: Purpose) -> int:
    """Mask of one pair."""
    return grid(CHANNEL_BIT[channel], PURPOSE_BIT[purpose])


def channel_set(symbols: Iterable[str]) -> int:
    """Bit set of known symbols; all of them named reads as all. Raises KeyError for another."""
    return _widened(sum({CHANNEL_BIT[s] for s in symbols}), KNOWN_CHANNELS, ALL_CHANNELS)


def purpose_set(symbols: Iterable[str]) -> int:
    """Bit set of known symbols; all of them named reads as all. Raises KeyError for another."""
    return _widened(sum({PURPOSE_BIT[s] for s in symbols}), KNOWN_PURPOSES, ALL_PURPOSES)


def _widened(bits: int, known: int, everything: int) -> int:
    return everything if bits & known == known else bits


@cache
def channels_of(bits: int) -> tuple[Channel, ...]:
    """The known channels of a bit set, in bit order."""
    return tuple(c for c in CHANNELS if bits & CHANNEL_BIT[c])


@cache
def purposes_of(bits: int) -> tuple[Purpose, ...]:
    """The known purposes of a bit set, in bit order."""
    return tuple(p for p in PURPOSES if bits & PURPOSE_BIT[p])


@cache
def rectangles(mask: int) -> tuple[tuple[tuple[Channel, ...], tuple[Purpose, ...]], ...]:
    """A mask as few (channels, purposes) products: purposes with equal channels go together."""
    by_channels: dict[int, int] = {}
    for p in range(len(PURPOSES)):
        channels = mask >> STRIDE * p & ALL_CHANNELS
        if channels:
            by_channels[channels] = by_channels.get(channels, 0) | 1 << p
    return tuple((channels_of(c), purposes_of(p)) for c, p in by_channels.items())
