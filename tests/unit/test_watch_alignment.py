"""Never ahead of the truth, whatever happens in whatever order; and the truth when all is well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.watch import account
from tests.support.alignment_model import Model


@pytest.fixture(autouse=True, scope="module")
def few_are_named() -> Iterator[None]:
    """Two of those held wrongly are named in a record: the others must be found again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(account, "NAMED_MOST", 2)
        yield


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 300))
def test_it_is_never_ahead_of_the_truth(seed: int, steps: int) -> None:
    """Receipts, reports, drift, refusals, quarantine, zombies, two watchers that die: never.

    `Model.check` asks an oracle that reads everything from the start after each publication.
    """
    model = Model(seed)
    for _ in range(steps):
        model.step()
    shown = model.view.get("crm")
    assert shown is None or shown.as_of is None or shown.as_of <= model.company.now


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 300))
def test_it_is_the_truth_once_all_is_well(seed: int, steps: int) -> None:
    """However it came there: everything arrived, nothing wrong; as of the last beacons but one."""
    model = Model(seed)
    for _ in range(steps):
        model.step()
    began = model.company.now
    shown = model.settle()
    assert shown.as_of is not None
    assert shown.as_of > began
    assert shown.held_by == ()
    assert shown.wrong == ()
