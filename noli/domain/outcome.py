"""All rules together: what holds for every pair of one contact, one brand, one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from noli.domain.policy import Policy
from noli.domain.reason import Reason
from noli.domain.rules import calls, consent, denials, directory, register, relations, sources
from noli.domain.rules.case import Case
from noli.domain.state import Basis, Grant, State

_BASES: Final[Mapping[Basis, Callable[[Case, Grant], None]]] = {
    Basis.CONSENT: consent.consent,
    Basis.SOFT_OPT_IN: relations.soft_opt_in,
    Basis.LEGITIMATE_INTEREST: relations.interest,
    Basis.PUBLIC_DIRECTORY: directory.directory,
}


class Outcome(NamedTuple):
    """Masks over the pairs that apply to the contact. A pair in no mask does not apply.

    `allowed` by basis, disjoint; `products` (by category) only of pairs not allowed anyway;
    `reasons` only of pairs not allowed; `guarded` needs an operator; `changes` as in `Case`.
    """

    allowed: dict[Basis, int]
    products: dict[str, int]
    reasons: dict[Reason, int]
    guarded: int
    changes: set[tuple[int, int]]


def outcome(state: State, policy: Policy, brand: str, at: int, known: int | None = None) -> Outcome:
    """Apply every rule of law.md to a state, for who asks for `brand` at `at` (ms).

    With `known`, what will hold at `at` by what was known at that earlier moment.
    """
    case = Case(state, policy, brand, at, at if known is None else known)
    if state.grants:
        sources.find_unlawful(case)
        for grant in state.grants:
            rule = _BASES.get(grant.basis)
            if rule is not None:
                rule(case, grant)
        sources.name_unlawful(case)
    if state.denials:
        denials.deny(case)
    guarded = 0
    if case.latest:
        directory.unlisted(case)
        register.name_listing(case)
        guarded = calls.silent_hold(case)
    return _settled(case, guarded)


def _settled(case: Case, guarded: int) -> Outcome:
    allowed: dict[Basis, int] = {}
    open_pairs = case.applicable & ~case.denied
    for basis in sorted(case.granted):
        mask = case.granted[basis] & open_pairs
        if mask:
            allowed[basis] = mask
            open_pairs &= ~mask
    refused = case.applicable
    for mask in allowed.values():
        refused &= ~mask
    if case.stale:
        case.note(Reason.REGISTER_CHECK_STALE, case.stale & open_pairs)
    products: dict[str, int] = {}
    for category, mask in case.products.items():
        if mask & open_pairs:
            products[category] = mask & open_pairs
            case.note(Reason.PRODUCT_REQUIRED, mask & open_pairs)
    # NO-BASIS (000, 002): nothing was ever recorded for exactly this pair.
    case.note(Reason.NO_BASIS, ~case.recorded)
    reasons = {}
    for reason, mask in case.reasons.items():
        if mask & refused:
            reasons[reason] = mask & refused
    return Outcome(allowed, products, reasons, guarded, case.changes)
