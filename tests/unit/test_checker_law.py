"""The checker's model: what the law bounds, and that the product stays within the bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings

from noli import wire
from noli.domain.facts import Fact as ProductFact
from noli.domain.policy import Policy
from noli.domain.verdict import answer
from schemas.names import GRANTS, OBJECTIONS
from tests.support.checked import consent, event
from tests.support.checker import Bound, Fact, Kind, Law, fact_of
from tests.support.decisions import CODEC
from tests.support.histories import END, History, histories, questions
from tests.support.law import folded, on
from tests.support.recorded import Raw, logged

SMS: Final = ("sms", "marketing", "*")
ANNA: Final = b"\x01" + bytes(16)


def bound(pair: tuple[str, str, str], *facts: Fact) -> Bound:
    """What the log's facts bound a pair to."""
    return Law((OBJECTIONS if f.denies else GRANTS, f.accepted, f) for f in facts).bound("a", pair)


def given_at(time: int, *channels: str, accepted: int | None = None, **data: Any) -> Fact:  # noqa: ANN401 - event data
    """A consent of `a`; on sms unless told otherwise."""
    said = consent(time, *(channels or ("sms",)), **data)
    return fact_of(said, time, time if accepted is None else accepted, "a")


def denied_at(time: int, what: str = "objection.raised", **data: Any) -> Fact:  # noqa: ANN401 - event data
    """A denial of `a`, accepted when it was raised."""
    return fact_of(event(-time, what, **data), time, time, "a")


def denied_at_late(time: int, accepted: int) -> Fact:
    """An objection of `a` that the log heard of later."""
    return fact_of(event(-accepted, "objection.raised"), time, accepted, "a")


@pytest.mark.parametrize(
    "facts, expected",
    [
        ([], Bound.DENIED),
        ([given_at(1)], Bound.ALLOWED),
        ([given_at(1, "mms")], Bound.DENIED),
        ([given_at(1, evidence={})], Bound.DENIED),
        ([given_at(1, evidence={"ref": "f", "preticked": True})], Bound.DENIED),
        ([given_at(1, evidence={"ref": "f", "box_purposes": ["marketing", "x"]})], Bound.DENIED),
        ([given_at(1, double_opt_in=True)], Bound.EITHER),
        ([given_at(1, source_id="list")], Bound.EITHER),
        ([given_at(1), denied_at(2)], Bound.DENIED),
        ([given_at(3), denied_at(2)], Bound.ALLOWED),
        ([given_at(2), denied_at(2)], Bound.DENIED),
        ([given_at(1, accepted=3), denied_at(2)], Bound.DENIED),
        ([given_at(9, accepted=2), denied_at(2)], Bound.DENIED),
        ([given_at(3, double_opt_in=True), denied_at(2)], Bound.EITHER),
        ([given_at(1), denied_at(2, channels=["email"])], Bound.ALLOWED),
        ([given_at(1), denied_at(2, channels=["pigeon"])], Bound.DENIED),
        ([given_at(1), denied_at(2, purposes=["profiling"])], Bound.ALLOWED),
        ([given_at(1), denied_at(2, brands=["alfa"])], Bound.DENIED),
        ([given_at(1), denied_at(2, "consent.withdrawn")], Bound.DENIED),
        ([given_at(1), denied_at(2, "erasure.requested")], Bound.DENIED),
        ([given_at(3), denied_at(2, "erasure.requested")], Bound.ALLOWED),
        ([given_at(1), denied_at(2, "soft_opt_in.recorded")], Bound.ALLOWED),
        ([given_at(1), denied_at(2, "register.listed")], Bound.EITHER),
        ([denied_at(5), denied_at_late(1, 9), given_at(7), given_at(4, accepted=10)], Bound.EITHER),
        ([denied_at(5), denied_at_late(1, 9), given_at(7), given_at(10)], Bound.ALLOWED),
        ([given_at(3), Fact("?", Kind.UNREADABLE, 1, 1, "a")], Bound.DENIED),
    ],
)  # fmt: skip
def test_the_model_bounds_what_the_law_says(facts: list[Fact], expected: Bound) -> None:
    """Ties deny, both times must be later, unknown symbols widen, what is not followed is open."""
    assert bound(SMS, *facts) is expected


def test_a_consent_lifts_for_its_own_scope_only() -> None:
    """CONSENT-EXTENDS reaches calls by operator, and lifts no objection to them."""
    call = ("operator_call", "marketing", "*")
    assert bound(call, given_at(1)) is Bound.EITHER
    assert bound(call, denied_at(2), given_at(3)) is Bound.DENIED
    assert bound(call, denied_at(2), given_at(3, "operator_call")) is Bound.EITHER
    alfa = given_at(3, brands=["alfa"])
    assert bound(("sms", "marketing", "alfa"), denied_at(2), alfa) is Bound.ALLOWED
    assert bound(SMS, denied_at(2), alfa) is Bound.DENIED


@pytest.mark.parametrize("first", ["link", "objection"])
def test_what_a_person_denies_holds_for_every_contact_ever_linked(first: str) -> None:
    """PARTY: whichever comes first, also after an unlinking; not for a contact never linked."""
    link = fact_of(event(1, "party.linked", party="crm:7"), 1, 1, "a")
    objection = fact_of(event(2, "objection.raised", party="crm:7"), 2, 2)
    said = [link, objection] if first == "link" else [objection, link]
    unlinked = fact_of(event(3, "party.unlinked", party="crm:7"), 3, 3, "a")
    assert bound(SMS, given_at(1), *said, unlinked) is Bound.DENIED
    assert bound(SMS, given_at(1), objection) is Bound.ALLOWED


def raw(number: int, fact: ProductFact) -> Raw:
    """The record of a fact, as the intake would append it."""
    lane = OBJECTIONS if fact.denies else GRANTS
    own = replace(fact, id=str(number))  # the histories' ids are not one for each event
    value = CODEC.encode(wire.INTENT, wire.fact_to_intent(own))
    return Raw(lane, 0, number, fact.accepted, ANNA, value)


@pytest.mark.rule("OBJECT")
@pytest.mark.rule("WITHDRAW")
@pytest.mark.rule("ERASED")
@pytest.mark.rule("NO-BASIS")
@settings(max_examples=300, deadline=None, derandomize=True)
@given(histories(most=10))
def test_the_products_verdicts_stay_within_the_bounds(history: History) -> None:
    """Of any history and question: never allowed where the model denies, nor the reverse."""
    kind, facts = history
    state = folded(facts)
    law = Law(
        (record.topic, record.at, record.fact)
        for record in logged(CODEC, map(raw, range(len(facts)), facts), lambda *_: ANNA)
    )
    for query in questions(kind):
        pair = (query.channel.value, query.purpose.value, query.brand or "*")
        found = law.bound(ANNA.hex(), pair)
        verdict = answer(state, Policy(), query, on(END + 1))
        if found is not Bound.EITHER:
            assert verdict.allowed == (found is Bound.ALLOWED), (pair, verdict)
