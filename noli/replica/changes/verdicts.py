"""A decision as its pairs, in the words of the webhook's body: what the gate would answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from noli.domain import times
from noli.domain.channel import PURPOSES, Kind, channels_of, reach
from noli.domain.facts import EVERY_BRAND
from noli.replica.shape import Ruling, Shape, take_apart

#: Shapes kept with their rulings; a deployment has a few hundred.
_SHAPES: Final = 4_096

_KINDS: Final = frozenset(Kind)

#: channel, purpose, brand, and what the shape says of them.
_Pair = tuple[str, str, str, Ruling]


def change(token: bytes, decision: Mapping[str, Any], now: int) -> dict[str, Any]:
    """The event's data. What lapsed before `now` (ms) is told as it is now: denied."""
    contact = decision["contact"]
    if contact is not None and contact["kind"] not in _KINDS:
        contact = None
    shape, untils = take_apart(decision["rows"])
    brands = tuple(dict.fromkeys((EVERY_BRAND, *(row["brand"] for row in decision["rows"]))))
    kind = None if contact is None else Kind(contact["kind"])
    return {
        "token": token.hex(),
        "contact": contact and {"kind": contact["kind"], "value": contact["value"]},
        "controller": decision["controller"],
        "version": decision["version"],
        "verdicts": [_verdict(pair, untils, now) for pair in _pairs(shape, kind, brands)],
    }


def unreadable(token: bytes) -> dict[str, Any]:
    """The data for a decision that nobody can read: nothing is allowed until the next one."""
    return {
        "token": token.hex(),
        "contact": None,
        "controller": None,
        "version": None,
        "verdicts": [],
    }


@lru_cache(_SHAPES)
def _pairs(shape: bytes, kind: Kind | None, brands: tuple[str, ...]) -> tuple[_Pair, ...]:
    compiled = Shape(shape)
    return tuple(
        (channel.value, purpose.value, brand, compiled.ruling(kind, channel, purpose, brand, None))
        for brand in brands
        for channel in channels_of(reach(kind))
        for purpose in PURPOSES
    )


def _verdict(pair: _Pair, untils: tuple[int, ...], now: int) -> dict[str, Any]:
    channel, purpose, brand, ruling = pair
    until = None if ruling.until is None else untils[ruling.until]
    lapsed = until is not None and now > until
    said = ruling.then if lapsed else ruling.now
    return {
        "channel": channel,
        "purpose": purpose,
        "brand": brand,
        "allowed": said.allowed,
        "reasons": said.reasons,
        "conditions": said.conditions,
        "until": None if said.until is None or until is None else _text(until),
    }


def _text(moment: int) -> str | None:
    try:
        return times.text(moment)
    except OverflowError:
        return None  # beyond the year 9999: nobody alive will see it change
