"""What the register's outcomes mean in law: who is asked for, listed since when, checked."""

from __future__ import annotations

import pytest

from connectors.sources.rpo import events as rpo
from connectors.sources.rpo import request
from connectors.sources.rpo.answer import Answered
from connectors.sources.rpo.dialect import Register
from connectors.sources.rpo.events import Asked, Listing
from noli.domain import events, times
from noli.domain.contact import normalise
from noli.domain.facts import Fact
from noli.domain.fold import fold
from noli.domain.policy import Policy
from noli.domain.state import EMPTY
from tests.support.law import ACME, EMAIL, POSTAL, ask, consent, fact, folded, on

PHONE = normalise("phone", "+393331234567")
AS_OF = on(100)
ASKED = Asked(ACME, Register.PHONE, AS_OF, "rpo:f11e")


def lapse(*found: Fact, register: Register = Register.PHONE) -> int | None:
    """When a contact of these facts is due."""
    return request.lapse(folded(found), register, Policy())


@pytest.mark.rule("REGISTER-FRESH")
def test_who_is_verified_and_when_it_lapses() -> None:
    """Fifteen days from the later of check and consent; thirty for post; an interest has none."""
    checked = fact("register.verified", 10, register="phone")
    interest = fact("interest.recorded", 20, reason="customer", channels=["operator_call"],
                    informed=True, evidence={"ref": "order"})  # fmt: skip
    never = lapse(interest)
    assert lapse(consent(1)) == on(16)
    assert lapse(consent(1), checked) == on(25)
    assert lapse(consent(12), checked) == on(27)
    assert never is not None
    assert never < 0
    post = consent(1, "post", contact=POSTAL)
    assert lapse(post, register=Register.POST) == on(31)


@pytest.mark.rule("REGISTER-FRESH")
def test_who_need_not_be_verified() -> None:
    """Erased, foreign, toll-free, another kind, without a basis or with void ones only."""
    foreign = {"kind": "phone", "value": "+447911123456"}
    free = {"kind": "phone", "value": "+39800123456"}
    assert lapse(consent(1), fact("erasure.requested", 2)) is None
    assert lapse(consent(1, contact=foreign)) is None
    assert lapse(consent(1, contact=free)) is None
    assert lapse(consent(1, "email", contact=EMAIL)) is None
    assert lapse(fact("register.verified", 1, register="phone")) is None
    assert lapse(consent(1, evidence={})) is None
    assert lapse(consent(1), register=Register.POST) is None


def outcome(listed: bool, since: float | None = None) -> Answered:
    """A line about the one number."""
    return Answered(7, "", PHONE, listed, None if since is None else on(since))


def told(row: Answered, known: Listing, asked: Asked = ASKED) -> list[tuple[str, int]]:
    """Types and times of the events of a line."""
    return [
        (each["type"].split(".")[2], times.parse(each["time"]))
        for each in rpo.events(row, known, asked)
    ]


@pytest.mark.rule("REGISTER")
@pytest.mark.parametrize(
    "row, known, expected",
    [
        (outcome(False), Listing(), [("verified", AS_OF)]),
        (outcome(True), Listing(), [("listed", AS_OF)]),
        (outcome(True), Listing(on(50)), [("verified", AS_OF)]),
        (outcome(True), Listing(on(50), on(50)), [("verified", AS_OF)]),
        (outcome(True), Listing(on(50), on(60)), [("listed", AS_OF)]),
        (outcome(True), Listing(on(120)), [("verified", AS_OF)]),
        (outcome(False), Listing(on(50)), [("delisted", AS_OF)]),
        (outcome(False), Listing(on(50), on(60)), [("verified", AS_OF)]),
        (outcome(False), Listing(on(120)), [("verified", AS_OF)]),
        (outcome(True, 40), Listing(on(50)), [("listed", on(40)), ("verified", AS_OF)]),
        (outcome(True, 90), Listing(on(50)), [("listed", on(90)), ("verified", AS_OF)]),
    ],
)
def test_the_date_of_a_listing(
    row: Answered, known: Listing, expected: list[tuple[str, int]]
) -> None:
    """A known listing keeps its date, a new one is of the answer, one in the file is the file's."""
    assert told(row, known) == expected


@pytest.mark.rule("REGISTER")
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(
    "before",
    [
        (),
        (fact("register.listed", 50, register="phone"),),
        (fact("register.listed", 50, register="phone"),
         fact("register.delisted", 60, register="phone")),
    ],
)  # fmt: skip
def test_the_same_answer_again_changes_no_state(listed: bool, before: tuple[Fact, ...]) -> None:
    """Even where the journal was lost: the second run makes the facts of the first."""
    state = folded([consent(1, "operator_call"), *before])
    runs = []
    for _ in range(2):
        known = rpo.listing(state, Register.PHONE) or Listing()
        for each in rpo.events(outcome(listed), known, ASKED):
            state = fold(state, events.parse(each, on(101)))
        runs.append(state)
    assert runs[0] is runs[1]


def facts_of(row: Answered, known: Listing) -> list[Fact]:
    """The facts of a line, loaded a day after the answer."""
    return [events.parse(each, on(101)) for each in rpo.events(row, known, ASKED)]


@pytest.mark.rule("REGISTER")
def test_a_new_listing_voids_consents_up_to_the_answer_and_later_ones_stand() -> None:
    """Denied as REGISTERED; a consent after the answer calls."""
    loaded = facts_of(outcome(True), Listing())
    given = [consent(1, "operator_call"), consent(99, "operator_call")]
    assert ask([*given, *loaded], 102, "operator_call").reasons == ("REGISTERED",)
    later = consent(101, "operator_call", id="later")
    assert ask([*given, *loaded, later], 102, "operator_call").allowed


@pytest.mark.rule("REGISTER-FRESH")
@pytest.mark.parametrize("known", [Listing(), Listing(on(50))])
def test_every_outcome_is_a_check(known: Listing) -> None:
    """A consent that a listing does not void calls for fifteen days from the answer."""
    given = [fact("register.listed", 50, register="phone")] if known.stands else []
    given.append(consent(60, "operator_call"))
    assert not ask(given, 102, "operator_call").allowed
    for listed in (True, False) if known.stands else (False,):
        verdict = ask([*given, *facts_of(outcome(listed), known)], 102, "operator_call")
        assert (verdict.allowed, verdict.until) == (True, AS_OF + 15 * times.DAY)


def test_an_event_names_the_answer_as_its_evidence() -> None:
    """File and line; the contact stands in the data alone."""
    (event,) = rpo.events(outcome(True), Listing(), ASKED)
    assert event["data"]["evidence"] == {"ref": "rpo:f11e"}
    assert event["id"] == "rpo:f11e.7.listed"
    assert PHONE.value not in f"{event['id']}{event['source']}"
    assert rpo.listing(EMPTY, Register.PHONE) is None
