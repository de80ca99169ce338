"""REGISTER, REGISTER-CONTRACT, REGISTER-FRESH, in both directions."""

from __future__ import annotations

import pytest

from noli.domain.facts import Fact
from tests.support.law import POSTAL, Json, ask, consent, fact, on, stored

FOREIGN = {"kind": "phone", "value": "+447911123456"}


def listed(day: float, **more: Json) -> Fact:
    """The number enters the register."""
    return fact("register.listed", day, **{"register": "phone", **more})


def delisted(day: float, **more: Json) -> Fact:
    """The number leaves the register."""
    return fact("register.delisted", day, **{"register": "phone", **more})


def checked(day: float, **more: Json) -> Fact:
    """The register was asked about the number."""
    return fact("register.verified", day, **{"register": "phone", **more})


@pytest.mark.rule("REGISTER")
@pytest.mark.parametrize("channel", ["operator_call", "automated_call"])
@pytest.mark.parametrize("purpose", ["marketing", "profiling", "third_party_disclosure"])
def test_a_listing_voids_calls_on_earlier_consents(channel: str, purpose: str) -> None:
    """Every purpose but the relationship; consents included."""
    facts = [consent(1, channel, purpose=purpose), listed(2), checked(2)]
    assert ask(facts, 3, channel, purpose).reasons == ("REGISTERED",)


@pytest.mark.rule("REGISTER")
def test_a_listing_leaves_the_relationship_and_other_channels() -> None:
    """Answering somebody stays allowed, and so does what is not a call."""
    facts = [consent(1, "operator_call", purpose="relationship"), consent(1, "sms"), listed(2)]
    assert ask(facts, 3, "operator_call", "relationship").allowed
    assert ask(facts, 3, "sms").allowed
    assert ask(facts, 3, "operator_call").reasons == ("REGISTERED",), "by extension no less"


@pytest.mark.rule("REGISTER")
def test_a_later_consent_stands_until_the_listing_is_renewed() -> None:
    """A date is compared, not a flag; a consent of the listing's own moment falls."""
    assert ask([listed(2), consent(3, "operator_call")], 4, "operator_call").allowed
    assert not ask([listed(2), consent(2, "operator_call")], 4, "operator_call").allowed
    renewed = listed(5, id="renewed")
    assert not ask([listed(2), consent(3, "operator_call"), renewed], 6, "operator_call").allowed


@pytest.mark.rule("REGISTER")
def test_delisting_does_not_bring_back_what_was_voided() -> None:
    """Only a consent given after the listing counts."""
    facts = [consent(1, "operator_call"), listed(2), delisted(3)]
    assert ask(facts, 4, "operator_call").reasons == ("REGISTERED",)
    assert ask([*facts, consent(4, "operator_call", id="new")], 5, "operator_call").allowed


@pytest.mark.rule("REGISTER")
def test_an_interest_does_not_call_a_listed_number() -> None:
    """Recorded before or after the listing; once delisted a new one may."""

    def interest(day: float) -> Fact:
        return fact(
            "interest.recorded", day, reason="customer", channels=["operator_call"],
            informed=True, evidence={"ref": "order"},
        )  # fmt: skip

    assert not ask([interest(1), listed(2)], 3, "operator_call").allowed
    assert not ask([listed(2), interest(3)], 4, "operator_call").allowed
    assert not ask([interest(1), listed(2), delisted(3)], 4, "operator_call").allowed
    assert ask([listed(2), delisted(3), interest(4)], 5, "operator_call").allowed


@pytest.mark.rule("REGISTER")
def test_the_postal_list_bears_on_post_and_the_telephone_list_does_not() -> None:
    """Each list on its own channel; one whose name is unreadable on both."""
    given = consent(1, "post", contact=POSTAL)
    for register, allowed in (("post", False), ("phone", True), ("??", False)):
        facts = [given, listed(2, register=register, contact=POSTAL)]
        assert ask(facts, 3, "post", contact=POSTAL).allowed == allowed


@pytest.mark.rule("REGISTER-CONTRACT")
def test_consents_survive_a_listing_while_a_contract_is_active() -> None:
    """Whether it began before or after the listing; without one they fall."""
    facts = [consent(1, "operator_call"), listed(2), checked(2)]
    for began in (1, 2.5):
        started = fact("contract.started", began, contract_id="k")
        assert ask([*facts, started], 3, "operator_call").allowed
    assert not ask(facts, 3, "operator_call").allowed


