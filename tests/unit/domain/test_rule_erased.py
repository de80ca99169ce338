"""ERASED and quarantine, in both directions."""

from __future__ import annotations

import pytest

from noli import wire
from noli.domain.fold import fold
from noli.domain.policy import Policy
from noli.domain.verdict import verdicts
from tests.support.law import EMAIL, ask, consent, fact, folded, objection, on

ERASED = fact("erasure.requested", 5)


@pytest.mark.rule("ERASED")
def test_erasure_denies_everything_whatever_comes_back() -> None:
    """A re-import of old facts stays denied, for the relationship too."""
    facts = [consent(1), ERASED, consent(4, accepted=9, id="reimport")]
    assert ask(facts, 10, "sms").reasons == ("NO_BASIS", "ERASED")
    assert "ERASED" in ask(facts, 10, "operator_call", "relationship").reasons
    again = fact("contact.collected", 8, source_id="crm", source_kind="form")
    assert "ERASED" in ask([*facts, again], 10, "sms").reasons


@pytest.mark.rule("ERASED")
def test_only_a_new_consent_lifts_an_erasure_for_its_scope() -> None:
    """Given and accepted later; unproven it lifts nothing."""
    assert ask([ERASED, consent(6)], 7, "sms").allowed
    assert "ERASED" in ask([ERASED, consent(6)], 7, "operator_call").reasons
    assert not ask([ERASED, consent(6, evidence={})], 7, "sms").allowed
    sale = fact("soft_opt_in.recorded", 6, contact=EMAIL, sale_id="s", categories=["shoes"],
                informed=True, objection_offered=True)  # fmt: skip
    erased = fact("erasure.requested", 5, contact=EMAIL)
    assert not ask([erased, sale], 7, "email", contact=EMAIL, product="shoes").allowed


@pytest.mark.rule("ERASED")
def test_erasure_takes_the_personal_data_out_of_the_state() -> None:
    """No contact, no basis, no contract; the dates that deny stay."""
    before = [
        consent(1, source_id="fair"), objection(2), fact("contract.started", 1, contract_id="k"),
        fact("contact.collected", 1, source_id="fair", source_kind="form"),
        fact("register.listed", 2, register="phone"),
    ]  # fmt: skip
    state = folded([*before, ERASED])
    assert state.contact is None
    assert state.kind == "phone"
    assert state.grants == ()
    assert [mark.key for mark in state.marks] == [""]
    assert {denial.kind.name for denial in state.denials} == {"OBJECTED", "ERASED"}
    for later in (objection(6), fact("contact.collected", 6, source_id="x", source_kind="form")):
        assert fold(state, later).contact is None


@pytest.mark.rule("ERASED")
def test_a_new_consent_makes_the_contact_known_again() -> None:
    """It must be: applications are to be told whom they may contact. Void, it is not."""
    assert folded([consent(1), ERASED, consent(6)]).contact is not None
    assert folded([consent(6), ERASED]).contact is not None, "in whatever order they come"
    assert folded([ERASED, consent(6, evidence={})]).contact is None


@pytest.mark.rule("OBJECT")
def test_a_quarantined_contact_is_denied_and_no_consent_lifts_it() -> None:
    """Nobody knows what the unreadable record said."""
    doubt = wire.quarantine_fact(b"q" * 16, consent(2).accepted, "unreadable")
    rows, _ = verdicts(folded([consent(1), doubt, consent(3)]), Policy(), on(4))
    assert {row.reasons for row in rows} == {("QUARANTINED",), ("NO_BASIS", "QUARANTINED")}


def test_a_contact_known_only_by_an_unreadable_record_is_denied_on_every_channel() -> None:
    """Not even its kind is known: every channel of every kind is denied."""
    state = folded([wire.quarantine_fact(b"q" * 16, 0, "unreadable")])
    assert state.contact is None
    rows, _ = verdicts(state, Policy(), on(4))
    assert {c for row in rows for c in row.channels} >= {"email", "sms", "post", "push"}
    assert not any(row.allowed for row in rows)
