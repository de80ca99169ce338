"""REGISTER, REGISTER-CONTRACT, REGISTER-FRESH: the public register of objections (RPO)."""

from __future__ import annotations

from noli.domain.channel import Kind
from noli.domain.policy import CONTRACT_GRACE
from noli.domain.reason import Reason
from noli.domain.rules.case import CALLS, MARKETING, NEVER, POST, RELATIONSHIP, Case
from noli.domain.state import Basis, Grant, Latest

#: Country code of the numbers the register holds.
ITALY = "+39"


def listed(case: Case) -> tuple[int, int, bool]:
    """(pairs the register bears on, latest listing, whether it still stands) for the contact."""
    if case.kind == Kind.PHONE:
        mask, on, off = CALLS, Latest.PHONE_LISTED, Latest.PHONE_DELISTED
    elif case.kind == Kind.POSTAL:
        mask, on, off = POST, Latest.POST_LISTED, Latest.POST_DELISTED
    else:
        return 0, NEVER, False
    listing = case.since(on)
    stands = listing > NEVER and listing >= case.since(off)
    return mask & ~RELATIONSHIP & case.applicable, listing, stands


def survives(case: Case) -> bool:
    """REGISTER-CONTRACT (D.P.R. 26/2022): a contract is active, or ended at most 30 days ago."""
    started = {m.key: m.at for m in case.state.marks if m.what == Latest.CONTRACT_STARTED}
    if not started:
        return False
    ended = {m.key: m.at for m in case.state.marks if m.what == Latest.CONTRACT_ENDED}
    last = NEVER
    for contract, start in started.items():
        end = ended.get(contract, NEVER)
        if start > end:
            return True
        last = max(last, end)
    lapse = last + CONTRACT_GRACE
    case.change(lapse + 1, lapse)
    return case.at <= lapse


def voided(case: Case, grant: Grant, mask: int) -> int:
    """REGISTER (D.P.R. 26/2022): the pairs of a basis that a listing voids, for good.

    Every basis obtained up to the listing; later consents stand, another basis only once delisted.
    """
    if not case.latest:
        return 0
    barred, listing, stands = listed(case)
    if listing == NEVER or not mask & barred:
        return 0
    if grant.basis == Basis.CONSENT:
        falls = grant.time <= listing and not survives(case)
    else:
        falls = grant.time <= listing or stands
    return mask & barred if falls else 0


def name_listing(case: Case) -> None:
    """REGISTER: a listing that stands is named wherever nothing later allows."""
    barred, _, stands = listed(case) if case.latest else (0, NEVER, False)
    if stands:
        case.note(Reason.REGISTERED, barred)


def checked(case: Case) -> int:
    """REGISTER-FRESH: when the contact's register was last seen: verified, listed or delisted."""
    if case.kind == Kind.PHONE:
        seen = (Latest.PHONE_VERIFIED, Latest.PHONE_LISTED, Latest.PHONE_DELISTED)
    else:
        seen = (Latest.POST_VERIFIED, Latest.POST_LISTED, Latest.POST_DELISTED)
    return max([case.since(what) for what in seen])  # a list: a generator costs twice as much


def fresh(case: Case, mask: int, since: int) -> int:
    """REGISTER-FRESH (D.P.R. 26/2022): the pairs left of a basis once the check must be fresh.

    Calls to Italian numbers for marketing; `since` is the evidence time of a consent (`NEVER` for
    another basis). The directory basis is checked by `fresh_directory`.
    """
    needs = mask & CALLS & MARKETING
    contact = case.state.contact
    # An erased number may be Italian: read as such.
    if not needs or not (contact is None or contact.value.startswith(ITALY)):
        return mask
    return _unless_stale(case, mask, needs, since, case.policy.phone_check_valid)


def fresh_directory(case: Case, mask: int) -> int:
    """DIRECTORY, REGISTER-FRESH: freshly checked whatever the country; 30 days for post."""
    phone = case.kind == Kind.PHONE
    valid = case.policy.phone_check_valid if phone else case.policy.post_check_valid
    return _unless_stale(case, mask, mask, NEVER, valid)


def _unless_stale(case: Case, mask: int, needs: int, since: int, valid: int) -> int:
    lapse = max(checked(case) if case.latest else NEVER, since) + valid
    if case.at > lapse:
        case.stale |= needs
        case.recorded |= needs
        return mask & ~needs
    case.change(lapse + 1, lapse)
    return mask
