"""What the rules work on: one contact, one brand asked for, one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from noli.domain import channel
from noli.domain.channel import Kind
from noli.domain.facts import EVERY_BRAND
from noli.domain.policy import Policy
from noli.domain.reason import Reason
from noli.domain.state import Basis, Grant, Latest, State

#: Earlier than any evidence.
NEVER: Final = -(1 << 62)

CALLS: Final = channel.grid(channel.CALLS, channel.ALL_PURPOSES)
OPERATOR_CALL: Final = channel.grid(channel.CHANNEL_BIT["operator_call"], channel.ALL_PURPOSES)
AUTOMATED_CALL: Final = channel.grid(channel.CHANNEL_BIT["automated_call"], channel.ALL_PURPOSES)
POST: Final = channel.grid(channel.CHANNEL_BIT["post"], channel.ALL_PURPOSES)
MARKETING: Final = channel.grid(channel.ALL_CHANNELS, channel.PURPOSE_BIT["marketing"])
RELATIONSHIP: Final = channel.grid(channel.ALL_CHANNELS, channel.PURPOSE_BIT["relationship"])


class Lift(NamedTuple):
    """A valid consent, as what may lift a denial: its own scope, no extension."""

    mask: int
    brand: str
    time: int
    accepted: int


class Case:
    """Masks that the rules add to. `at` in ms; `changes` are (first moment, `until` shown)."""

    __slots__ = (
        "applicable",
        "at",
        "brand",
        "changes",
        "consented",
        "denied",
        "granted",
        "kind",
        "known",
        "latest",
        "lifts",
        "policy",
        "products",
        "reasons",
        "recorded",
        "stale",
        "state",
        "unlawful",
    )

    def __init__(self, state: State, policy: Policy, brand: str, at: int, known: int) -> None:
        self.state: Final = state
        self.policy: Final = policy
        self.brand: Final = brand
        self.at: Final = at
        #: The moment whose knowledge of revocations counts.
        self.known: Final = known
        self.kind: Final[Kind | None] = state.kind
        self.applicable: Final = channel.applicable(state.kind)
        #: Latest times of the marks without a key.
        self.latest: Final[Mapping[Latest, int]] = (
            {m.what: m.at for m in state.marks if not m.key} if state.marks else {}
        )
        #: Pairs allowed, by basis.
        self.granted: dict[Basis, int] = {}
        #: Pairs of consents that stand, whether or not a register check is fresh.
        self.consented = 0
        #: Pairs that lack only a fresh register check.
        self.stale = 0
        #: Soft opt-in: pairs by product category.
        self.products: dict[str, int] = {}
        #: Pairs for which some basis was recorded, void or not.
        self.recorded = 0
        self.reasons: dict[Reason, int] = {}
        #: Pairs denied whatever basis stands.
        self.denied = 0
        self.lifts: list[Lift] = []
        self.changes: set[tuple[int, int]] = set()
        self.unlawful: frozenset[str] = frozenset()

    def covers(self, brand: str) -> bool:
        """Whether a basis for that brand answers who asks."""
        return brand in (EVERY_BRAND, self.brand)

    def grant(self, basis: Basis, mask: int) -> None:
        """Allow pairs on a basis, unless something denies them."""
        self.recorded |= mask
        self.granted[basis] = self.granted.get(basis, 0) | mask

    def void(self, reason: Reason, mask: int) -> None:
        """Say why a recorded basis gives nothing for these pairs."""
        self.recorded |= mask
        self.reasons[reason] = self.reasons.get(reason, 0) | mask

    def note(self, reason: Reason, mask: int) -> None:
        """Give a reason for pairs that nothing else allows."""
        self.reasons[reason] = self.reasons.get(reason, 0) | mask

    def deny(self, reason: Reason, mask: int) -> None:
        """Deny pairs whatever basis stands."""
        self.denied |= mask
        self.reasons[reason] = self.reasons.get(reason, 0) | mask

    def change(self, first: int, until: int | None = None) -> None:
        """The outcome may differ from `first` on; `until` is what is shown (default `first`)."""
        if first > self.at:
            self.changes.add((first, first if until is None else until))

    def since(self, what: Latest) -> int:
        """Latest time of a mark without a key."""
        return self.latest.get(what, NEVER)

    def rests_on_unlawful(self, grant: Grant) -> bool:
        """SOURCE-KIND, SOURCE-REVOKED: whether the grant's own source is of no use."""
        return grant.source in self.unlawful
