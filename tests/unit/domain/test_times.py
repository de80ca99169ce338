"""Times at the edge: RFC 3339 in and out, and clocks that are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noli.domain import times
from tests.support.law import ask, consent, objection, on


@pytest.mark.parametrize(
    "text,ms",
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.5Z", -500),
        ("2026-01-10T10:00:00+01:00", 1768035600000),
        ("2026-01-10t09:00:00z", 1768035600000),
        ("2026-01-10 09:00:00.123456789Z", 1768035600123),
        ("2016-12-31T23:59:60Z", 1483228800000),
        ("2026-03-29T02:30:00+01:00", 1774747800000),
    ],
)
def test_rfc_3339_is_read_to_the_millisecond(text: str, ms: int) -> None:
    """Any offset, any case, leap seconds, before 1970, hours that summer time skips."""
    assert times.parse(text) == ms


@pytest.mark.parametrize(
    "text",
    ["2026-01-10", "2026-01-10T10:00:00", "10/01/2026", "2026-13-10T10:00:00Z", "", "now",
     "2026-01-10T10:00Z", "20260110T100000Z", "2026-01-10T24:00:01Z", "2026-01-10T10:00:61Z",
     "2026-01-10T10:00:00+25:00"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    """A time without an offset is a guess, and no guess is taken."""
    with pytest.raises(ValueError):  # noqa: PT011 - whoever raises it, it is a ValueError
        times.parse(text)


@given(st.integers(-62135596800000, 253402300799999))
def test_what_is_written_is_read_back(ms: int) -> None:
    """From the year 1 to the year 9999."""
    assert times.parse(times.text(ms)) == ms


def test_milliseconds_are_written_only_where_there_are_any() -> None:
    """And what no calendar holds is written as its last moment."""
    assert times.text(1768035600000) == "2026-01-10T09:00:00Z"
    assert times.text(1768035600120) == "2026-01-10T09:00:00.120Z"
    assert times.text(1 << 60).startswith("9999-12-31T23:59:59")


@pytest.mark.rule("OBJECT")
def test_evidence_of_1970_is_old_evidence() -> None:
    """A consent with a forgotten clock neither lifts nor harms."""
    ancient = consent(-20454, accepted=5)
    assert not ask([objection(2), ancient], 6, "sms").allowed
    assert ask([ancient], 6, "sms").allowed


@pytest.mark.rule("OBJECT")
def test_ten_minutes_of_skew_never_let_an_older_consent_win() -> None:
    """A fast clock gains nothing: evidence later than its acceptance counts as of acceptance."""
    minutes = 10 / (24 * 60)
    fast = consent(2 + minutes, accepted=1.99)
    assert not ask([fast, objection(2)], 3, "sms").allowed
    slow = objection(2 - minutes, accepted=2)
    assert not ask([consent(1.999, accepted=1.999), slow], 3, "sms").allowed


@pytest.mark.rule("EVIDENCE")
def test_any_past_moment_answers_by_what_was_known_then() -> None:
    """A fact counts from its acceptance, whatever time it claims."""
    late = objection(2, accepted=10)
    assert ask([consent(1), late], 9, "sms").allowed
    assert not ask([consent(1), late], 10, "sms").allowed
    assert ask([consent(1, accepted=5)], 4, "sms").reasons == ("NO_BASIS",)
    assert on(10) == late.accepted
