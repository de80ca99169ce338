"""What an application holds, compared with what was decided. Pure.

A difference is repaired towards suppression only: what the application allows and the decision does
not is taken away; what the application denies is left to it, whoever said so there.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from connectors.protocol import Change, Held
from connectors.said import said
from noli.domain.facts import EVERY_BRAND

Pair = tuple[str, str, str]

#: The row that answers for every brand without verdicts of its own.
_OTHER_BRANDS: Final = ""


class Cause(StrEnum):
    """What is wrong with a contact at an application, the worst first."""

    #: It allows what is denied: somebody there changed it, or it never did what it confirmed.
    ALLOWED = "allowed"
    #: It does not know the contact, though something was said of it: cleaned up, or restored.
    MISSING = "missing"
    #: It holds an older version: restored from a backup.
    OLDER = "older"
    #: It holds a version that was never decided here: another Noli writes there too.
    NEWER = "newer"
    #: It denies what is allowed: it is coarser, or its own users said so. Left alone.
    DENIED = "denied"


#: What must not wait for anybody: somebody who objected may be contacted.
DANGEROUS: Final = frozenset({Cause.ALLOWED, Cause.MISSING, Cause.OLDER})


def cause(
    change: Change, held: Held | None, now: int, *, every_brand: bool = False
) -> Cause | None:
    """What is wrong, at a moment (ms); None: nothing. `held` None: the contact is unknown there.

    `every_brand`: what is held of brand `*` counts for all brands, so all of them must allow it.
    """
    if held is None:
        return Cause.MISSING if said(change) else None
    wanted = _allowed(change, now)
    if every_brand:
        wanted = _together(wanted)
    if any(allows and not _covers(wanted, pair) for pair, allows in held.allowed.items()):
        return Cause.ALLOWED
    if held.version is not None and held.version != change.version:
        return Cause.OLDER if held.version < change.version else Cause.NEWER
    if any(not allows and wanted.get(pair) for pair, allows in held.allowed.items()):
        return Cause.DENIED
    return None


def repair(change: Change, held: Held | None) -> Change | None:
    """The change to offer again: nothing in it allows what the application does not allow itself.

    None where nothing is to be taken away: who is unknown there and wholly allowed stays unknown.
    """
    here = {} if held is None else held.allowed
    verdicts = tuple(
        v if not v.allowed or here.get(v[:3]) else v._replace(allowed=False, until=None)
        for v in change.verdicts
    )
    denies = any(not v.allowed for v in said(change))
    return change._replace(verdicts=verdicts) if held is not None or denies else None


def _allowed(change: Change, now: int) -> dict[Pair, bool]:
    """Every pair that is named: whether it is allowed now. A verdict lapses at its `until`."""
    return {v[:3]: v.allowed and (v.until is None or v.until > now) for v in change.verdicts}


def _together(wanted: dict[Pair, bool]) -> dict[Pair, bool]:
    """The same, with every brand's word in that of `*`."""
    of_all: dict[Pair, bool] = {}
    for (channel, purpose, _), allowed in wanted.items():
        pair = channel, purpose, EVERY_BRAND
        of_all[pair] = allowed and of_all.get(pair, True)
    return {**wanted, **of_all}


def _covers(wanted: dict[Pair, bool], pair: Pair) -> bool:
    """Whether the decision allows a pair the application allows, by the rule of brands."""
    channel, purpose, brand = pair
    names = (brand,) if brand == EVERY_BRAND else (brand, _OTHER_BRANDS, EVERY_BRAND)
    known = (wanted.get((channel, purpose, name)) for name in names)
    return next((allowed for allowed in known if allowed is not None), False)
