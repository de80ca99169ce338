"""The consent rules: specific, free, proven, confirmed, extended.

CONSENT-SPECIFIC needs no code of its own: a consent's mask holds pairs of its one purpose only.
"""

from __future__ import annotations

from functools import cache

from noli.domain import channel
from noli.domain.channel import Kind
from noli.domain.reason import Reason
from noli.domain.rules import register
from noli.domain.rules.case import Case, Lift
from noli.domain.state import Basis, Flag, Grant, Latest


def consent(case: Case, grant: Grant) -> None:
    """Allow what a valid consent covers and let it lift; say why a void one gives nothing."""
    covers = case.covers(grant.brand)
    scope = grant.mask | extension(case.kind) if grant.flags & Flag.EXTENDS else grant.mask
    reasons = void(case, grant)
    if reasons:
        if covers:
            for reason in reasons:
                case.void(reason, scope)
        return
    fallen = register.voided(case, grant, scope)
    case.lifts.append(Lift(grant.mask & ~fallen, grant.brand, grant.time, grant.accepted))
    if not covers:
        return
    if fallen:
        case.void(Reason.REGISTERED, fallen)
        scope &= ~fallen
    case.consented |= scope
    case.grant(Basis.CONSENT, register.fresh(case, scope, grant.time))


@cache
def extension(kind: Kind | None) -> int:
    """CONSENT-EXTENDS (002): marketing by operator call and post, nothing automated."""
    return channel.grid(channel.reach(kind) & channel.PERSONAL, channel.PURPOSE_BIT["marketing"])


def void(case: Case, grant: Grant) -> list[Reason]:
    """Every reason for which a consent is void; none where it stands."""
    reasons = []
    if grant.source and grant.source in case.unlawful:
        reasons.append(Reason.SOURCE_UNLAWFUL)  # SOURCE-KIND, SOURCE-REVOKED (000, 002)
    if grant.flags & Flag.NOT_FREE:
        reasons.append(Reason.CONSENT_INVALID)  # CONSENT-FREE (002)
    if grant.flags & Flag.UNPROVEN:
        reasons.append(Reason.CONSENT_UNPROVEN)  # CONSENT-PROVEN (001, 003, GDPR 7)
    if grant.flags & Flag.DOUBLE_OPT_IN:
        reasons += unconfirmed(case, grant)
    return reasons


def unconfirmed(case: Case, grant: Grant) -> list[Reason]:
    """CONSENT-CONFIRMED (004): effective once confirmed within its window.

    While it can still be confirmed it is unconfirmed; afterwards it is invalid too, for good.
    """
    last = grant.time + case.policy.double_opt_in_window
    for mark in case.state.marks:
        if (
            mark.what == Latest.CONFIRMED
            and mark.key == grant.ref
            and grant.time <= mark.at <= last
        ):
            return []
    case.change(last)
    if case.at < last:
        return [Reason.CONSENT_UNCONFIRMED]
    return [Reason.CONSENT_UNCONFIRMED, Reason.CONSENT_INVALID]
