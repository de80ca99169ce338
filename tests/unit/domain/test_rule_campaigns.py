"""SILENT-RATIO, in both directions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noli.domain import campaigns, times
from noli.domain.campaigns import Counts, counted, day_of, exceeded, is_over
from noli.domain.channel import Channel, Purpose
from noli.domain.contact import normalise
from noli.domain.facts import Fact
from noli.domain.scenario import Ask, Scenario
from noli.domain.verdict import Query, Verdict
from tests.support.law import ACME, PHONE, Json, consent, fact, on

CALLED = Counts(attended=100, silent=3)
CONSENT = consent(1, "sms", "operator_call", "automated_call")


def calls(kind: str, many: int, day: float, **data: Json) -> Iterator[Fact]:
    """As many calls of the campaign `spring`, each to a number of its own."""
    for n in range(many):
        said: dict[str, Json] = {
            "campaign": "spring",
            "cut_after_ms": 2000,
            "comfort_noise": True,
            **data,
        }
        number = {"kind": "phone", "value": f"+39333555{kind == 'silent':d}{n:03d}"}
        at = day + n / 100_000
        yield fact(f"call.{kind}", at, contact=number, **said)


def ask(
    facts: list[Fact], day: float, channel: str, campaign: str | None = "spring",
    purpose: Purpose = Purpose.MARKETING,
) -> Verdict:  # fmt: skip
    """The verdict for the one number that consented."""
    scenario = Scenario()
    for each in facts:
        scenario.take(each)
    query = Query(Channel(channel), purpose)
    contact = normalise(PHONE["kind"], PHONE["value"])
    return scenario.answers([Ask(ACME, contact, query, on(day), campaign)])[0]


@pytest.mark.rule("SILENT-RATIO")
@pytest.mark.parametrize("channel", ["operator_call", "automated_call"])
def test_a_campaign_over_its_ratio_may_not_call(channel: str) -> None:
    """The fourth silent call in a hundred bars its calls, and says which rule did."""
    attended = [*calls("attended", 100, 2)]
    facts = [CONSENT, *attended, *calls("silent", 4, 2)]
    verdict = ask(facts, 3, channel)
    assert (verdict.allowed, verdict.basis) == (False, None)
    assert verdict.reasons == ("CAMPAIGN_SILENT_RATIO",)
    assert ask([CONSENT, *attended, *calls("silent", 3, 2)], 3, channel).allowed


@pytest.mark.rule("SILENT-RATIO")
def test_other_channels_and_other_campaigns_are_untouched() -> None:
    """Nor is who names no campaign, nor another controller's of the same name."""
    facts = [CONSENT, *calls("silent", 4, 2)]
    assert not ask(facts, 3, "operator_call").allowed
    assert ask(facts, 3, "sms").allowed
    assert ask(facts, 3, "operator_call", "autumn").allowed
    assert ask(facts, 3, "operator_call", None).allowed
    theirs = [CONSENT, *calls("silent", 4, 2, controller="other")]
    assert ask(theirs, 3, "operator_call").allowed


@pytest.mark.rule("SILENT-RATIO")
def test_it_stands_beside_the_other_reasons() -> None:
    """A denied contact stays denied for its own reasons too, in the order of the law."""
    facts = [fact("objection.raised", 1, via="call"), *calls("silent", 4, 2)]
    verdict = ask(facts, 3, "operator_call")
    assert verdict.reasons == ("NO_BASIS", "OBJECTED", "CAMPAIGN_SILENT_RATIO")
    assert "CAMPAIGN_SILENT_RATIO" not in ask(facts, 3, "operator_call", None).reasons
    relation = ask([CONSENT, *calls("silent", 4, 2)], 3, "operator_call", "spring",
                   Purpose.RELATIONSHIP)  # fmt: skip
    assert "CAMPAIGN_SILENT_RATIO" in relation.reasons


@pytest.mark.rule("SILENT-RATIO")
def test_numbers_lift_it() -> None:
    """More attended calls bring the ratio back; nobody has to."""
    silent, attended = [*calls("silent", 4, 2)], [*calls("attended", 134, 2)]
    assert not ask([CONSENT, *silent, *attended[:133]], 3, "operator_call").allowed
    assert ask([CONSENT, *silent, *attended], 3, "operator_call").allowed


@pytest.mark.rule("SILENT-RATIO")
def test_it_holds_of_each_day_too() -> None:
    """A good campaign may not have a bad day; the next day it may go on."""
    good = [*calls("attended", 400, 2)]
    bad = [*calls("silent", 4, 5.4)]
    assert not ask([CONSENT, *good, *bad], 5.5, "operator_call").allowed
    assert ask([CONSENT, *good, *bad], 6.5, "operator_call").allowed


