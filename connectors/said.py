"""What of a change is worth a row: "everything else is denied" is said once, not pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from connectors.protocol import Change, Verdict

#: Stands for whatever a contact's other rows do not name.
EVERYTHING: Final = "*"
#: The row of everything else.
ELSE: Final = Verdict(EVERYTHING, EVERYTHING, EVERYTHING, allowed=False, reasons=("NO_BASIS",))


def said(change: Change) -> Sequence[Verdict]:
    """The verdicts that say more than `ELSE`.

    A brand without a basis is still said where another brand of the same pair has one.
    """
    pairs = {(v.channel, v.purpose) for v in change.verdicts if v[3:] != ELSE[3:]}
    return [v for v in change.verdicts if (v.channel, v.purpose) in pairs]
