"""Facts into states. `fold` and `join` are commutative, associative and idempotent.

Nothing is decided here: what may turn out void later (a source revoked, a consent confirmed, a
number listed) is kept, and `verdict` decides at its moment.
"""

from __future__ import annotations

from functools import reduce

from noli.domain import joins, seen
from noli.domain.facts import Fact
from noli.domain.state import EMPTY, State
from noli.domain.steps import STEPS

__all__ = ["EMPTY", "fold", "join"]


def fold(state: State | None, fact: Fact) -> State:
    """The state with one more fact. The very same object where the fact changes nothing.

    A party-level fact is given here once per linked contact, with that contact set; a denial may
    come without, under the contact's token: who is erased is still denied. Raises ValueError for
    any other fact without a contact: it is about no state.
    """
    if state is None:
        state = EMPTY
    elif seen.holds(state.seen, fact.fact_id):
        return state
    step = STEPS.get(type(fact.detail))
    if step is None:
        return state
    contact = fact.contact
    gone = state.contact is None
    if contact is not None:
        if gone:
            state = state._replace(controller=fact.controller, kind=contact.kind, contact=contact)
    elif not fact.denies:
        raise ValueError("fold: a fact without a contact belongs to no state")
    elif not state.controller:
        state = state._replace(controller=fact.controller)
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
