"""OBJECT, WITHDRAW, ERASED and quarantine: what denies whatever basis stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from noli.domain.facts import EVERY_BRAND
from noli.domain.reason import Reason
from noli.domain.rules.case import Case
from noli.domain.state import Denial, Denied

REASON_OF: Final[Mapping[Denied, Reason]] = {
    Denied.UNKNOWN: Reason.QUARANTINED,
    Denied.OBJECTED: Reason.OBJECTED,
    Denied.WITHDRAWN: Reason.WITHDRAWN,
    Denied.ERASED: Reason.ERASED,
    Denied.QUARANTINED: Reason.QUARANTINED,
}
_LIFTABLE: Final = frozenset({Denied.OBJECTED, Denied.WITHDRAWN, Denied.ERASED})


def deny(case: Case) -> None:
    """OBJECT (001, GDPR 21), WITHDRAW (GDPR 7(3)), ERASED (004, GDPR 17).

    Asked for a brand: what was said to it or to all. Asked without: an objection to any denies.
    """
    for denial in case.state.denials:
        if case.brand in (EVERY_BRAND, denial.brand) or denial.brand == EVERY_BRAND:
            mask = denial.mask & case.applicable
            if case.lifts and denial.kind in _LIFTABLE:
                mask &= ~lifted(case, denial)
            if mask:
                case.deny(REASON_OF[denial.kind], mask)


def lifted(case: Case, denial: Denial) -> int:
    """OBJECT: the pairs of valid consents whose evidence and acceptance are both later; ties deny.

    The consent must be for every brand, or for the one denied, or for the one asked for.
    """
    mask = 0
    for lift in case.lifts:
        if (
            lift.time > denial.time
            and lift.accepted > denial.accepted
            and (
                lift.brand in (EVERY_BRAND, denial.brand)
                or (lift.brand == case.brand and case.brand != EVERY_BRAND)
            )
        ):
            mask |= lift.mask
    return mask
