"""PARTY (001, GDPR 21): what a person does on all contacts holds for each contact of theirs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from noli.domain.contact import Contact
from noli.domain.facts import Fact, PartyLinked, PartyUnlinked


class Links:
    """Which parties a contact was ever linked to. A join: order and repeats do not matter."""

    __slots__ = ("_linked", "_unlinked")

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._linked: dict[str, int] = {}
        self._unlinked: dict[str, int] = {}
        for fact in facts:
            if fact.party is None:
                continue
            if isinstance(fact.detail, PartyLinked):
                _later(self._linked, fact.party, fact.effective)
            elif isinstance(fact.detail, PartyUnlinked):
                _later(self._unlinked, fact.party, fact.effective)

    def parties(self) -> list[str]:
        """Every party ever linked, in order."""
        return sorted(self._linked)

    def holds(self, party: str, fact: Fact) -> bool:
        """Whether a party-level fact holds for the contact.

        A denial holds for every contact ever linked: unlinking lifts nothing. Anything else only
        while the latest word is a link.
        """
        linked = self._linked.get(party)
        if linked is None:
            return False
        unlinked = self._unlinked.get(party)
        return fact.denies or unlinked is None or linked > unlinked


def on_contact(fact: Fact, contact: Contact) -> Fact:
    """A party-level fact as a fact of one linked contact."""
    return replace(fact, contact=contact)


def _later(times: dict[str, int], party: str, at: int) -> None:
    times[party] = max(at, times.get(party, at))
