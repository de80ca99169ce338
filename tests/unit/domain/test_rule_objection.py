"""OBJECT and WITHDRAW, in both directions."""

from __future__ import annotations

import pytest

from tests.support.law import EMAIL, Json, ask, consent, fact, objection


@pytest.mark.rule("OBJECT")
def test_an_objection_denies_marketing_profiling_and_disclosure_on_every_channel() -> None:
    """By default it covers those three purposes, whatever basis stands; not the relationship."""
    purposes = ("marketing", "profiling", "third_party_disclosure", "relationship")
    given = [consent(1, "sms", purpose=purpose) for purpose in purposes]
    facts = [*given, objection(2)]
    for purpose in purposes[:3]:
        assert ask(facts, 3, "sms", purpose).reasons == ("OBJECTED",)
    assert ask(facts, 3, "sms", "relationship").allowed
    assert "OBJECTED" in ask(facts, 3, "operator_call").reasons


@pytest.mark.rule("OBJECT")
def test_an_objection_denies_its_own_scope_only() -> None:
    """To one channel and purpose: the others stand."""
    given = [consent(1, "sms", "mms"), consent(1, "sms", purpose="profiling")]
    facts = [*given, objection(2, channels=["sms"], purposes=["marketing"])]
    assert not ask(facts, 3, "sms").allowed
    assert ask(facts, 3, "mms").allowed
    assert ask(facts, 3, "sms", "profiling").allowed


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize("field", [{"channels": ["carrier_pigeon"]}, {"channels": "*"}])
def test_an_unknown_channel_widens_an_objection_to_all(field: dict[str, Json]) -> None:
    """An unknown symbol is read as the most restrictive one."""
    assert not ask([consent(1, "sms"), objection(2, **field)], 3, "sms").allowed


@pytest.mark.rule("OBJECT")
def test_an_unknown_purpose_widens_an_objection_to_every_purpose() -> None:
    """The relationship too, which the default would leave."""
    given = consent(1, "sms", purpose="relationship")
    assert ask([given, objection(2, purposes=["?"])], 3, "sms", "relationship").reasons == (
        "OBJECTED",
    )


@pytest.mark.rule("OBJECT")
def test_a_later_consent_lifts_an_objection_for_its_own_scope_only() -> None:
    """Given and accepted later, it allows what it names, and nothing else that was objected to."""
    facts = [consent(1, "sms", "mms"), objection(2), consent(3, "sms")]
    assert ask(facts, 4, "sms").allowed
    assert ask(facts, 4, "mms").reasons == ("OBJECTED",)
    assert ask(facts, 4, "operator_call").reasons == ("OBJECTED",), "no lift by extension"


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize(
    "given, accepted",
    [(2, 2), (2, 9), (1.5, 9), (1.9, 1.95)],
)
def test_a_consent_not_later_in_both_times_lifts_nothing(given: float, accepted: float) -> None:
    """Ties, old evidence imported late, and what came before: the objection wins."""
    facts = [objection(2), consent(given, accepted=accepted)]
    assert ask(facts, 20, "sms").reasons == ("OBJECTED",)


@pytest.mark.rule("OBJECT")
def test_an_objection_that_arrives_late_still_counts_from_its_acceptance() -> None:
    """Made on day 2, accepted on day 5: a consent of day 3 accepted on day 4 does not lift it."""
    late = objection(2, accepted=5)
    assert not ask([consent(3, accepted=4), late], 6, "sms").allowed
    assert ask([consent(3, accepted=5.5), late], 6, "sms").allowed


@pytest.mark.rule("OBJECT")
def test_two_objections_are_lifted_only_by_what_is_later_than_both() -> None:
    """The later evidence of one and the later acceptance of the other both count."""
    facts = [objection(2, accepted=10, id="a"), objection(6)]
    assert not ask([*facts, consent(7, accepted=9)], 20, "sms").allowed
    assert not ask([*facts, consent(5, accepted=11)], 20, "sms").allowed
    assert ask([*facts, consent(7, accepted=11)], 20, "sms").allowed


