"""What a fact of each type adds to a state. Nothing is decided here: see `rules`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from noli.domain import channel, facts, joins
from noli.domain.channel import Purpose
from noli.domain.facts import Fact, Register, SourceKind
from noli.domain.state import Basis, Denial, Denied, Flag, Grant, Latest, Mark, State

_MARKETING: Final = channel.PURPOSE_BIT[Purpose.MARKETING]
_RELATIONSHIP: Final = channel.PURPOSE_BIT[Purpose.RELATIONSHIP]
_SOFT_CHANNELS: Final = channel.CHANNEL_BIT["email"] | channel.CHANNEL_BIT["post"]
_UNLAWFUL_KINDS: Final = frozenset(
    {SourceKind.SOCIAL_NETWORK, SourceKind.WEB_SCRAPE, SourceKind.UNKNOWN}
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


def _grant(state: State, fact: Fact, basis: Basis, mask: int, flags: int, ref: str = "") -> State:
    """A grant per brand. Only a consent is stamped with its acceptance: only it can lift."""
    time, accepted = fact.effective, fact.accepted if basis == Basis.CONSENT else 0
    if time <= state.forgotten:
        # It may be the replay of a fact no longer remembered: it lifts nothing accepted since.
        accepted = min(accepted, time)
    grants = state.grants
    for brand in fact.brands:
        grant = Grant(basis, mask, brand, fact.source_id or "", ref, flags, time, accepted)
        grants = joins.with_grant(grants, grant)
    return state._replace(grants=grants)


def _consent(state: State, fact: Fact, detail: facts.ConsentGiven) -> State:
    reach = channel.reach(state.kind)
    # A person's consent for a channel of another contact of theirs extends to this one too.
    named = detail.channels if fact.party else detail.channels & reach
    marketing = detail.purpose == Purpose.MARKETING
    flags = Flag.EXTENDS if marketing and named & channel.AUTOMATED else 0
    mask = channel.grid(named & reach, channel.PURPOSE_BIT[detail.purpose])
    if not mask and not flags:
        return state
    other_purposes = {*detail.box_purposes} - {detail.purpose}
    if detail.preticked or detail.required_for_contract or other_purposes:
        flags |= Flag.NOT_FREE
    if not fact.evidence_ref:
        flags |= Flag.UNPROVEN
    ref = ""
    if detail.double_opt_in:
        flags |= Flag.DOUBLE_OPT_IN
        ref = detail.consent_id or ""
    return _grant(state, fact, Basis.CONSENT, mask, flags, ref)


def _soft_opt_in(state: State, fact: Fact, detail: facts.SoftOptInRecorded) -> State:
    mask = channel.grid(channel.reach(state.kind) & _SOFT_CHANNELS, _MARKETING)
    valid = detail.sale_id and detail.informed and detail.objection_offered and detail.categories
    for category in detail.categories or ("",):
        flags = 0 if valid else Flag.INVALID
        state = _grant(state, fact, Basis.SOFT_OPT_IN, mask, flags, category)
    return state


def _interest(state: State, fact: Fact, detail: facts.InterestRecorded) -> State:
    reach = channel.reach(state.kind) & detail.channels
    mask = channel.grid(reach, _RELATIONSHIP) | channel.grid(reach & channel.PERSONAL, _MARKETING)
    known = detail.reason != facts.InterestReason.UNKNOWN
    valid = known and detail.informed and fact.evidence_ref
    return _grant(state, fact, Basis.LEGITIMATE_INTEREST, mask, 0 if valid else Flag.INVALID)


def _collected(state: State, fact: Fact, detail: facts.ContactCollected) -> State:
    kind = detail.source_kind
    unlawful = kind in _UNLAWFUL_KINDS or (kind == SourceKind.PURCHASED_LIST and not detail.proof)
    mask = 0
    if kind == SourceKind.PUBLIC_DIRECTORY:
        mask = channel.grid(channel.reach(state.kind) & channel.PERSONAL, _MARKETING)
    return _grant(state, fact, Basis.PUBLIC_DIRECTORY, mask, Flag.UNLAWFUL if unlawful else 0)


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


#: What each type of fact adds to a state. A type that is not here adds nothing.
STEPS: Final[Mapping[type, Callable[[State, Fact, Any], State]]] = {
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
