"""NO-BASIS and the consent rules, in both directions."""

from __future__ import annotations

import pytest

from noli.domain import times
from noli.domain.policy import Policy
from tests.support.law import EMAIL, PARTY, PHONE, POSTAL, Json, ask, consent, fact, on


@pytest.mark.rule("NO-BASIS")
def test_an_unknown_contact_is_denied() -> None:
    """Nothing recorded: denied for want of a basis, whatever is asked."""
    for channel in ("sms", "operator_call"):
        for purpose in ("marketing", "profiling", "third_party_disclosure", "relationship"):
            verdict = ask([], 1, channel, purpose)
            assert not verdict.allowed
            assert verdict.reasons == ("NO_BASIS",)


@pytest.mark.rule("NO-BASIS")
def test_a_basis_answers_exactly_its_own_pair_and_brand() -> None:
    """A consent for one brand allows that brand, not another, and not who asks without one."""
    given = [consent(1, brands=["alfa"])]
    assert ask(given, 2, "sms", brand="alfa").allowed
    assert ask(given, 2, "sms", brand="beta").reasons == ("NO_BASIS",)
    assert ask(given, 2, "sms").reasons == ("NO_BASIS",)


@pytest.mark.rule("NO-BASIS")
def test_a_basis_for_every_brand_answers_each_brand() -> None:
    """A consent without brands covers any brand and who asks without one."""
    assert ask([consent(1)], 2, "sms", brand="alfa").allowed
    assert ask([consent(1)], 2, "sms").allowed


@pytest.mark.parametrize(
    "contact, channel",
    [(EMAIL, "sms"), (PHONE, "email"), (POSTAL, "operator_call"), (PHONE, "push"), (EMAIL, "push")],
)
def test_a_channel_that_cannot_reach_the_contact_is_a_mismatch(
    contact: dict[str, str], channel: str
) -> None:
    """A channel of another kind, and push for every kind, is denied as a mismatch."""
    assert ask([], 1, channel, contact=contact).reasons == ("CHANNEL_MISMATCH",)


@pytest.mark.rule("CONSENT-SPECIFIC")
@pytest.mark.parametrize("given", ["marketing", "profiling", "third_party_disclosure"])
@pytest.mark.parametrize("asked", ["marketing", "profiling", "third_party_disclosure"])
def test_a_consent_covers_its_own_purpose_only(given: str, asked: str) -> None:
    """Of the purposes none implies another."""
    verdict = ask([consent(1, purpose=given)], 2, "sms", asked)
    assert verdict.allowed == (given == asked)
    assert verdict.basis == ("consent" if given == asked else None)


@pytest.mark.rule("CONSENT-FREE")
@pytest.mark.parametrize(
    "form",
    [
        {"preticked": True},
        {"required_for_contract": True},
        {"box_purposes": ["marketing", "profiling"]},
        {"box_purposes": ["profiling"]},
    ],
)
def test_a_consent_that_was_not_free_is_void(form: dict[str, Json]) -> None:
    """Pre-ticked, required for the contract, or of a box for other purposes too: void."""
    verdict = ask([consent(1, evidence={"ref": "form-7", **form})], 2, "sms")
    assert (verdict.allowed, verdict.reasons) == (False, ("CONSENT_INVALID",))


@pytest.mark.rule("CONSENT-FREE")
def test_a_box_for_exactly_that_purpose_is_free() -> None:
    """A box of its own, not pre-ticked, not required: valid."""
    form = {"ref": "f", "box_purposes": ["marketing"], "preticked": False}
    assert ask([consent(1, evidence=form)], 2, "sms").allowed


@pytest.mark.rule("CONSENT-PROVEN")
@pytest.mark.parametrize("evidence", [None, {}, {"ref": ""}])
def test_a_consent_without_evidence_is_void(evidence: Json) -> None:
    """No reference to form, recording or paper: void, and said so."""
    verdict = ask([consent(1, evidence=evidence)], 2, "sms")
    assert (verdict.allowed, verdict.reasons) == (False, ("CONSENT_UNPROVEN",))


@pytest.mark.rule("CONSENT-PROVEN")
def test_a_void_consent_does_not_hide_a_valid_one() -> None:
    """A proven consent allows although a later unproven one is recorded beside it."""
    verdict = ask([consent(1), consent(2, evidence={})], 3, "sms")
    assert (verdict.allowed, verdict.reasons) == (True, ())


@pytest.mark.rule("CONSENT-CONFIRMED")
def test_a_double_opt_in_waits_for_its_confirmation() -> None:
    """Denied until confirmed; allowed from then on, for good."""
    given = consent(1, double_opt_in=True, consent_id="c1")
    confirmed = fact("consent.confirmed", 3, consent_id="c1")
    assert ask([given, confirmed], 2, "sms").reasons == ("CONSENT_UNCONFIRMED",)
    assert ask([given, confirmed], 3, "sms").allowed
    assert ask([given, confirmed], 300, "sms").allowed


