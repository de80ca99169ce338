"""The state is a join: no order, repeat, split or replay of facts changes an answer."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noli.domain import fold, joins, times, verdict
from noli.domain.channel import Channel, Kind, Purpose
from noli.domain.facts import ObjectionRaised
from noli.domain.policy import Policy
from noli.domain.state import Grant, State
from noli.domain.verdict import Query, Verdict
from tests.support.histories import CONTACTS, END, History, denials, histories, questions
from tests.support.law import consent, fact, folded, objection, on

POLICY = Policy().with_revoked("acme", "list", on(20))
NOW = on(END + 1)


def answers(state: State, kind: Kind, at: int = NOW) -> dict[Query, Verdict]:
    """Every question and its answer, from the rows (which answer as the law does: see below)."""
    rows, _ = verdict.verdicts(state, POLICY, at)
    return {query: verdict.answer_from(rows, kind, query, at) for query in questions(kind)}


@given(histories(), st.integers())
def test_the_order_of_facts_changes_nothing(history: History, seed: int) -> None:
    """Any permutation gives the equal state and the equal rows."""
    _, told = history
    shuffled = random.Random(seed).sample(told, len(told))
    one, other = folded(told), folded(shuffled)
    assert one == other
    assert verdict.verdicts(one, POLICY, NOW) == verdict.verdicts(other, POLICY, NOW)


@given(histories(), st.integers(0, 400))
def test_a_fact_folded_again_gives_the_very_same_state(history: History, later: int) -> None:
    """Also when the retry was accepted later: nothing to write, nothing to tell."""
    _, told = history
    state = folded(told)
    for each in told:
        assert fold.fold(state, replace(each, accepted=each.accepted + later)) is state


@given(histories(), st.integers())
def test_states_join_as_if_their_facts_had_been_folded(history: History, seed: int) -> None:
    """Commutative, associative, idempotent, and equal to one fold of all."""
    _, told = history
    sides = random.Random(seed).choices(range(3), k=len(told))
    a, b, c = (
        folded(each for each, side in zip(told, sides, strict=True) if side == part)
        for part in range(3)
    )
    whole = folded(told)
    assert fold.join(fold.join(a, b), c) == whole
    assert fold.join(a, fold.join(b, c)) == whole
    assert fold.join(c, fold.join(b, a)) == whole
    assert fold.join(whole, whole) == whole


@pytest.mark.rule("OBJECT")
@given(histories(), st.data())
def test_one_more_denial_allows_nothing_new(history: History, data: st.DataObject) -> None:
    """An objection or withdrawal added, of whatever time, never turns a D into an A."""
    kind, told = history
    denial = data.draw(denials(kind))
    before, after = answers(folded(told), kind), answers(folded([*told, denial]), kind)
    assert not [query for query in before if after[query].allowed and not before[query].allowed]


@pytest.mark.rule("OBJECT")
@given(histories(erasures=False), st.data())
def test_what_is_older_than_an_objection_to_all_allows_nothing(
    history: History, data: st.DataObject
) -> None:
    """However late old facts arrive, all that is not later in both times stays denied."""
    kind, told = history
    said = objection(END, contact=CONTACTS[kind], purposes=["*"])
    arrival = END + 1 + data.draw(st.integers(0, 9))
    replayed = [replace(each, accepted=on(arrival), fact_id=bytes([n]) * 16)
                for n, each in enumerate(told) if each.time <= said.time]  # fmt: skip
    state = folded([*told, said, *replayed])
    assert not [v for v in answers(state, kind, on(END + 20)).values() if v.allowed]


@given(histories(), st.floats(0, 30))
def test_stored_rows_answer_as_the_law_does(history: History, days: float) -> None:
    """For every pair and brand, named or not; later too, until the rows say they change."""
    kind, told = history
    state = folded(told)
    rows, change = verdict.verdicts(state, POLICY, NOW)
    later = NOW + round(days * times.DAY)
    if change is not None:
        later = min(later, change - 1)
    for query in questions(kind):
        stored = verdict.answer_from(rows, kind, query, later)
        assert stored == verdict.answer(state, POLICY, query, later)


@given(histories())
def test_a_verdict_changes_when_it_says_and_not_before(history: History) -> None:
    """Up to `until` it holds; past an allowance's it is denied for its lapse; without, for good."""
    kind, told = history
    state = folded(told)
    rows, _ = verdict.verdicts(state, POLICY, NOW)
    for query, now in answers(state, kind).items():
        if now.until is None:
            late = verdict.answer(state, POLICY, query, on(END + 4000))
            assert late.allowed == now.allowed
            continue
        assert now.until >= NOW
        past = verdict.answer(state, POLICY, query, now.until + 1)
        if now.allowed:
            assert verdict.answer(state, POLICY, query, now.until).allowed
            assert not past.allowed
            assert verdict.answer_from(rows, kind, query, now.until + 1).reasons == past.reasons
        else:
            assert past != replace(now, until=past.until)


