"""PARTY, in both directions and in any order."""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.support.law import EMAIL, PARTY, PHONE, ask, consent, fact, objection

NUMBER = fact("party.linked", 2, party=PARTY, contact=PHONE)
MAIL = fact("party.linked", 2, party=PARTY, contact=EMAIL)


@pytest.mark.rule("PARTY")
def test_an_objection_of_a_person_holds_for_each_of_their_contacts() -> None:
    """Those linked before and those linked after it; not for a stranger's."""
    said = objection(3, party=PARTY)
    late = fact("party.linked", 5, party=PARTY, contact=EMAIL)
    given = [consent(1), consent(1, "email", contact=EMAIL)]
    assert ask([*given, NUMBER, said], 4, "sms").reasons == ("OBJECTED",)
    assert ask([*given, NUMBER, said, late], 4, "email", contact=EMAIL).allowed
    assert not ask([*given, NUMBER, said, late], 6, "email", contact=EMAIL).allowed
    assert ask([*given, said], 4, "sms").allowed


@pytest.mark.rule("PARTY")
def test_link_and_objection_end_the_same_in_any_order() -> None:
    """Three facts, six orders, one answer."""
    facts = [consent(1), NUMBER, objection(3, party=PARTY)]
    assert {ask(order, 4, "sms").reasons for order in permutations(facts)} == {("OBJECTED",)}


@pytest.mark.rule("PARTY")
def test_unlinking_lifts_nothing() -> None:
    """A denial stays on a contact ever linked; a grant of the person's ends with the link."""
    said = objection(3, party=PARTY)
    unlinked = fact("party.unlinked", 4, party=PARTY, contact=PHONE)
    assert ask([consent(1), NUMBER, said, unlinked], 5, "sms").reasons == ("OBJECTED",)
    after = objection(6, party=PARTY)
    assert not ask([consent(1), NUMBER, unlinked, after], 7, "sms").allowed
    given = consent(1, party=PARTY)
    assert ask([given, NUMBER], 5, "sms").allowed
    assert not ask([given, NUMBER, unlinked], 5, "sms").allowed
    again = fact("party.linked", 6, party=PARTY, contact=PHONE)
    assert ask([given, NUMBER, unlinked, again], 7, "sms").allowed


@pytest.mark.rule("PARTY")
def test_a_denial_that_names_contact_and_person_holds_for_both() -> None:
    """The contact at once, and the person's other contacts."""
    said = objection(3, party=PARTY, contact=PHONE)
    given = [consent(1), consent(1, "email", contact=EMAIL)]
    assert not ask([*given, said], 4, "sms").allowed
    assert not ask([*given, said, MAIL], 4, "email", contact=EMAIL).allowed


@pytest.mark.rule("PARTY")
def test_a_grant_that_names_contact_and_person_is_the_contacts_alone() -> None:
    """Nothing is allowed that was not asked for."""
    given = consent(1, "sms", "email", party=PARTY, contact=PHONE)
    assert ask([given, MAIL], 3, "sms").allowed
    assert not ask([given, MAIL], 3, "email", contact=EMAIL).allowed
