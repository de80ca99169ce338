"""What somebody said, as the checker's model reads it: from a CloudEvent of events.md, or made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

CHANNELS: Final = frozenset(
    ["email", "sms", "mms", "push", "messaging", "fax", "automated_call", "operator_call", "post"]
)
PURPOSES: Final = frozenset(["marketing", "profiling", "third_party_disclosure", "relationship"])
OBJECTED_BY_DEFAULT: Final = frozenset(["marketing", "profiling", "third_party_disclosure"])
EVERY_BRAND: Final = "*"

#: Channel, purpose, brand.
Pair = tuple[str, str, str]


class Kind(StrEnum):
    """What a fact does to verdicts."""

    #: Objection or withdrawal.
    DENIAL = "denial"
    ERASURE = "erasure"
    #: A record that nobody could read: denies whoever its key names; nothing lifts it.
    UNREADABLE = "unreadable"
    CONSENT = "consent"
    #: May give a basis that the model does not judge (soft opt-in, interest, directory).
    BASIS = "basis"
    LINK = "link"
    #: May take an allowance away: register, silent call, unlink, revocation, anything unknown.
    DOUBT = "doubt"


class Strength(StrEnum):
    """Of a consent: whether the law lets it count."""

    VOID = "void"
    #: Depends on what the model does not follow (confirmation, source).
    POSSIBLE = "possible"
    SURE = "sure"


class Fact(NamedTuple):
    """One event. Times in ms; an empty set of channels or purposes covers nothing."""

    #: `source` and `id` of its CloudEvent: the same again is the same event.
    id: str
    kind: Kind
    time: int
    accepted: int
    contact: str | None = None
    party: str | None = None
    channels: frozenset[str] = CHANNELS
    purposes: frozenset[str] = PURPOSES
    brands: frozenset[str] = frozenset({EVERY_BRAND})
    strength: Strength = Strength.VOID
    #: Channels that can reach the contact point at all, by its kind.
    reach: frozenset[str] = CHANNELS

    @property
    def effective(self) -> int:
        """Evidence time: nothing takes effect from the future."""
        return min(self.time, self.accepted)

    @property
    def denies(self) -> bool:
        """Whether it denies whatever basis stands."""
        return self.kind in {Kind.DENIAL, Kind.ERASURE, Kind.UNREADABLE}

    @property
    def meaning(self) -> tuple[object, ...]:
        """All but times: equal for repeats of one event."""
        return (self.kind, self.channels, self.purposes, self.brands, self.strength)


def event_id(event: Mapping[str, Any]) -> str:
    """The identity of a CloudEvent."""
    return f"{event['source']}|{event['id']}"


def fact_of(event: Mapping[str, Any], time: int, accepted: int, contact: str | None = None) -> Fact:
    """A CloudEvent of events.md as the law reads it; times in ms, `contact` as the log names it."""
    data: Mapping[str, Any] = event.get("data") or {}
    fact = Fact(
        event_id(event), Kind.DOUBT, time, accepted, contact, data.get("party"),
        brands=frozenset(data.get("brands") or [EVERY_BRAND]),
    )  # fmt: skip
    read = _READ.get(event["type"])
    return read(fact, data) if read else fact


def _denial(fact: Fact, data: Mapping[str, Any], default: frozenset[str]) -> Fact:
    """OBJECT, WITHDRAW: an unknown symbol widens to all."""
    return fact._replace(
        kind=Kind.DENIAL,
        channels=_widened(data.get("channels"), CHANNELS, CHANNELS),
        purposes=_widened(data.get("purposes"), PURPOSES, default),
    )


def _widened(
    symbols: Iterable[str] | None, known: frozenset[str], default: frozenset[str]
) -> frozenset[str]:
    named = frozenset(symbols or ())
    if not named:
        return default
    return known if named - known else named


def _consent(fact: Fact, data: Mapping[str, Any]) -> Fact:
    purpose, evidence = data.get("purpose"), data.get("evidence") or {}
    boxes = list(evidence.get("box_purposes") or [])
    void = (
        purpose not in PURPOSES
        or not evidence.get("ref")
        or evidence.get("preticked")
        or evidence.get("required_for_contract")
        or len(boxes) > 1
    )
    sure = not (data.get("double_opt_in") or data.get("source_id")) and boxes in ([], [purpose])
    return fact._replace(
        kind=Kind.CONSENT,
        channels=frozenset(data.get("channels") or ()) & CHANNELS,
        purposes=frozenset({str(purpose)}),
        strength=Strength.VOID if void else Strength.SURE if sure else Strength.POSSIBLE,
    )


def _kind(kind: Kind) -> Callable[[Fact, Mapping[str, Any]], Fact]:
    return lambda fact, _: fact._replace(kind=kind)


_READ: Final[Mapping[str, Callable[[Fact, Mapping[str, Any]], Fact]]] = {
    "noli.objection.raised.v1": lambda fact, data: _denial(fact, data, OBJECTED_BY_DEFAULT),
    "noli.consent.withdrawn.v1": lambda fact, data: _denial(fact, data, PURPOSES),
    "noli.erasure.requested.v1": lambda fact, _: fact._replace(
        kind=Kind.ERASURE, brands=frozenset({EVERY_BRAND})
    ),
    "noli.consent.given.v1": _consent,
    "noli.soft_opt_in.recorded.v1": _kind(Kind.BASIS),
    "noli.interest.recorded.v1": _kind(Kind.BASIS),
    "noli.contact.collected.v1": _kind(Kind.BASIS),
    "noli.directory.status.v1": _kind(Kind.BASIS),
    "noli.party.linked.v1": _kind(Kind.LINK),
}
