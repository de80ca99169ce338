"""EVIDENCE: what was allowed to whom at a moment, why, and what would change it by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from noli.domain import channel, fold, verdict
from noli.domain.channel import Channel, Purpose
from noli.domain.contact import Contact
from noli.domain.facts import EVERY_BRAND
from noli.domain.policy import Policy
from noli.domain.state import EMPTY, State
from noli.domain.verdict import Query, Verdict
from noli.evidence.history import Entry, History


@dataclass(frozen=True, slots=True)
class Question:
    """About whom, and as of when (ms). What is None is asked for all that there is."""

    controller: str
    contact: Contact
    at: int
    channel: Channel | None = None
    purpose: Purpose | None = None
    brand: str | None = None
    product: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One verdict, for every pair of these channels and purposes.

    `then` is the verdict right after `verdict.until`, if no fact comes meanwhile.
    """

    channels: tuple[Channel, ...]
    purposes: tuple[Purpose, ...]
    brand: str
    verdict: Verdict
    then: Verdict | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """`facts` counted by `question.at`, in the order of evidence time; `later` did not yet count.

    `unread`: as in `History`.
    """

    question: Question
    answers: tuple[Answer, ...]
    facts: tuple[Entry, ...]
    later: int
    unread: tuple[str, ...]


def explain(question: Question, history: History) -> Explanation:
    """The verdicts at a moment, from the facts that the log had taken by then."""
    known = [entry for entry in history.entries if entry.known <= question.at]
    revoked = history.revocations(question.controller)
    told = [entry for entry in revoked if entry.known <= question.at]
    policy = Policy()
    for entry in told:
        policy = policy.with_revoked(
            entry.fact.controller, entry.fact.source_id or "", entry.fact.accepted
        )
    used = sorted([*known, *told], key=lambda e: (e.fact.effective, e.known, e.place))
    return Explanation(
        question,
        tuple(_answers(question, _state(question, known), policy)),
        tuple(used),
        len(history.entries) + len(revoked) - len(used),
        history.unread,
    )


def _state(question: Question, known: list[Entry]) -> State:
    contact = question.contact
    state = EMPTY._replace(controller=question.controller, kind=contact.kind, contact=contact)
    for entry in known:
        state = fold.fold(state, entry.fact)
    return state


_Pairs = dict[tuple[Verdict, Verdict | None], int]


def _answers(question: Question, state: State, policy: Policy) -> Iterator[Answer]:
    """Every pair asked for, those of equal verdicts together; a brand like the first one once."""
    first: _Pairs = {}
    for brand in _brands(question, state):
        found = _pairs(question, state, policy, brand)
        if found == first:
            continue
        first = first or found
        for (now, then), mask in found.items():
            for channels, purposes in channel.rectangles(mask):
                yield Answer(channels, purposes, brand, now, then)


def _pairs(question: Question, state: State, policy: Policy, brand: str) -> _Pairs:
    """Masks by verdict, and the verdict after it."""
    found: _Pairs = {}
    for query in _queries(question, brand):
        now = verdict.answer(state, policy, query, question.at)
        then = None
        if now.until is not None:
            # `until` is the last moment of an allowance, the first one after a denial.
            then = verdict.answer(state, policy, query, now.until + 1)
        pair = channel.pair(query.channel, query.purpose)
        found[now, then] = found.get((now, then), 0) | pair
    return found


def _brands(question: Question, state: State) -> list[str]:
    """The brand asked for; else every brand at once, and each one that a fact names."""
    if question.brand is not None:
        return [question.brand]
    named = {d.brand for d in state.denials} | {g.brand for g in state.grants}
    return [EVERY_BRAND, *sorted(named - {EVERY_BRAND})]


def _queries(question: Question, brand: str) -> Iterator[Query]:
    reached = channel.channels_of(channel.reach(question.contact.kind))
    for purpose in channel.PURPOSES if question.purpose is None else (question.purpose,):
        for each in reached if question.channel is None else (question.channel,):
            yield Query(each, purpose, brand, question.product)