@pytest.mark.rule("OBJECT")
def test_nothing_takes_effect_from_the_future() -> None:
    """An objection dated ahead counts from its acceptance, and so does a consent."""
    ahead = objection(100, accepted=2)
    assert not ask([consent(1), ahead], 3, "sms").allowed
    assert ask([ahead, consent(3)], 4, "sms").allowed
    dated_ahead = consent(100, accepted=1.5)
    assert not ask([dated_ahead, objection(2)], 3, "sms").allowed


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize(
    "void",
    [
        {"evidence": {}},
        {"evidence": {"ref": "f", "preticked": True}},
        {"double_opt_in": True, "consent_id": "c"},
        {"source_id": "list-1"},
    ],
)
def test_a_void_consent_lifts_nothing(void: dict[str, Json]) -> None:
    """Unproven, not free, unconfirmed, from a revoked source: the objection stands."""
    revoked = fact("source.revoked", 4, source_id="list-1", contact=None)
    verdict = ask([consent(1), objection(2), consent(3, **void), revoked], 5, "sms")
    assert not verdict.allowed
    assert "OBJECTED" in verdict.reasons


@pytest.mark.rule("OBJECT")
def test_no_other_basis_lifts_an_objection() -> None:
    """A later soft opt-in and a later interest leave it standing."""
    sale = fact(
        "soft_opt_in.recorded", 3, contact=EMAIL, sale_id="s", categories=["shoes"],
        informed=True, objection_offered=True,
    )  # fmt: skip
    facts = [objection(2, contact=EMAIL, purposes=["*"]), sale]
    assert "OBJECTED" in ask(facts, 4, "email", contact=EMAIL, product="shoes").reasons
    interest = fact(
        "interest.recorded", 3, reason="customer", channels=["sms"], informed=True,
        evidence={"ref": "order"},
    )  # fmt: skip
    facts = [objection(2, purposes=["*"]), interest]
    assert ask(facts, 4, "sms", "relationship").reasons == ("OBJECTED",)


@pytest.mark.rule("OBJECT")
def test_an_objection_to_a_brand_denies_it_and_who_asks_without_one() -> None:
    """Another brand stands; asked without a brand, any objection denies."""
    facts = [consent(1), objection(2, brands=["alfa"])]
    assert ask(facts, 3, "sms", brand="alfa").reasons == ("OBJECTED",)
    assert ask(facts, 3, "sms").reasons == ("OBJECTED",)
    assert ask(facts, 3, "sms", brand="beta").allowed


@pytest.mark.rule("OBJECT")
def test_a_consent_for_a_brand_lifts_an_objection_to_all_for_that_brand_only() -> None:
    """Its own scope is its brand."""
    facts = [consent(1), objection(2), consent(3, brands=["alfa"])]
    assert ask(facts, 4, "sms", brand="alfa").allowed
    assert ask(facts, 4, "sms", brand="beta").reasons == ("OBJECTED",)
    assert ask(facts, 4, "sms").reasons == ("OBJECTED",)


@pytest.mark.rule("OBJECT")
def test_a_consent_for_all_lifts_an_objection_to_a_brand() -> None:
    """Its scope holds the brand's."""
    facts = [objection(2, brands=["alfa"]), consent(3)]
    assert ask(facts, 4, "sms", brand="alfa").allowed
    assert ask(facts, 4, "sms").allowed


@pytest.mark.rule("OBJECT")
def test_a_complaint_is_an_objection_on_its_channel() -> None:
    """It denies the channel it names, and leaves another."""
    facts = [consent(1, "sms", "mms"), objection(2, via="complaint", channels=["sms"])]
    assert ask(facts, 3, "sms").reasons == ("OBJECTED",)
    assert ask(facts, 3, "mms").allowed


@pytest.mark.rule("WITHDRAW")
def test_a_withdrawal_denies_every_purpose_unless_it_names_some() -> None:
    """Like an objection, but over the relationship too by default."""
    given = consent(1, "sms", purpose="relationship")
    facts = [given, consent(1, "sms"), fact("consent.withdrawn", 2)]
    assert ask(facts, 3, "sms").reasons == ("WITHDRAWN",)
    assert ask(facts, 3, "sms", "relationship").reasons == ("WITHDRAWN",)


@pytest.mark.rule("WITHDRAW")
def test_a_withdrawal_of_one_channel_leaves_the_others() -> None:
    """Its scope is what it names."""
    facts = [consent(1, "sms", "mms"), fact("consent.withdrawn", 2, channels=["sms"])]
    assert ask(facts, 3, "sms").reasons == ("WITHDRAWN",)
    assert ask(facts, 3, "mms").allowed


@pytest.mark.rule("WITHDRAW")
def test_a_later_consent_lifts_a_withdrawal() -> None:
    """Given again, it counts; what was given before does not."""
    withdrawn = fact("consent.withdrawn", 2)
    assert ask([withdrawn, consent(3)], 4, "sms").allowed
    assert not ask([withdrawn, consent(1, accepted=3)], 4, "sms").allowed
