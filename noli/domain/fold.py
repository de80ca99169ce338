"""Facts into states. `fold` and `join` are commutative, associative and idempotent.

Nothing is decided here: what may turn out void later (a source revoked, a consent confirmed, a
number listed) is kept, and `verdict` decides at its moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final

from noli.domain import channel, facts, joins, seen
from noli.domain.channel import Purpose
from noli.domain.facts import Fact, Register, SourceKind
from noli.domain.state import EMPTY, Basis, Denial, Denied, Flag, Grant, Latest, Mark, State

_MARKETING: Final = channel.PURPOSE_BIT[Purpose.MARKETING]
_RELATIONSHIP: Final = channel.PURPOSE_BIT[Purpose.RELATIONSHIP]
_UNLAWFUL_KINDS: Final = frozenset(
    {SourceKind.SOCIAL_NETWORK, SourceKind.WEB_SCRAPE, SourceKind.UNKNOWN}
)


__all__ = ["EMPTY", "fold", "join"]


def fold(state: State | None, fact: Fact) -> State:
    """The state with one more fact. The very same object where the fact changes nothing.

    A party-level fact is given here once per linked contact, with that contact set. Raises
    ValueError for a fact without a contact, unless it is `Quarantined`: it is about no state.
    """
    if state is None:
        state = EMPTY
    elif seen.holds(state.seen, fact.fact_id):
        return state
    step = _FOLDS.get(type(fact.detail))
    if step is None:
        return state
    contact = fact.contact
    gone = state.contact is None
    if contact is not None:
        state = state._replace(controller=fact.controller, kind=contact.kind, contact=contact)
    elif not isinstance(fact.detail, facts.Quarantined):
        raise ValueError("fold: a fact without a contact belongs to no state")
    after = step(state, fact, fact.detail)
    known, forgotten = seen.cut(seen.add(state.seen, fact.accepted, fact.fact_id), state.forgotten)
    after = after._replace(seen=known, forgotten=forgotten)
    return joins.without_erased(after) if gone or after.denials else after


def join(one: State, other: State) -> State:
    """Two states of the same contact as one: as if all facts of both had been folded."""
    known, forgotten = seen.cut(
        seen.join(one.seen, other.seen), max(one.forgotten, other.forgotten)
    )
    return joins.without_erased(
        State(
            one.controller or other.controller,
            one.kind or other.kind,
            one.contact or other.contact,
            reduce(joins.with_denial, other.denials, one.denials),
            reduce(joins.with_grant, other.grants, one.grants),
            reduce(joins.with_mark, other.marks, one.marks),
            known,
            forgotten,
        )
    )


def _deny(state: State, fact: Fact, kind: Denied, mask: int, brands: tuple[str, ...]) -> State:
    denials = state.denials
    for brand in brands:
        denials = joins.with_denial(
            denials, Denial(kind, brand, mask, fact.effective, fact.accepted)
        )
    return state._replace(denials=denials)


def _objection(state: State, fact: Fact, detail: facts.ObjectionRaised) -> State:
    mask = channel.grid(detail.channels, detail.purposes)
    return _deny(state, fact, Denied.OBJECTED, mask, fact.brands)


def _withdrawal(state: State, fact: Fact, detail: facts.ConsentWithdrawn) -> State:
    mask = channel.grid(detail.channels, detail.purposes)
    return _deny(state, fact, Denied.WITHDRAWN, mask, fact.brands)


def _erasure(state: State, fact: Fact, _: facts.ErasureRequested) -> State:
    return _deny(state, fact, Denied.ERASED, channel.EVERYTHING, (facts.EVERY_BRAND,))


def _quarantine(state: State, fact: Fact, _: facts.Quarantined) -> State:
    return _deny(state, fact, Denied.QUARANTINED, channel.EVERYTHING, (facts.EVERY_BRAND,))


def _reach(state: State) -> int:
    return channel.reach(state.kind)


def _grant(state: State, fact: Fact, grant: Grant) -> State:
    grants = state.grants
    for brand in fact.brands:
        grants = joins.with_grant(grants, grant._replace(brand=brand))
    return state._replace(grants=grants)


def _consent(state: State, fact: Fact, detail: facts.ConsentGiven) -> State:
    reach = channel.reach(state.kind)
    named = detail.channels if fact.party else detail.channels & reach
    flags = 0
    if detail.purpose == Purpose.MARKETING and named & channel.AUTOMATED:
        flags |= Flag.EXTENDS
    mask = channel.grid(named & reach, channel.PURPOSE_BIT[detail.purpose])
    if not mask and not flags:
        return state
    if (
        detail.preticked
        or detail.required_for_contract
        or {*detail.box_purposes} - {detail.purpose}
    ):
        flags |= Flag.NOT_FREE
    if not fact.evidence_ref:
        flags |= Flag.UNPROVEN
    if detail.double_opt_in:
        flags |= Flag.DOUBLE_OPT_IN
    ref = (detail.consent_id or "") if detail.double_opt_in else ""
    time, accepted = fact.effective, fact.accepted
    if time <= state.forgotten:
        accepted = time  # may be the replay of a forgotten fact: it lifts nothing accepted since
    return _grant(
        state,
        fact,
        Grant(Basis.CONSENT, mask, "", fact.source_id or "", ref, flags, time, accepted),
    )


def _soft_opt_in(state: State, fact: Fact, detail: facts.SoftOptInRecorded) -> State:
    mask = channel.grid(
        channel.reach(state.kind) & (channel.CHANNEL_BIT["email"] | channel.CHANNEL_BIT["post"]),
        _MARKETING,
    )
    valid = detail.sale_id and detail.informed and detail.objection_offered and detail.categories
    flags = 0 if valid else Flag.INVALID
    for category in detail.categories or ("",):
        state = _grant(
            state,
            fact,
            Grant(
                Basis.SOFT_OPT_IN,
                mask,
                "",
                fact.source_id or "",
                category,
                flags,
                fact.effective,
                0,
            ),
        )
    return state


def _interest(state: State, fact: Fact, detail: facts.InterestRecorded) -> State:
    reach = channel.reach(state.kind) & detail.channels
    mask = channel.grid(reach, _RELATIONSHIP) | channel.grid(reach & channel.PERSONAL, _MARKETING)
    valid = detail.reason != facts.InterestReason.UNKNOWN and detail.informed and fact.evidence_ref
    return _grant(
        state,
        fact,
        Grant(
            Basis.LEGITIMATE_INTEREST,
            mask,
            "",
            fact.source_id or "",
            "",
            0 if valid else Flag.INVALID,
            fact.effective,
            0,
        ),
    )


def _collected(state: State, fact: Fact, detail: facts.ContactCollected) -> State:
    kind = detail.source_kind
    unlawful = kind in _UNLAWFUL_KINDS or (kind == SourceKind.PURCHASED_LIST and not detail.proof)
    mask = 0
    if kind == SourceKind.PUBLIC_DIRECTORY:
        mask = channel.grid(channel.reach(state.kind) & channel.PERSONAL, _MARKETING)
    return _grant(
        state,
        fact,
        Grant(
            Basis.PUBLIC_DIRECTORY,
            mask,
            "",
            fact.source_id or "",
            "",
            Flag.UNLAWFUL if unlawful else 0,
            fact.effective,
            0,
        ),
    )


def _mark(state: State, fact: Fact, what: Latest, key: str = "") -> State:
    return state._replace(marks=joins.with_mark(state.marks, Mark(what, key, fact.effective)))


def _directory(state: State, fact: Fact, detail: facts.DirectoryStatus) -> State:
    if detail.listed:
        return _mark(state, fact, Latest.LISTED_IN_DIRECTORY, fact.source_id or "")
    return _mark(state, fact, Latest.UNLISTED)


def _on_register(phone: Latest, post: Latest) -> Callable[[State, Fact, Any], State]:
    def step(
        state: State,
        fact: Fact,
        detail: facts.RegisterListed | facts.RegisterDelisted | facts.RegisterVerified,
    ) -> State:
        if detail.register == Register.UNKNOWN and not fact.denies:
            return state  # an unreadable listing is on both lists, an unreadable clearance on none
        if detail.register != Register.POST:
            state = _mark(state, fact, phone)
        if detail.register != Register.PHONE:
            state = _mark(state, fact, post)
        return state

    return step


_FOLDS: Final[Mapping[type, Callable[[State, Fact, Any], State]]] = {
    facts.ConsentGiven: _consent,
    facts.ConsentConfirmed: lambda s, f, d: _mark(s, f, Latest.CONFIRMED, d.consent_id),
    facts.ConsentWithdrawn: _withdrawal,
    facts.ObjectionRaised: _objection,
    facts.SoftOptInRecorded: _soft_opt_in,
    facts.InterestRecorded: _interest,
    facts.ContactCollected: _collected,
    facts.DirectoryStatus: _directory,
    facts.RegisterListed: _on_register(Latest.PHONE_LISTED, Latest.POST_LISTED),
    facts.RegisterDelisted: _on_register(Latest.PHONE_DELISTED, Latest.POST_DELISTED),
    facts.RegisterVerified: _on_register(Latest.PHONE_VERIFIED, Latest.POST_VERIFIED),
    facts.ContractStarted: lambda s, f, d: _mark(s, f, Latest.CONTRACT_STARTED, d.contract_id),
    facts.ContractEnded: lambda s, f, d: _mark(s, f, Latest.CONTRACT_ENDED, d.contract_id),
    facts.CallSilent: lambda s, f, _: _mark(s, f, Latest.CALL_SILENT),
    facts.CallAttended: lambda s, f, _: _mark(s, f, Latest.CALL_ATTENDED),
    facts.ErasureRequested: _erasure,
    facts.Quarantined: _quarantine,
}