@given(histories(most=14, erasures=False))
def test_what_is_pruned_changes_no_answer(history: History) -> None:
    """A state that keeps every fact answers the same as the bounded one."""
    kind, told = history
    with pytest.MonkeyPatch.context() as patch:
        for name in ("with_denial", "with_grant", "with_mark"):
            patch.setattr(joins, name, lambda kept, new: tuple(sorted({*kept, new})))
        whole = folded(told)
    assert answers(whole, kind) == answers(folded(told), kind)


@pytest.mark.parametrize("seed", range(3))
def test_a_state_stays_bounded(seed: int) -> None:
    """Hundreds of facts that contradict each other leave a few, and a few kilobytes."""
    chance = random.Random(seed)
    channels = ["sms", "mms", "fax", "operator_call"]
    state = folded(
        fact(
            chance.choice(["objection.raised", "consent.withdrawn", "register.listed"]),
            chance.uniform(0, 40),
            accepted=chance.uniform(0, 40),
            channels=chance.sample(channels, chance.randint(1, 4)),
            register="phone",
            nonce=n,
        )
        for n in range(300)
    )
    assert len(state.denials) <= 2 * 2 ** len(channels)
    assert len(state.marks) == 1
    assert len(state.seen) == 64 * 24


def test_consents_whose_times_cross_are_kept_up_to_a_bound() -> None:
    """Older and older evidence accepted later and later: the latest evidence stays."""
    given_ = [
        fact("consent.given", 40 - n, accepted=100 + n, purpose="marketing", channels=["sms"],
             evidence={"ref": "f"})
        for n in range(30)
    ]  # fmt: skip
    kept = folded(given_).grants
    assert len(kept) == joins.FRONT_MAX
    assert max(grant.time for grant in kept) == on(40)


def test_what_allows_but_names_no_contact_belongs_to_no_state() -> None:
    """Folding it is a programming error that says so."""
    with pytest.raises(ValueError, match="belongs to no state"):
        fold.fold(None, replace(consent(1, "sms"), contact=None))


@given(histories(), st.integers())
def test_a_denial_under_a_token_counts_as_one_that_names_the_contact(
    history: History, seed: int
) -> None:
    """Whoever was erased is still denied what the person objects to; order changes nothing."""
    kind, told = history
    said = objection(30)
    one = folded([*told, replace(said, contact=told[0].contact)])
    nameless = [*told, replace(said, contact=None)]
    shuffled = random.Random(seed).sample(nameless, len(nameless))
    assert answers(folded(shuffled), kind) == answers(one, kind)


def test_the_repr_of_facts_and_states_shows_nobody() -> None:
    """Neither number nor reference: they end up in logs."""
    said = objection(1, source_id="mario@rossi.it")
    assert isinstance(said.detail, ObjectionRaised)
    for shown in (repr(said), str(said.contact), repr(said.contact), repr(folded([said]))):
        assert "333" not in shown
        assert "rossi" not in shown


def test_a_replay_that_is_no_longer_remembered_lifts_nothing() -> None:
    """Pushed out of memory by 64 later facts, an old consent posted again counts as of its time."""
    old = fact("consent.given", 3, accepted=3, purpose="marketing", channels=["sms"],
               evidence={"ref": "f"})  # fmt: skip
    late = objection(2, accepted=4)
    noise = [fact("call.attended", 5 + n / 10) for n in range(64)]
    state = folded([old, late, *noise])
    query = Query(Channel.SMS, Purpose.MARKETING)
    again = fold.fold(state, replace(old, accepted=on(30)))
    assert verdict.answer(again, Policy(), query, on(31)).reasons == ("OBJECTED",)
    assert all(isinstance(grant, Grant) for grant in again.grants)
