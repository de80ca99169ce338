"""SOURCE-KIND, SOURCE-REVOKED, LEGAL-PERSON, in both directions."""

from __future__ import annotations

import pytest

from noli.domain.facts import Fact
from tests.support.law import Json, ask, consent, fact


def collected(kind: str, **more: Json) -> Fact:
    """The contact got from `src` of that kind on day 1."""
    return fact("contact.collected", 1, source_id="src", source_kind=kind, **more)


def interest(**more: Json) -> Fact:
    """A valid interest in calling a customer, of day 2."""
    data = {"reason": "customer", "channels": ["operator_call"], "informed": True}
    return fact("interest.recorded", 2, evidence={"ref": "order"}, **{**data, **more})


@pytest.mark.rule("SOURCE-KIND")
@pytest.mark.parametrize("kind", ["social_network", "web_scrape", "purchased_list", "no_such_kind"])
def test_a_contact_known_only_from_an_unlawful_source_is_denied_by_name(kind: str) -> None:
    """The denial names the source, for every purpose."""
    for purpose in ("marketing", "relationship"):
        verdict = ask([collected(kind)], 2, "sms", purpose)
        assert not verdict.allowed
        assert "SOURCE_UNLAWFUL" in verdict.reasons


@pytest.mark.rule("SOURCE-KIND")
@pytest.mark.parametrize("kind", ["form", "sale", "enquiry", "public_directory"])
def test_a_lawful_source_alone_is_no_basis_but_is_not_named(kind: str) -> None:
    """Denied for want of a basis only."""
    assert ask([collected(kind)], 2, "sms").reasons == ("NO_BASIS",)


@pytest.mark.rule("SOURCE-KIND")
def test_a_proven_purchased_list_is_not_unlawful() -> None:
    """With its proof, an interest may rest on it."""
    assert ask([collected("purchased_list", proof="deed-1"), interest(source_id="src")], 3,
               "operator_call", "relationship").allowed  # fmt: skip
    assert not ask([collected("purchased_list"), interest(source_id="src")], 3,
                   "operator_call", "relationship").allowed  # fmt: skip


@pytest.mark.rule("SOURCE-KIND")
def test_an_interest_that_rests_on_an_unlawful_source_is_void() -> None:
    """By name, or because the contact is known from nowhere else."""
    for rests in ({"source_id": "src"}, {}):
        verdict = ask(
            [collected("web_scrape"), interest(**rests)], 3, "operator_call", "relationship"
        )
        assert (verdict.allowed, verdict.reasons) == (False, ("SOURCE_UNLAWFUL",))


@pytest.mark.rule("SOURCE-KIND")
def test_a_valid_consent_from_a_lawful_source_still_counts() -> None:
    """Whatever else the contact was scraped from; a consent resting on the scrape does not."""
    assert ask([collected("web_scrape"), consent(2)], 3, "sms").allowed
    verdict = ask([collected("web_scrape"), consent(2, source_id="src")], 3, "sms")
    assert verdict.reasons == ("SOURCE_UNLAWFUL",)


@pytest.mark.rule("SOURCE-KIND")
def test_a_source_once_recorded_as_unlawful_stays_so() -> None:
    """A second, nicer description of the same source does not launder it."""
    nicer = fact("contact.collected", 2, source_id="src", source_kind="form")
    verdict = ask([collected("web_scrape"), nicer, consent(3, source_id="src")], 4, "sms")
    assert verdict.reasons == ("SOURCE_UNLAWFUL",)


@pytest.mark.rule("SOURCE-REVOKED")
def test_revoking_a_source_voids_every_basis_got_through_it() -> None:
    """From its acceptance on; a basis from elsewhere survives; before, nothing changes."""
    through = [consent(1, source_id="src"), interest(source_id="src")]
    revoked = fact("source.revoked", 5, source_id="src", contact=None)
    assert ask([*through, revoked], 4, "sms").allowed
    assert "SOURCE_UNLAWFUL" in ask([*through, revoked], 6, "sms").reasons
    assert not ask([*through, revoked], 6, "operator_call", "relationship").allowed
    assert ask([*through, revoked, consent(2, source_id="other")], 6, "sms").allowed
    assert ask([*through, revoked, consent(2)], 6, "sms").allowed


@pytest.mark.rule("SOURCE-REVOKED")
def test_a_revocation_is_that_controllers_alone_and_announces_nothing() -> None:
    """Another controller's source of that name stands; an earlier answer does not foresee it."""
    revoked = fact("source.revoked", 5, source_id="src", contact=None, controller="other")
    assert ask([consent(1, source_id="src"), revoked], 6, "sms").allowed
    mine = fact("source.revoked", 5, source_id="src", contact=None)
    assert ask([consent(1, source_id="src"), mine], 4, "sms").until is None


@pytest.mark.rule("LEGAL-PERSON")
@pytest.mark.parametrize("subject", ["natural", "legal"])
def test_a_legal_person_is_protected_as_a_natural_one(subject: str) -> None:
    """The kind of subject changes no verdict: without consent denied, with consent allowed."""
    known = collected("form", subject_type=subject)
    for channel in ("sms", "automated_call", "fax"):
        assert ask([known], 2, channel).reasons == ("NO_BASIS",)
    assert ask([known, consent(2)], 3, "sms").allowed
