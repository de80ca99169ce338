"""What-if: facts and questions; each question sees the facts accepted up to its moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from noli.domain import campaigns, facts, fold, parties, verdict
from noli.domain.contact import Contact
from noli.domain.facts import Fact
from noli.domain.policy import Policy
from noli.domain.state import EMPTY, State
from noli.domain.verdict import Query, Verdict

_Key = tuple[str, Contact]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question about a contact of a controller at a moment (ms), for a call of a campaign."""

    controller: str
    contact: Contact
    query: Query
    at: int
    campaign: str | None = None


class Scenario:
    """Facts in any order; the same facts give the same answers."""

    def __init__(self, policy: Policy | None = None) -> None:
        self._policy = policy or Policy()
        self._known: dict[bytes, Fact] = {}

    def take(self, fact: Fact) -> None:
        """Add a fact. Of the same post taken twice, the earlier acceptance counts."""
        known = self._known.get(fact.fact_id)
        if known is None or fact.accepted < known.accepted:
            self._known[fact.fact_id] = fact

    def answers(self, asks: Sequence[Ask]) -> list[Verdict]:
        """One verdict per question, in their order."""
        board = _Board(self._policy, self._known.values())
        by_contact: dict[_Key, list[int]] = {}
        for number, ask in enumerate(asks):
            by_contact.setdefault((ask.controller, ask.contact), []).append(number)
        found: dict[int, Verdict] = {}
        for key, numbers in by_contact.items():
            numbers.sort(key=lambda number: asks[number].at)
            states = board.states(key, [asks[number].at for number in numbers])
            for number, state in zip(numbers, states, strict=True):
                ask = asks[number]
                found[number] = board.answered(ask, state)
        return [found[number] for number in range(len(asks))]


class _Board:
    """The facts, by whom they are about."""

    def __init__(self, policy: Policy, known: Iterable[Fact]) -> None:
        revoked = dict(policy.revoked)
        known = list(known)
        self._calls = campaigns.calls_of(known)
        self._own: dict[_Key, list[Fact]] = {}
        self._of_party: dict[tuple[str, str], list[Fact]] = {}
        self._links: dict[_Key, list[Fact]] = {}
        for fact in sorted(known, key=lambda fact: fact.accepted):
            if isinstance(fact.detail, facts.SourceRevoked):
                revoked.setdefault((fact.controller, fact.source_id or ""), fact.accepted)
            else:
                self._place(fact)
        self.policy = replace(policy, revoked=revoked)

    def _place(self, fact: Fact) -> None:
        link = isinstance(fact.detail, facts.PartyLinked | facts.PartyUnlinked)
        if fact.contact is not None:
            board = self._links if link else self._own
            board.setdefault((fact.controller, fact.contact), []).append(fact)
        if fact.party is not None and not link:
            self._of_party.setdefault((fact.controller, fact.party), []).append(fact)

    def answered(self, ask: Ask, state: State) -> Verdict:
        """The verdict on a state, for a call of a campaign by all that is known of it."""
        found = verdict.answer(state, self.policy, ask.query, ask.at)
        if ask.campaign is None:
            return found
        calls = self._calls.get((ask.controller, ask.campaign.strip()), ())
        over = campaigns.over_at(calls, ask.at)
        return campaigns.barred(found, ask.query.channel) if over else found

    def states(self, key: _Key, moments: Sequence[int]) -> Iterator[State]:
        """The contact's state at each of rising moments."""
        own = self._own.get(key, [])
        state = EMPTY._replace(controller=key[0], kind=key[1].kind, contact=key[1])
        done = 0
        for at in moments:
            while done < len(own) and own[done].accepted <= at:
                state = fold.fold(state, own[done])
                done += 1
            yield self._with_parties(state, key, at) if key in self._links else state

    def _with_parties(self, state: State, key: _Key, at: int) -> State:
        controller, contact = key
        links = parties.Links(fact for fact in self._links[key] if fact.accepted <= at)
        for party in links.parties():
            for fact in self._of_party.get((controller, party), ()):
                if fact.accepted <= at and links.holds(party, fact):
                    state = fold.fold(state, parties.on_contact(fact, contact))
        return state
