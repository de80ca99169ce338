"""SOURCE-KIND and SOURCE-REVOKED: where a contact was got from."""

from __future__ import annotations

from noli.domain.reason import Reason
from noli.domain.rules.case import Case
from noli.domain.state import Basis, Flag


def find_unlawful(case: Case) -> None:
    """SOURCE-KIND (seeds 000, 002), SOURCE-REVOKED (002: Edipro, Consodata, Fastweb).

    A source that was ever recorded as of an unlawful kind is unlawful, and so is a revoked one.
    """
    grants, revoked = case.state.grants, case.policy.revoked
    unlawful = {g.source for g in grants if g.flags & Flag.UNLAWFUL}
    if revoked:
        controller = case.state.controller
        for source in {g.source for g in grants if g.source}:
            accepted = revoked.get((controller, source))
            if accepted is not None and accepted <= case.known:
                unlawful.add(source)
    if unlawful:
        case.unlawful = frozenset(unlawful)


def known_only_unlawfully(case: Case) -> bool:
    """SOURCE-KIND: whether every source the contact was collected from is unlawful."""
    if not case.unlawful:
        return False
    collected = [g for g in case.state.grants if g.basis == Basis.PUBLIC_DIRECTORY]
    return bool(collected) and all(g.source in case.unlawful for g in collected)


def name_unlawful(case: Case) -> None:
    """SOURCE-KIND (000, 002): the denial of a contact known only from such a source says so."""
    if known_only_unlawfully(case):
        case.note(Reason.SOURCE_UNLAWFUL, case.applicable)
