"""The joins by example: what each keeps and drops, at every bound."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.domain.facts import EVERY_BRAND, SourceRevoked
from noli.domain.fold import EMPTY, fold, join
from noli.domain.joins import FRONT_MAX, with_denial, with_grant, with_mark, without_erased
from noli.domain.state import Basis, Denial, Denied, Flag, Grant, Latest, Mark, State
from tests.support.law import objection

SMS: Final = 0b001
CALL: Final = 0b010
POST: Final = 0b100


def denial(mask: int, time: int, accepted: int, brand: str = EVERY_BRAND) -> Denial:
    """An objection."""
    return Denial(Denied.OBJECTED, brand, mask, time, accepted)


def grant(time: int, accepted: int, flags: int = 0, ref: str = "") -> Grant:
    """A consent to one thing."""
    return Grant(Basis.CONSENT, SMS, EVERY_BRAND, "form", ref, flags, time, accepted)


@pytest.mark.rule("OBJECT")
def test_only_what_both_denials_cover_takes_the_later_times() -> None:
    """The rest of each keeps its own: a later consent for it may still lift it."""
    joined = with_denial((denial(SMS | CALL, 10, 40),), denial(CALL | POST, 30, 20))
    assert set(joined) == {denial(SMS, 10, 40), denial(CALL, 30, 40), denial(POST, 30, 20)}


@pytest.mark.rule("OBJECT")
def test_denials_of_another_brand_or_kind_stand_apart() -> None:
    """Each has its own times."""
    other = denial(SMS, 1, 1, "brand")
    withdrawn = Denial(Denied.WITHDRAWN, EVERY_BRAND, SMS, 2, 2)
    joined = with_denial((other, withdrawn), denial(SMS, 9, 9))
    assert set(joined) == {other, withdrawn, denial(SMS, 9, 9)}


@pytest.mark.parametrize(
    "old, new, kept",
    [
        (grant(1, 1), grant(2, 2), {grant(2, 2)}),
        (grant(2, 2), grant(1, 1), {grant(2, 2)}),
        (grant(1, 1), grant(1, 2), {grant(1, 2)}),
        (grant(1, 2), grant(1, 1), {grant(1, 2)}),
        (grant(1, 1), grant(2, 1), {grant(2, 1)}),
        (grant(2, 1), grant(1, 1), {grant(2, 1)}),
        (grant(1, 2), grant(2, 1), {grant(1, 2), grant(2, 1)}),
        (grant(2, 1), grant(1, 2), {grant(1, 2), grant(2, 1)}),
        (grant(1, 1), grant(1, 1), {grant(1, 1)}),
        (grant(1, 1, ref="a"), grant(2, 2, ref="b"), {grant(1, 1, ref="a"), grant(2, 2, ref="b")}),
    ],
)
def test_a_consent_that_is_later_in_both_takes_the_place_of_an_older_one(
    old: Grant, new: Grant, kept: set[Grant]
) -> None:
    """Times that run against each other both stay; so does what is of another scope."""
    assert set(with_grant((old,), new)) == kept


def test_a_later_consent_takes_the_place_of_all_it_dominates() -> None:
    """However many there are."""
    front = (grant(1, 4), grant(2, 3), grant(9, 1))
    assert set(with_grant(front, grant(5, 5))) == {grant(5, 5), grant(9, 1)}


def test_a_double_opt_in_is_never_dominated() -> None:
    """Its window is its own: it may be confirmed after a later one lapsed."""
    double = Flag.DOUBLE_OPT_IN
    both = with_grant((grant(1, 1, double),), grant(2, 2, double))
    assert set(both) == {grant(1, 1, double), grant(2, 2, double)}
    assert set(with_grant(both, grant(0, 0, double))) == {*both, grant(0, 0, double)}


def test_a_front_is_bounded_by_dropping_its_oldest() -> None:
    """Sixteen consents whose times run against each other; to drop one can only deny."""
    front: tuple[Grant, ...] = ()
    for number in range(FRONT_MAX):
        front = with_grant(front, grant(number, 100 - number))
    assert len(front) == 16
    front = with_grant(front, grant(50, 50))
    assert len(front) == 16
    assert grant(0, 100) not in front
    assert grant(50, 50) in front


def test_the_latest_mark_of_each_key_stays() -> None:
    """Of confirmations the latest few, of all else one."""
    one, two = (Mark(Latest.CONTRACT_STARTED, key, 5) for key in ("one", "two"))
    marks = with_mark((one,), two)
    assert set(marks) == {one, two}
    assert set(with_mark(marks, one._replace(at=7))) == {one._replace(at=7), two}
    assert with_mark(marks, one._replace(at=3)) == marks
    confirmed: tuple[Mark, ...] = ()
    for at in range(20):
        confirmed = with_mark(confirmed, Mark(Latest.CONFIRMED, "c", at))
    assert [mark.at for mark in confirmed] == list(range(4, 20))


@pytest.mark.rule("ERASED")
@pytest.mark.parametrize(
    "consent, stays",
    [
        (grant(21, 31), True),
        (grant(20, 31), False),
        (grant(21, 30), False),
        (grant(19, 31), False),
        (grant(21, 29), False),
        (grant(21, 31, Flag.UNPROVEN), False),
        (grant(21, 31)._replace(basis=Basis.SOFT_OPT_IN, accepted=0), False),
    ],
)
def test_only_a_valid_consent_later_in_both_survives_an_erasure(
    consent: Grant, stays: bool
) -> None:
    """Evidence and acceptance; with it the contact is known again, else it is not."""
    contact = Contact(Kind.PHONE, "+393331234567")
    erased = Denial(Denied.ERASED, EVERY_BRAND, SMS, 20, 30)
    after = without_erased(State("acme", Kind.PHONE, contact, (erased,), (consent,)))
    assert after.grants == ((consent,) if stays else ())
    assert after.contact == (contact if stays else None)


@pytest.mark.rule("ERASED")
def test_what_names_somebody_is_gone_unless_it_came_later() -> None:
    """Marks with a key are the sender's references; the register's dates stay, they deny."""
    erased = Denial(Denied.ERASED, EVERY_BRAND, SMS, 20, 30)
    marks = (
        Mark(Latest.CONTRACT_STARTED, "before", 19),
        Mark(Latest.CONTRACT_STARTED, "same", 20),
        Mark(Latest.CONTRACT_STARTED, "after", 21),
        Mark(Latest.PHONE_LISTED, "", 5),
    )
    after = without_erased(State("acme", None, None, (erased,), (), marks))
    assert {mark.key for mark in after.marks} == {"after", ""}


def test_a_denial_of_nobody_named_belongs_to_its_controller() -> None:
    """Who is erased is denied under the token alone; the state knows at least who decides."""
    unnamed = replace(objection(5), contact=None)
    assert fold(None, unnamed).controller == unnamed.controller
    known = fold(None, objection(1))
    assert fold(known, replace(unnamed, controller="")).controller == known.controller


def test_joined_states_remember_what_either_forgot() -> None:
    """A replay of what one of them no longer knows by its id lifts nothing."""
    one, other = fold(None, objection(1)), fold(None, objection(2))
    for a, b in ((9, 4), (4, 9)):
        assert join(one._replace(forgotten=a), other._replace(forgotten=b)).forgotten == 9


def test_a_fact_of_no_contact_at_all_adds_nothing() -> None:
    """A type that no step is for: the very same state."""
    known = fold(None, objection(1))
    revoked = replace(objection(2), detail=SourceRevoked("complaints"))
    assert fold(known, revoked) is known
    assert fold(None, revoked) is EMPTY
