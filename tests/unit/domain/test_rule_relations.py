"""SOFT-OPT-IN, SOFT-OPT-IN-PRODUCT and INTEREST, in both directions."""

from __future__ import annotations

import pytest

from noli.domain.facts import Fact
from tests.support.law import EMAIL, PHONE, POSTAL, Json, ask, consent, fact


def sale(contact: dict[str, str] = EMAIL, day: float = 1, **more: Json) -> Fact:
    """A valid soft opt-in from the sale of shoes."""
    data = {
        "sale_id": "s1", "categories": ["shoes"], "informed": True, "objection_offered": True,
    }  # fmt: skip
    return fact("soft_opt_in.recorded", day, contact=contact, **{**data, **more})


def interest(contact: dict[str, str] = PHONE, **more: Json) -> Fact:
    """A valid interest in a customer, on operator calls, SMS, e-mail and post."""
    data = {
        "reason": "customer",
        "channels": ["operator_call", "sms", "email", "post"],
        "informed": True,
        "evidence": {"ref": "order-1"},
    }
    return fact("interest.recorded", 1, contact=contact, **{**data, **more})


@pytest.mark.rule("SOFT-OPT-IN")
@pytest.mark.parametrize("contact, channel", [(EMAIL, "email"), (POSTAL, "post")])
def test_a_soft_opt_in_allows_marketing_by_email_and_post(
    contact: dict[str, str], channel: str
) -> None:
    """For the category sold; nothing but marketing."""
    verdict = ask([sale(contact)], 2, channel, contact=contact, product="shoes")
    assert (verdict.allowed, verdict.basis, verdict.conditions) == (True, "soft_opt_in", ())
    other = ask([sale(contact)], 2, channel, "profiling", contact=contact, product="shoes")
    assert other.reasons == ("NO_BASIS",)


@pytest.mark.rule("SOFT-OPT-IN")
@pytest.mark.parametrize(
    "channel", ["sms", "mms", "messaging", "fax", "automated_call", "operator_call"]
)
def test_a_soft_opt_in_never_allows_another_channel(channel: str) -> None:
    """Refused by name."""
    verdict = ask([sale(PHONE)], 2, channel, product="shoes")
    assert not verdict.allowed
    assert "SOFT_OPT_IN_CHANNEL" in verdict.reasons


@pytest.mark.rule("SOFT-OPT-IN")
@pytest.mark.parametrize(
    "lacking", [{"informed": False}, {"objection_offered": False}, {"sale_id": None},
                {"categories": []}],
)  # fmt: skip
def test_a_soft_opt_in_without_what_it_needs_is_void(lacking: dict[str, Json]) -> None:
    """Not from a sale, not informed, no objection offered, for no category: void."""
    verdict = ask([sale(**lacking)], 2, "email", contact=EMAIL, product="shoes")
    assert (verdict.allowed, verdict.reasons) == (False, ("SOFT_OPT_IN_INVALID",))


@pytest.mark.rule("SOFT-OPT-IN")
def test_an_objection_ends_a_soft_opt_in_and_a_withdrawn_source_voids_it() -> None:
    """It is tracked like a consent."""
    objected = fact("objection.raised", 2, contact=EMAIL)
    assert not ask([sale(), objected], 3, "email", contact=EMAIL, product="shoes").allowed
    revoked = fact("source.revoked", 2, source_id="shop", contact=None)
    verdict = ask([sale(source_id="shop"), revoked], 3, "email", contact=EMAIL, product="shoes")
    assert verdict.reasons == ("SOURCE_UNLAWFUL",)


@pytest.mark.rule("SOFT-OPT-IN-PRODUCT")
def test_a_soft_opt_in_answers_only_with_its_category() -> None:
    """Without a product denied with the categories as condition; with another, not analogous."""
    facts = [sale(), sale(day=2, categories=["bags"])]
    bare = ask(facts, 3, "email", contact=EMAIL)
    assert (bare.allowed, bare.reasons) == (False, ("PRODUCT_REQUIRED",))
    assert bare.conditions == ("bags", "shoes")
    other = ask(facts, 3, "email", contact=EMAIL, product="mortgages")
    assert (other.allowed, other.reasons) == (False, ("PRODUCT_NOT_ANALOGOUS",))
    assert ask(facts, 3, "email", contact=EMAIL, product="bags").allowed


@pytest.mark.rule("SOFT-OPT-IN-PRODUCT")
def test_a_consent_beside_a_soft_opt_in_needs_no_product() -> None:
    """The wider basis answers."""
    verdict = ask([sale(), consent(1, "email", contact=EMAIL)], 2, "email", contact=EMAIL)
    assert (verdict.allowed, verdict.basis) == (True, "consent")


@pytest.mark.rule("INTEREST")
def test_an_interest_allows_the_relationship_on_the_channels_it_names() -> None:
    """SMS named: allowed; fax not named: denied."""
    verdict = ask([interest()], 2, "sms", "relationship")
    assert (verdict.allowed, verdict.basis) == (True, "legitimate_interest")
    assert not ask([interest()], 2, "fax", "relationship").allowed


@pytest.mark.rule("INTEREST")
def test_an_interest_allows_marketing_by_operator_call_and_post_only() -> None:
    """Elsewhere it is refused by name, though the channel was named."""
    checked = fact("register.verified", 1, register="phone")
    assert ask([interest(), checked], 2, "operator_call").basis == "legitimate_interest"
    assert ask([interest(POSTAL)], 2, "post", contact=POSTAL).allowed
    assert "INTEREST_CHANNEL" in ask([interest()], 2, "sms").reasons
    assert "INTEREST_CHANNEL" in ask([interest(EMAIL)], 2, "email", contact=EMAIL).reasons
    assert not ask([interest(channels=["sms"]), checked], 2, "operator_call").allowed


@pytest.mark.rule("INTEREST")
@pytest.mark.parametrize(
    "lacking", [{"reason": "we_like_them"}, {"informed": False}, {"evidence": {}}]
)
def test_an_interest_without_reason_evidence_or_information_is_void(
    lacking: dict[str, Json],
) -> None:
    """Void, and said so."""
    verdict = ask([interest(**lacking)], 2, "sms", "relationship")
    assert (verdict.allowed, verdict.reasons) == (False, ("INTEREST_INVALID",))


@pytest.mark.rule("INTEREST")
@pytest.mark.parametrize("reason", ["enquiry", "business_card", "customer", "former_customer"])
def test_each_recognised_reason_holds(reason: str) -> None:
    """The four of the law."""
    assert ask([interest(reason=reason)], 2, "sms", "relationship").allowed


@pytest.mark.rule("INTEREST")
def test_every_reason_for_which_a_basis_is_void_is_named() -> None:
    """Its source and its own want, both."""
    revoked = fact("source.revoked", 2, source_id="fair", contact=None)
    void = interest(source_id="fair", informed=False)
    assert set(ask([void, revoked], 3, "sms", "relationship").reasons) == {
        "SOURCE_UNLAWFUL",
        "INTEREST_INVALID",
    }
