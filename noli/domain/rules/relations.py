"""SOFT-OPT-IN and INTEREST: what rests on a relation with the person, not on a consent."""

from __future__ import annotations

from noli.domain.reason import Reason
from noli.domain.rules import register, sources
from noli.domain.rules.case import MARKETING, NEVER, Case
from noli.domain.state import Basis, Flag, Grant


def soft_opt_in(case: Case, grant: Grant) -> None:
    """SOFT-OPT-IN (001, 002, art. 130(4)): e-mail and post, for the categories of the sale.

    Any other channel is refused by name; SOFT-OPT-IN-PRODUCT is left to the asker's category.
    """
    if not case.covers(grant.brand):
        return
    case.note(Reason.SOFT_OPT_IN_CHANNEL, case.applicable & MARKETING & ~grant.mask)
    unlawful = bool(grant.source) and grant.source in case.unlawful
    if _void(case, grant, Reason.SOFT_OPT_IN_INVALID, unlawful=unlawful):
        return
    mask = _off_register(case, grant)
    case.recorded |= mask
    case.products[grant.ref] = case.products.get(grant.ref, 0) | mask


def interest(case: Case, grant: Grant) -> None:
    """INTEREST (004, recital 47): `relationship`; `marketing` by operator call and post only.

    One that names no source of its own rests on how the contact was come by (SOURCE-KIND).
    """
    if not case.covers(grant.brand):
        return
    case.note(Reason.INTEREST_CHANNEL, case.applicable & MARKETING & ~grant.mask)
    unlawful = grant.source in case.unlawful or (
        not grant.source and sources.known_only_unlawfully(case)
    )
    if not _void(case, grant, Reason.INTEREST_INVALID, unlawful=unlawful):
        mask = register.fresh(case, _off_register(case, grant), NEVER)
        case.grant(Basis.LEGITIMATE_INTEREST, mask)


def _void(case: Case, grant: Grant, invalid: Reason, *, unlawful: bool) -> bool:
    """Whether the basis is void, having said every reason why."""
    if unlawful:
        case.void(Reason.SOURCE_UNLAWFUL, grant.mask)
    if grant.flags & Flag.INVALID:
        case.void(invalid, grant.mask)
    return unlawful or bool(grant.flags & Flag.INVALID)


def _off_register(case: Case, grant: Grant) -> int:
    fallen = register.voided(case, grant, grant.mask)
    if fallen:
        case.void(Reason.REGISTERED, fallen)
    return grant.mask & ~fallen
