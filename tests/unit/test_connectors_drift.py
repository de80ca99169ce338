"""What is wrong with what an application holds, and what is offered again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import drift
from connectors.drift import Cause
from connectors.protocol import Change, Held, Verdict
from connectors.testing import CALLS, NOW_MS, TEXTS, Pair, a_change, a_verdict

BRAND: Pair = ("operator_call", "marketing", "red")
OTHER_BRANDS: Pair = ("operator_call", "marketing", "")


def change(*verdicts: Verdict) -> Change:
    """Version 5 of a contact: calls denied, texts allowed, but for `verdicts`."""
    return a_change(None, 5, *verdicts or (a_verdict(CALLS), a_verdict(TEXTS, allowed=True)))


@pytest.mark.parametrize(
    "held, cause",
    [
        (Held(5, {CALLS: False, TEXTS: True}), None),
        (Held(None, {CALLS: False}), None),
        (Held(5, {CALLS: True, TEXTS: True}), Cause.ALLOWED),
        (Held(5, {CALLS: False, TEXTS: False}), Cause.DENIED),
        (Held(4, {CALLS: False, TEXTS: True}), Cause.OLDER),
        (Held(6, {CALLS: False, TEXTS: True}), Cause.NEWER),
        (Held(4, {CALLS: True}), Cause.ALLOWED),
        (Held(5, {("email", "marketing", "*"): True}), Cause.ALLOWED),
        (None, Cause.MISSING),
    ],
)
def test_what_is_wrong_has_a_name(held: Held | None, cause: Cause | None) -> None:
    """The worst of several; a pair nobody decided is allowed by nobody."""
    assert drift.cause(change(), held, NOW_MS) is cause


def test_who_was_never_spoken_of_is_not_missing() -> None:
    """A target that knows nothing of a contact without a basis holds the truth."""
    silent = a_verdict(CALLS)._replace(reasons=("NO_BASIS",))
    assert drift.cause(change(silent), None, NOW_MS) is None


def test_an_allowance_lapses_at_the_moment_it_names() -> None:
    """What is still allowed there after `until` is wrong."""
    until = change(a_verdict(CALLS, allowed=True, until=NOW_MS))
    held = Held(5, {CALLS: True})
    assert drift.cause(until, held, NOW_MS - 1) is None
    assert drift.cause(until, held, NOW_MS) is Cause.ALLOWED


def test_a_brand_is_answered_by_the_row_of_other_brands() -> None:
    """The brand's own row, else that of brands not named, else `*`."""
    allowed, denied = a_verdict(OTHER_BRANDS, allowed=True), a_verdict(CALLS)
    held = Held(5, {BRAND: True, CALLS: False})
    assert drift.cause(change(denied, allowed), held, NOW_MS) is None
    assert drift.cause(change(denied), held, NOW_MS) is Cause.ALLOWED


def test_a_target_without_brands_may_allow_what_every_brand_allows() -> None:
    """One brand's denial is everybody's there; a rounded denial is no drift."""
    one_denied = change(a_verdict(CALLS, allowed=True), a_verdict(BRAND))
    for allows, cause in ((True, Cause.ALLOWED), (False, None)):
        held = Held(5, {CALLS: allows})
        assert drift.cause(one_denied, held, NOW_MS, every_brand=True) is cause
    assert drift.cause(one_denied, Held(5, {CALLS: True}), NOW_MS) is None


PAIRS = st.sampled_from([CALLS, TEXTS, BRAND])
VERDICTS = st.dictionaries(PAIRS, st.booleans(), min_size=1)


@given(VERDICTS, st.none() | VERDICTS, st.integers(4, 6))
def test_a_repair_allows_nothing_the_target_does_not_allow_itself(
    decided: dict[Pair, bool], there: dict[Pair, bool] | None, version: int
) -> None:
    """And nothing the decision does not; afterwards nothing is allowed wrongly."""
    whole = change(*(a_verdict(pair, allowed=allowed) for pair, allowed in decided.items()))
    held = None if there is None else Held(version, there)
    mended = drift.repair(whole, held)
    if mended is None:
        assert held is None
        assert all(decided.values())
        return
    allowed = {v[:3] for v in mended.verdicts if v.allowed}
    assert allowed <= {pair for pair, yes in decided.items() if yes}
    assert allowed <= {pair for pair, yes in (there or {}).items() if yes}
    after = Held(mended.version, {v[:3]: v.allowed for v in mended.verdicts})
    assert drift.cause(whole, after, NOW_MS) in {None, Cause.DENIED}