@pytest.mark.rule("SILENT-RATIO")
def test_a_call_without_a_campaign_counts_for_nobody() -> None:
    """It still holds its own contact, but no campaign."""
    alone = [fact("call.silent", 2 + n / 10, contact=PHONE) for n in range(9)]
    facts = [CONSENT, *alone]
    assert not ask(facts, 3, "operator_call").allowed
    assert "CAMPAIGN_SILENT_RATIO" not in ask(facts, 3, "operator_call").reasons


@pytest.mark.rule("SILENT-RATIO")
def test_a_persons_call_counts_once() -> None:
    """However many contacts it is handed on to."""
    links = [
        fact("party.linked", 1 + n / 10, party="crm:1",
             contact={"kind": "phone", "value": f"+3933355509{n}"})
        for n in range(6)
    ]  # fmt: skip
    call = fact("call.silent", 2, party="crm:1", campaign="spring")
    assert ask([CONSENT, *links, call], 3, "operator_call").allowed


@pytest.mark.rule("SILENT-RATIO")
@pytest.mark.parametrize(
    "counts, over",
    [
        (Counts(), False),
        (Counts(attended=0, silent=1), False),
        (Counts(attended=0, silent=3), False),
        (Counts(attended=0, silent=4), True),
        (Counts(attended=100, silent=3), False),
        (Counts(attended=100, silent=4), True),
        (Counts(attended=133, silent=4), True),
        (Counts(attended=134, silent=4), False),
        (Counts(attended=1_000_000, silent=30_000), False),
        (Counts(attended=1_000_000, silent=30_001), True),
    ],
)
def test_small_and_great_numbers(counts: Counts, over: bool) -> None:
    """The first hundred counts as a hundred; silent calls never make their own room."""
    assert exceeded(counts) is over
    assert is_over(counts, Counts()) is over
    assert is_over(Counts(attended=10**9), counts) is over


@pytest.mark.rule("SILENT-RATIO")
@pytest.mark.parametrize("cut, late", [(None, 0), (0, 0), (3000, 0), (3001, 1)])
def test_a_cut_after_three_seconds_is_a_breach(cut: int | None, late: int) -> None:
    """Of a silent call; what nobody recorded is told apart. A conversation may last."""
    one = counted(silent=True, cut_after_ms=cut, comfort_noise=True)
    assert (one.late_cuts, one.cut_unrecorded) == (late, cut is None)
    talk = counted(silent=False, cut_after_ms=cut, comfort_noise=True)
    assert (talk.late_cuts, talk.cut_unrecorded, talk.attended, talk.silent) == (0, 0, 1, 0)


@pytest.mark.rule("SILENT-RATIO")
@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize("noise, breach", [(None, 0), (True, 0), (False, 1)])
def test_waiting_in_silence_is_a_breach(silent: bool, noise: bool | None, breach: int) -> None:
    """On every call, whoever came in the end; of silent ones, what nobody recorded is told."""
    one = counted(silent=silent, cut_after_ms=1, comfort_noise=noise)
    assert (one.no_comfort_noise, one.noise_unrecorded) == (breach, silent and noise is None)


def test_a_call_is_of_the_day_it_was_answered_on() -> None:
    """As told, else when it happened; nothing is from the future."""
    told = fact("call.silent", 2, answered_at="2026-01-02T23:30:00Z", campaign="c")
    assert campaigns.answered_at(told) == times.parse("2026-01-02T23:30:00Z")
    assert campaigns.answered_at(fact("call.silent", 2, campaign="c")) == on(2)
    ahead = fact("call.silent", 2, answered_at="2027-01-01T00:00:00Z", campaign="c")
    assert campaigns.answered_at(ahead) == on(2)
    with pytest.raises(TypeError, match="ObjectionRaised is no call"):
        campaigns.answered_at(fact("objection.raised", 2, via="call"))


@given(st.integers(820_454_400_000, 2_145_916_800_000))  # 1996, when the dates were fixed, to 2038
def test_days_are_those_of_italian_clocks(ms: int) -> None:
    """As the database of time zones has them, summer time included."""
    local = dt.datetime.fromtimestamp(ms / 1000, ZoneInfo("Europe/Rome"))
    assert day_of(ms) == (local.date() - dt.date(1970, 1, 1)).days


@pytest.mark.parametrize(
    "moment, day",
    [
        ("2026-03-28T22:59:59Z", "2026-03-28"),
        ("2026-03-28T23:00:00Z", "2026-03-29"),
        ("2026-03-29T21:59:59Z", "2026-03-29"),
        ("2026-03-29T22:00:00Z", "2026-03-30"),
        ("2026-10-25T22:59:59Z", "2026-10-25"),
        ("2026-10-25T23:00:00Z", "2026-10-26"),
    ],
)
def test_the_days_on_which_clocks_change(moment: str, day: str) -> None:
    """One of 23 hours, one of 25."""
    assert day_of(times.parse(moment)) == times.parse(f"{day}T00:00:00Z") // times.DAY
