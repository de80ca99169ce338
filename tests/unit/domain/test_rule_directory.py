"""DIRECTORY and UNLISTED, in both directions."""

from __future__ import annotations

import pytest

from noli.domain.facts import Fact
from tests.support.law import PHONE, POSTAL, Json, ask, consent, fact, on


def known(contact: dict[str, str] = PHONE, register: str = "phone", **more: Json) -> list[Fact]:
    """Collected from a directory on day 1, recorded as listed there, register checked on day 2."""
    source = {"source_id": "dir", "source_kind": "public_directory", **more}
    return [
        fact("contact.collected", 1, contact=contact, **source),
        fact("directory.status", 1, contact=contact, listed=True),
        fact("register.verified", 2, contact=contact, register=register),
    ]


@pytest.mark.rule("DIRECTORY")
def test_a_listed_number_may_be_called_by_an_operator() -> None:
    """For marketing, while the check is fresh; nothing else."""
    verdict = ask(known(), 3, "operator_call")
    assert (verdict.allowed, verdict.basis, verdict.until) == (True, "public_directory", on(17))
    assert ask(known(), 18, "operator_call").reasons == ("REGISTER_CHECK_STALE",)
    assert not ask(known(), 3, "automated_call").allowed
    assert not ask(known(), 3, "sms").allowed
    assert not ask(known(), 3, "operator_call", "profiling").allowed


@pytest.mark.rule("DIRECTORY")
def test_a_listed_address_may_be_written_to() -> None:
    """By post, while a check of the postal list is fresh: 30 days."""
    verdict = ask(known(POSTAL, "post"), 3, "post", contact=POSTAL)
    assert (verdict.allowed, verdict.basis, verdict.until) == (True, "public_directory", on(32))
    assert ask(known(POSTAL, "post"), 33, "post", contact=POSTAL).reasons == (
        "REGISTER_CHECK_STALE",
    )
    assert not ask(known(POSTAL, "phone"), 3, "post", contact=POSTAL).allowed


@pytest.mark.rule("DIRECTORY")
@pytest.mark.parametrize("missing", [0, 1, 2])
def test_each_of_the_three_is_needed(missing: int) -> None:
    """Collected there, recorded as listed there, checked: without any of them denied."""
    facts = known()
    del facts[missing]
    assert not ask(facts, 3, "operator_call").allowed


@pytest.mark.rule("DIRECTORY")
def test_a_number_on_the_register_is_not_called_on_the_directory() -> None:
    """Listed on the register after or before being collected; delisted, it must be got anew."""
    entered = fact("register.listed", 3, register="phone")
    left = fact("register.delisted", 4, register="phone")
    assert ask([*known(), entered], 5, "operator_call").reasons == ("REGISTERED",)
    assert not ask([*known(), entered, left], 5, "operator_call").allowed
    anew = fact("contact.collected", 5, source_id="dir", source_kind="public_directory")
    assert ask([*known(), entered, left, anew], 6, "operator_call").allowed


@pytest.mark.rule("DIRECTORY")
def test_a_directory_that_is_unlawful_or_revoked_gives_nothing() -> None:
    """Nor does one that says nothing of the number any more."""
    revoked = fact("source.revoked", 2, source_id="dir", contact=None)
    assert ask([*known(), revoked], 3, "operator_call").reasons == ("SOURCE_UNLAWFUL",)
    gone = fact("directory.status", 2, listed=False)
    assert not ask([*known(), gone], 3, "operator_call").allowed


@pytest.mark.rule("DIRECTORY")
def test_being_listed_in_another_directory_is_not_enough() -> None:
    """A status that names its source speaks for that source."""
    facts = known()
    facts[1] = fact("directory.status", 1, listed=True, source_id="another")
    assert not ask(facts, 3, "operator_call").allowed
    facts[1] = fact("directory.status", 1, listed=True, source_id="dir")
    assert ask(facts, 3, "operator_call").allowed


@pytest.mark.rule("UNLISTED")
def test_an_unlisted_number_is_called_on_a_proven_consent_only() -> None:
    """Not on an interest, whatever the purpose; nothing recorded is not unlisted."""
    interest = fact("interest.recorded", 1, reason="enquiry", channels=["operator_call"],
                    informed=True, evidence={"ref": "mail"})  # fmt: skip
    unlisted = fact("directory.status", 2, listed=False)
    assert ask([interest], 3, "operator_call", "relationship").allowed
    assert ask([interest, unlisted], 3, "operator_call", "relationship").reasons == ("UNLISTED",)
    assert ask([consent(1, "operator_call"), unlisted], 3, "operator_call").allowed
    unproven = consent(1, "operator_call", evidence={})
    verdict = ask([unproven, unlisted], 3, "operator_call")
    assert set(verdict.reasons) == {"CONSENT_UNPROVEN", "UNLISTED"}


@pytest.mark.rule("UNLISTED")
def test_the_latest_status_counts_and_ties_are_unlisted() -> None:
    """Listed again later, an interest may call; at the same moment, not."""
    interest = fact("interest.recorded", 1, reason="enquiry", channels=["operator_call"],
                    informed=True, evidence={"ref": "mail"})  # fmt: skip
    unlisted = fact("directory.status", 2, listed=False)
    for day, allowed in ((3, True), (2, False)):
        again = fact("directory.status", day, listed=True, id="again")
        verdict = ask([interest, unlisted, again], 4, "operator_call", "relationship")
        assert verdict.allowed == allowed