@pytest.mark.rule("REGISTER-CONTRACT")
@pytest.mark.parametrize("day, allowed", [(9, True), (40, True), (40.001, False), (41, False)])
def test_consents_fall_by_themselves_thirty_days_after_the_contract(
    day: float, allowed: bool
) -> None:
    """At most 30 days after its end they stand; then they fall, and the verdict says when."""
    facts = [
        consent(1, "operator_call"), listed(2), fact("contract.started", 1, contract_id="k"),
        fact("contract.ended", 10, contract_id="k"), checked(39),
    ]  # fmt: skip
    verdict = ask(facts, max(39, day), "operator_call")
    assert verdict.allowed == allowed
    if allowed:
        assert verdict.until == on(40)
    else:
        assert verdict.reasons == ("REGISTERED",)


@pytest.mark.rule("REGISTER-CONTRACT")
def test_a_contract_started_again_is_active_and_another_one_ended_does_not_matter() -> None:
    """Started later than it ended: active. Of several one suffices."""
    facts = [consent(1, "operator_call"), listed(2), checked(95),
             fact("contract.started", 1, contract_id="k"),
             fact("contract.ended", 10, contract_id="k")]  # fmt: skip
    assert not ask(facts, 96, "operator_call").allowed
    again = fact("contract.started", 11, contract_id="k")
    other = fact("contract.started", 1, contract_id="m")
    assert ask([*facts, again], 96, "operator_call").allowed
    assert ask([*facts, other], 96, "operator_call").allowed


@pytest.mark.rule("REGISTER-CONTRACT")
def test_only_consents_survive_by_contract() -> None:
    """An interest falls with the listing, contract or not."""
    interest = fact("interest.recorded", 1, reason="customer", channels=["operator_call"],
                    informed=True, evidence={"ref": "order"})  # fmt: skip
    facts = [interest, listed(2), fact("contract.started", 1, contract_id="k")]
    assert ask(facts, 3, "operator_call").reasons == ("REGISTERED",)


@pytest.mark.rule("REGISTER-FRESH")
@pytest.mark.parametrize("channel", ["operator_call", "automated_call"])
def test_a_call_needs_a_register_check_of_at_most_fifteen_days(channel: str) -> None:
    """Counted from the consent, then from each check; it lapses by itself."""
    given = consent(1, channel)
    assert ask([given], 16, channel).until == on(16)
    assert ask([given], 16.001, channel).reasons == ("REGISTER_CHECK_STALE",)
    again = checked(20)
    assert ask([given, again], 21, channel).until == on(35)
    assert not ask([given, again], 36, channel).allowed


@pytest.mark.rule("REGISTER-FRESH")
def test_a_delisting_seen_counts_as_a_check() -> None:
    """The register was looked at that day."""
    facts = [consent(1, "operator_call"), delisted(10)]
    assert ask(facts, 20, "operator_call").until == on(25)


@pytest.mark.rule("REGISTER-FRESH")
def test_freshness_is_for_marketing_calls_to_italian_numbers() -> None:
    """Not for other purposes, channels or countries."""
    assert ask([consent(1, "sms")], 300, "sms").allowed
    assert ask([consent(1, "operator_call", purpose="profiling")], 300, "operator_call",
               "profiling").allowed  # fmt: skip
    abroad = [consent(1, "operator_call", contact=FOREIGN)]
    assert ask(abroad, 300, "operator_call", contact=FOREIGN).allowed


@pytest.mark.rule("REGISTER-FRESH")
def test_an_interest_needs_a_check_of_its_own() -> None:
    """It is no consent: without a check it calls nobody."""
    interest = fact("interest.recorded", 1, reason="customer", channels=["operator_call"],
                    informed=True, evidence={"ref": "order"})  # fmt: skip
    assert ask([interest], 2, "operator_call").reasons == ("REGISTER_CHECK_STALE",)
    assert ask([interest, checked(2)], 3, "operator_call").until == on(17)


@pytest.mark.rule("REGISTER-FRESH")
def test_post_needs_no_check_but_on_the_directory_basis() -> None:
    """A consent to post stands on its own."""
    assert ask([consent(1, "post", contact=POSTAL)], 300, "post", contact=POSTAL).allowed


@pytest.mark.rule("REGISTER-FRESH")
def test_a_row_says_once_why_it_lapses_whatever_else_changes_later() -> None:
    """A call's check lapses on day 16, another consent's confirmation window closes on day 17."""
    waiting = consent(10, "sms", purpose="profiling", double_opt_in=True, consent_id="c")
    rows = stored([consent(1, "sms"), waiting], 11)
    lapses = {row.lapse for row in rows if row.allowed and row.until is not None}
    assert lapses == {("REGISTER_CHECK_STALE",)}
