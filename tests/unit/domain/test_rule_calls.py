"""SILENT-HOLD, in both directions."""

from __future__ import annotations

import pytest

from noli.domain.facts import Fact
from tests.support.law import ask, consent, fact, on

GIVEN = [
    consent(1, "operator_call", "automated_call"),
    consent(1, "operator_call", "automated_call", purpose="relationship"),
]


def silent(day: float) -> Fact:
    """A call that nobody spoke on."""
    return fact("call.silent", day, campaign="spring")


@pytest.mark.rule("SILENT-HOLD")
@pytest.mark.parametrize("channel", ["operator_call", "automated_call"])
@pytest.mark.parametrize("purpose", ["marketing", "relationship"])
def test_a_silent_call_bars_calls_for_five_days(channel: str, purpose: str) -> None:
    """Whatever the purpose, and the verdict says until when."""
    verdict = ask([*GIVEN, silent(2)], 3, channel, purpose)
    assert (verdict.allowed, verdict.reasons) == (False, ("SILENT_CALL_HOLD",))
    assert verdict.until == on(7)


@pytest.mark.rule("SILENT-HOLD")
def test_a_silent_call_bars_no_other_channel() -> None:
    """An SMS may still be sent."""
    assert ask([consent(1, "sms"), silent(2)], 3, "sms").allowed


@pytest.mark.rule("SILENT-HOLD")
def test_after_the_hold_the_next_call_needs_an_operator() -> None:
    """Allowed on that condition; an automated call is not."""
    verdict = ask([*GIVEN, silent(2)], 7, "operator_call")
    assert (verdict.allowed, verdict.conditions) == (True, ("operator_guaranteed",))
    assert ask([*GIVEN, silent(2)], 7, "automated_call").reasons == ("OPERATOR_REQUIRED",)


@pytest.mark.rule("SILENT-HOLD")
def test_an_attended_call_ends_the_condition_and_a_new_silent_one_starts_over() -> None:
    """Only one later than the silent call; it does not shorten the hold."""
    attended = fact("call.attended", 8)
    assert ask([*GIVEN, silent(2), attended], 9, "operator_call").conditions == ()
    assert ask([*GIVEN, silent(2), attended], 9, "automated_call").allowed
    early = fact("call.attended", 2)
    assert ask([*GIVEN, silent(2), early], 9, "operator_call").conditions
    during = fact("call.attended", 3)
    assert not ask([*GIVEN, silent(2), during], 4, "operator_call").allowed
    assert not ask([*GIVEN, silent(2), attended, silent(9)], 10, "operator_call").allowed


@pytest.mark.rule("SILENT-HOLD")
def test_the_hold_alone_allows_nothing() -> None:
    """Once over, a contact without a basis is denied as before."""
    assert ask([silent(2)], 8, "operator_call").reasons == ("NO_BASIS",)
