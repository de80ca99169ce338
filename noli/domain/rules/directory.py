"""DIRECTORY and UNLISTED: the public directory of subscribers."""

from __future__ import annotations

from noli.domain.reason import Reason
from noli.domain.rules import register
from noli.domain.rules.case import CALLS, NEVER, Case
from noli.domain.state import Basis, Grant, Latest


def directory(case: Case, grant: Grant) -> None:
    """DIRECTORY (002, 003, art. 130(3-bis)): collected there, recorded as listed there, checked."""
    if not grant.mask or not case.covers(grant.brand):
        return
    if grant.source in case.unlawful:
        case.void(Reason.SOURCE_UNLAWFUL, grant.mask)
        return
    if not recorded_as_listed(case, grant.source):
        return
    fallen = register.voided(case, grant, grant.mask)
    if fallen:
        case.void(Reason.REGISTERED, fallen)
    left = grant.mask & ~fallen
    if left:
        case.grant(Basis.PUBLIC_DIRECTORY, register.fresh_directory(case, left))


def recorded_as_listed(case: Case, source: str) -> bool:
    """The latest status says listed; a status that names a source counts for that one only."""
    listed = max(
        (
            m.at
            for m in case.state.marks
            if m.what == Latest.LISTED_IN_DIRECTORY and m.key in ("", source)
        ),
        default=NEVER,
    )
    return listed > case.since(Latest.UNLISTED)


def unlisted(case: Case) -> None:
    """UNLISTED (003): called only on a proven consent; nothing recorded is not unlisted."""
    said = case.since(Latest.UNLISTED)
    if said == NEVER:
        return
    listed = max(
        (m.at for m in case.state.marks if m.what == Latest.LISTED_IN_DIRECTORY), default=NEVER
    )
    if said >= listed:
        case.deny(Reason.UNLISTED, CALLS & case.applicable & ~case.consented)
