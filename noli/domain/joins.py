"""The joins of a state's parts: each commutative, associative, idempotent, and bounded."""

from __future__ import annotations

from typing import Final

from noli.domain.state import Basis, Denial, Denied, Flag, Grant, Latest, Mark, State

#: Consents of equal scope whose times and acceptances run against each other; confirmations of one
#: consent. More come only from replays; dropping the oldest can only deny.
FRONT_MAX: Final = 16

Denials = tuple[Denial, ...]
Grants = tuple[Grant, ...]
Marks = tuple[Mark, ...]


def with_denial(denials: Denials, new: Denial) -> Denials:
    """Component-wise maximum of (time, accepted) for each pair of the new denial's scope."""
    if not denials:
        return (new,)
    masks: dict[tuple[int, int], int] = {}
    others = []
    rest = new.mask
    for old in denials:
        if old.kind != new.kind or old.brand != new.brand:
            others.append(old)
            continue
        both = old.mask & new.mask
        rest &= ~both
        for stamp, mask in (
            ((max(old.time, new.time), max(old.accepted, new.accepted)), both),
            ((old.time, old.accepted), old.mask & ~both),
        ):
            if mask:
                masks[stamp] = masks.get(stamp, 0) | mask
    if rest:
        stamp = (new.time, new.accepted)
        masks[stamp] = masks.get(stamp, 0) | rest
    others += [Denial(new.kind, new.brand, mask, *stamp) for stamp, mask in masks.items()]
    others.sort()
    return tuple(others)


def with_grant(grants: Grants, new: Grant) -> Grants:
    """The Pareto front with one more; a double opt-in is never dominated: its window is its own."""
    if not grants:
        return (new,)
    scope, stands_alone = new[:6], new.flags & Flag.DOUBLE_OPT_IN
    kept, front = [], 1
    for old in grants:
        if old[:6] == scope:
            if old == new:
                return grants
            if not stands_alone:
                if old.time >= new.time and old.accepted >= new.accepted:
                    return grants
                if old.time <= new.time and old.accepted <= new.accepted:
                    continue
            front += 1
        kept.append(old)
    kept.append(new)
    kept.sort()
    if front > FRONT_MAX:
        kept.remove(min(g for g in kept if g[:6] == scope))
    return tuple(kept)


def with_mark(marks: Marks, new: Mark) -> Marks:
    """The latest time; of confirmations the latest few."""
    if not marks:
        return (new,)
    same = [m for m in marks if m.what == new.what and m.key == new.key]
    kept = sorted({*same, new})[-(FRONT_MAX if new.what == Latest.CONFIRMED else 1) :]
    if kept == same:
        return marks
    return tuple(sorted({*marks} - {*same} | {*kept}))


def without_erased(state: State) -> State:
    """ERASED: what the person had erased is gone; only a later consent brings a contact back.

    What stays denies (denials, the register's dates, silent calls) or is such a consent.
    Void consents do not stay: a re-import without proof brings nothing back.
    """
    erased = [d for d in state.denials if d.kind == Denied.ERASED]
    if not erased:
        return state
    time, accepted = max(d.time for d in erased), max(d.accepted for d in erased)
    grants = tuple(
        g
        for g in state.grants
        if g.basis == Basis.CONSENT
        and not g.flags & Flag.VOID
        and g.time > time
        and g.accepted > accepted
    )
    return state._replace(
        contact=state.contact if grants else None,
        grants=grants,
        marks=tuple(m for m in state.marks if not m.key or m.at > time),
    )
