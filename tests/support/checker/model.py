"""The law as bounds: of a contact and a pair, what must be denied, what must be allowed.

Written from law.md (OBJECT, WITHDRAW, ERASED, CONSENT-EXTENDS, CONSENT-FREE, CONSENT-PROVEN,
NO-BASIS, PARTY, ties for the objection), not from the fold. What it does not follow (register, soft
opt-in, sources, calls) it answers with "either". It needs no order: only times count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Final, NamedTuple

from tests.support.checker.facts import EVERY_BRAND, Fact, Kind, Pair, Strength

_AUTOMATED: Final = frozenset(["email", "sms", "mms", "push", "messaging", "fax", "automated_call"])
_EXTENDED: Final = frozenset({"operator_call", "post"})
#: Calls to Italian numbers need a fresh check of the register: never "must be allowed" here.
_CALLS: Final = frozenset({"operator_call", "automated_call"})


class Bound(StrEnum):
    """What a right answer may be."""

    DENIED = "must be denied"
    ALLOWED = "must be allowed"
    EITHER = "either"


class Known(NamedTuple):
    """An event as the log holds it of one contact.

    `at`: not before then did the log take it, ms; `stood`: by then it surely had; None: not known.
    A repeat may have been accepted later: `first` and `last` are (effective, accepted) of each end.
    """

    fact: Fact
    topic: str
    at: int
    stood: int | None
    first: tuple[int, int]
    last: tuple[int, int]


class Law:
    """What the log says of each contact, and what follows from it."""

    def __init__(
        self,
        logged: Iterable[tuple[str, int, Fact]],
        acknowledged: Mapping[str, int] | None = None,
        *,
        persons: bool = False,
    ) -> None:
        """`logged`: (topic, log's time in ms, fact), in any order.

        `acknowledged`: event → when its sender was told; without it the log's own time counts.
        `persons`: whether what a person said surely stands for a contact once both the fact and the
        link do; otherwise nobody says when.
        """
        self._facts: dict[str, dict[tuple[str, Kind], Known]] = defaultdict(dict)
        self._acknowledged = acknowledged
        #: Party → its links: (contact, when the log took the link, when it surely stood, ms).
        links: dict[str, list[tuple[str, int, int | None]]] = defaultdict(list)
        of_parties: list[tuple[str, int, Fact]] = []
        for topic, at, fact in logged:
            if fact.kind is Kind.LINK and fact.party and fact.contact:
                links[fact.party].append((fact.contact, at, self._stood(fact, at)))
            elif fact.party and fact.contact is None:
                of_parties.append((topic, at, fact))
            if fact.contact is not None:
                self._add(fact.contact, topic, at, fact)
        for topic, at, fact in of_parties:
            for contact, linked, stood in links[fact.party or ""]:
                known = self._add(contact, topic, max(at, linked), _handed_on(fact))
                # What is handed on is only as fresh as parties are, wherever it stands by now.
                both = (stood, known.stood) if persons else (None,)
                surely = max((s for s in both if s is not None), default=None)
                self._facts[contact][fact.id, fact.kind] = known._replace(
                    topic=topic, stood=None if None in both else surely
                )

    @property
    def contacts(self) -> Iterable[str]:
        """Of whom anything was said."""
        return self._facts.keys()

    def of(self, contact: str) -> Sequence[Known]:
        """What was said of a contact; empty for one nobody spoke of."""
        return tuple(self._facts[contact].values()) if contact in self._facts else ()

    @cached_property
    def denials(self) -> Sequence[tuple[int, str, Known]]:
        """What surely denies from a moment on: (when it surely stood, contact, fact), by moment."""
        found = [
            (known.stood, contact, known)
            for contact, facts in self._facts.items()
            for known in facts.values()
            if known.fact.denies and known.stood is not None
        ]
        return sorted(found, key=lambda each: (each[0], each[1], each[2].fact.id))

    def standing(self, contact: str, pair: Pair, denial: Known, by: int | None = None) -> bool:
        """Whether `denial` surely denies the pair, whatever consent the log took until `by`."""
        return _standing(denial, pair, self._until(contact, by), certain=False)

    def based(self, contact: str, pair: Pair, by: int | None = None) -> bool:
        """NO-BASIS: whether anything the log took until `by` could allow the pair at all."""
        return any(
            k.fact.kind is Kind.BASIS
            or (k.fact.kind is Kind.CONSENT and k.fact.strength is not Strength.VOID
                and _covers(k.fact, pair))
            for k in self._until(contact, by)
        )  # fmt: skip

    def bound(self, contact: str, pair: Pair) -> Bound:
        """With everything in the log told."""
        known = self.of(contact)
        if not self.based(contact, pair):
            return Bound.DENIED
        denials = [k for k in known if k.fact.denies]
        if any(_standing(denial, pair, known, certain=False) for denial in denials):
            return Bound.DENIED
        if any(k.fact.kind is Kind.DOUBT for k in known) or pair[0] in _CALLS:
            return Bound.EITHER
        # Denials of a scope are kept as one, by the later of each time (blueprint): two of them,
        # each answered by a consent of its own, may stay denied.
        worst = (
            max((k.last[0] for k in denials), default=0),
            max((k.last[1] for k in denials), default=0),
        )
        together = [denial._replace(last=worst) for denial in denials]
        if any(_standing(denial, pair, known, certain=True) for denial in together):
            return Bound.EITHER
        erased = [k.last for k in denials if k.fact.kind is Kind.ERASURE]
        sure = any(
            _covers(k.fact, pair) and all(_later(k.first, last) for last in erased)
            for k in known
            if k.fact.kind is Kind.CONSENT and k.fact.strength is Strength.SURE
        )
        return Bound.ALLOWED if sure else Bound.EITHER

    def sure_pairs(self, contact: str) -> set[Pair]:
        """Pairs worth asking `bound` about: those that a sure consent speaks of."""
        return {
            (channel, purpose, brand)
            for k in self.of(contact)
            if k.fact.kind is Kind.CONSENT and k.fact.strength is Strength.SURE
            for channel in _reach(k.fact)
            for purpose in k.fact.purposes
            for brand in k.fact.brands
        }

    def _until(self, contact: str, by: int | None) -> Sequence[Known]:
        known = self.of(contact)
        return known if by is None else [k for k in known if k.at <= by]

    def _stood(self, fact: Fact, at: int) -> int | None:
        return at if self._acknowledged is None else self._acknowledged.get(fact.id)

    def _add(self, contact: str, topic: str, at: int, fact: Fact) -> Known:
        stamp = (fact.effective, fact.accepted)
        stood = self._stood(fact, at)
        # An unlinking is one event, and its withdrawal from the contact the same: two kinds.
        place, found = (fact.id, fact.kind), self._facts[contact]
        known = found.get(place)
        if known is None:
            known = Known(fact, topic, at, stood, stamp, stamp)
        else:
            known = known._replace(
                at=min(known.at, at),
                first=_each(min, known.first, stamp),
                last=_each(max, known.last, stamp),
            )
        found[place] = known
        return known


def _each(
    choose: Callable[[int, int], int], one: tuple[int, int], other: tuple[int, int]
) -> tuple[int, int]:
    return choose(one[0], other[0]), choose(one[1], other[1])


def _handed_on(fact: Fact) -> Fact:
    """PARTY: a denial of the person holds for every contact ever linked; the rest depends."""
    if fact.kind is Kind.CONSENT and fact.strength is Strength.SURE:
        return fact._replace(strength=Strength.POSSIBLE)
    return fact


def _standing(denial: Known, pair: Pair, known: Sequence[Known], *, certain: bool) -> bool:
    """Whether a denial holds for a pair. `certain`: unless surely lifted, else unless possibly."""
    fact = denial.fact
    channel, purpose, brand = pair
    if channel not in fact.channels or purpose not in fact.purposes:
        return False
    said = {b for b in fact.brands if brand == EVERY_BRAND or b in (EVERY_BRAND, brand)}
    if fact.kind is Kind.UNREADABLE:
        return bool(said)
    lifts = [k for k in known if _may_lift(k, denial, pair, certain=certain)]
    return any(not any(_speaks(k.fact, b, brand) for k in lifts) for b in said)


def _may_lift(consent: Known, denial: Known, pair: Pair, *, certain: bool) -> bool:
    """OBJECT: evidence and acceptance both later, and only for its own scope. Ties deny."""
    fact = consent.fact
    if fact.kind is not Kind.CONSENT or fact.strength is Strength.VOID:
        return False
    if certain and fact.strength is not Strength.SURE:
        return False
    if pair[0] not in fact.channels or pair[1] not in fact.purposes:
        return False
    if certain:
        return _later(consent.first, denial.last)
    return _later(consent.last, denial.first)


def _later(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] > other[0] and one[1] > other[1]


def _speaks(consent: Fact, denied: str, asked: str) -> bool:
    """Whether a consent is for the brand that was denied, or the one asked for, or all."""
    named = consent.brands
    return EVERY_BRAND in named or denied in named or (asked != EVERY_BRAND and asked in named)


def _reach(consent: Fact) -> frozenset[str]:
    """CONSENT-EXTENDS: marketing for any automated channel reaches calls by operator and post."""
    extends = "marketing" in consent.purposes and consent.channels & _AUTOMATED
    return (consent.channels | _EXTENDED if extends else consent.channels) & consent.reach


def _covers(consent: Fact, pair: Pair) -> bool:
    channel, purpose, brand = pair
    named = EVERY_BRAND in consent.brands or brand in consent.brands
    return named and channel in _reach(consent) and purpose in consent.purposes
