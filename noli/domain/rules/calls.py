"""SILENT-HOLD: after a call that nobody spoke on."""

from __future__ import annotations

from noli.domain.policy import SILENT_HOLD
from noli.domain.reason import Reason
from noli.domain.rules.case import AUTOMATED_CALL, CALLS, NEVER, OPERATOR_CALL, Case
from noli.domain.state import Latest


def silent_hold(case: Case) -> int:
    """SILENT-HOLD (002): no call for 5 days, whatever the purpose; then an operator guaranteed.

    Returns the pairs allowed on that condition only.
    """
    silent = case.since(Latest.CALL_SILENT)
    if silent == NEVER:
        return 0
    over = silent + SILENT_HOLD
    if case.at < over:
        case.deny(Reason.SILENT_CALL_HOLD, CALLS & case.applicable)
        case.change(over)
        return 0
    if case.since(Latest.CALL_ATTENDED) > silent:
        return 0
    case.deny(Reason.OPERATOR_REQUIRED, AUTOMATED_CALL & case.applicable)
    return OPERATOR_CALL & case.applicable