@pytest.mark.rule("CONSENT-CONFIRMED")
@pytest.mark.parametrize("day, allowed", [(0.5, False), (1, True), (8, True), (8.01, False)])
def test_a_confirmation_counts_within_seven_days(day: float, allowed: bool) -> None:
    """From the consent up to seven days after it; not before, not later."""
    given = consent(1, double_opt_in=True, consent_id="c1")
    confirmed = fact("consent.confirmed", day, consent_id="c1")
    assert ask([given, confirmed], 20, "sms").allowed == allowed


@pytest.mark.rule("CONSENT-CONFIRMED")
def test_an_unconfirmed_consent_says_when_its_window_closes() -> None:
    """Until then it is unconfirmed; afterwards it is invalid too, without any event."""
    given = consent(1, double_opt_in=True, consent_id="c1")
    assert ask([given], 2, "sms").until == on(8)
    late = ask([given], 9, "sms")
    assert (late.reasons, late.until) == (("CONSENT_INVALID", "CONSENT_UNCONFIRMED"), None)


@pytest.mark.rule("CONSENT-CONFIRMED")
def test_the_confirmation_of_another_consent_confirms_nothing() -> None:
    """Consent ids must agree; one given again later waits for its own confirmation."""
    given = consent(1, double_opt_in=True, consent_id="c1")
    other = fact("consent.confirmed", 2, consent_id="c2")
    assert not ask([given, other], 3, "sms").allowed
    mine = fact("consent.confirmed", 2, consent_id="c1")
    again = consent(30, double_opt_in=True, consent_id="c1")
    second = fact("consent.confirmed", 31, consent_id="c1")
    assert ask([given, mine, again, second], 32, "sms").allowed


@pytest.mark.rule("CONSENT-CONFIRMED")
def test_the_window_is_the_controllers_choice() -> None:
    """A shorter window in the policy voids what the default would take."""
    given = consent(1, double_opt_in=True, consent_id="c1")
    confirmed = fact("consent.confirmed", 4, consent_id="c1")
    strict = Policy(double_opt_in_window=2 * times.DAY)
    assert not ask([given, confirmed], 5, "sms", policy=strict).allowed
    assert ask([given, confirmed], 5, "sms").allowed


@pytest.mark.rule("CONSENT-EXTENDS")
@pytest.mark.parametrize("channel", ["sms", "mms", "messaging", "fax", "automated_call"])
def test_marketing_consent_for_an_automated_channel_extends_to_operator_calls(channel: str) -> None:
    """Any automated channel of the number extends to calls by an operator."""
    verdict = ask([consent(1, channel)], 2, "operator_call")
    assert (verdict.allowed, verdict.basis) == (True, "consent")


@pytest.mark.rule("CONSENT-EXTENDS")
def test_a_consent_extends_neither_the_other_way_nor_across() -> None:
    """Not from a personal channel to an automated one, not between automated channels."""
    assert not ask([consent(1, "operator_call")], 2, "sms").allowed
    assert not ask([consent(1, "sms")], 2, "automated_call").allowed


@pytest.mark.rule("CONSENT-EXTENDS")
@pytest.mark.parametrize("purpose", ["profiling", "third_party_disclosure", "relationship"])
def test_only_marketing_consent_extends(purpose: str) -> None:
    """A consent for another purpose stays on the channels it names."""
    given = [consent(1, "sms", purpose=purpose)]
    assert ask(given, 2, "sms", purpose).allowed
    assert not ask(given, 2, "operator_call", purpose).allowed


@pytest.mark.rule("CONSENT-EXTENDS")
def test_a_persons_consent_extends_to_the_post_of_another_contact_of_theirs() -> None:
    """Given for e-mail by the party, it allows post to its address and calls to its number."""
    given = consent(1, "email", party=PARTY)
    for contact, channel in ((POSTAL, "post"), (PHONE, "operator_call")):
        linked = fact("party.linked", 1, party=PARTY, contact=contact)
        assert ask([given, linked], 2, channel, contact=contact).allowed
    number = fact("party.linked", 1, party=PARTY, contact=PHONE)
    assert not ask([given, number], 2, "sms").allowed


def test_a_consent_for_channels_that_cannot_reach_the_contact_gives_nothing() -> None:
    """An e-mail consent recorded on a number allows nothing there, and extends to nothing."""
    assert ask([consent(1, "email")], 2, "operator_call").reasons == ("NO_BASIS",)
