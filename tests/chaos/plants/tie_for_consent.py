"""A consent of the very moment of an objection lifts it."""

from __future__ import annotations

from noli.domain.facts import EVERY_BRAND
from noli.domain.rules import denials
from noli.domain.rules.case import Case
from noli.domain.state import Denial


def plant() -> None:
    """Later or equal, where the law says later."""

    def lifted(case: Case, denial: Denial) -> int:
        mask = 0
        for lift in case.lifts:
            if lift.time >= denial.time and lift.accepted >= denial.accepted:
                mask |= lift.mask if lift.brand in (EVERY_BRAND, denial.brand) else 0
        return mask

    denials.lifted = lifted
