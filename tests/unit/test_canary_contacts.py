"""Contacts of canaries: nobody's, readable, a pure function of what an application is told."""

from __future__ import annotations

import itertools

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noli.domain import canary
from noli.domain.canary import Perch
from noli.domain.channel import CHANNELS, PURPOSES, Channel, Kind, Purpose
from noli.domain.contact import Contact, normalise

EVERY = [
    c for kind, purpose in itertools.product(Kind, PURPOSES) for c in canary.flock(kind, purpose)
]


def test_every_contact_is_one_that_we_accept_as_it_stands() -> None:
    """What the prober posts is what is decided on: normalised already, and no two are the same."""
    assert [normalise(kind, value) for kind, value in EVERY] == EVERY
    assert len(set(EVERY)) == len(EVERY)


def test_the_numbers_are_of_the_range_that_is_kept_for_drama() -> None:
    """Ofcom: 07700 900000 to 900999 is never given to anybody; no library knows an owner."""
    numbers = [value for kind, value in EVERY if kind is Kind.PHONE]
    assert all("+447700900000" <= number <= "+447700900999" for number in numbers)
    assert all(phonenumbers.is_possible_number(phonenumbers.parse(n)) for n in numbers)


def test_the_addresses_are_under_a_reserved_name() -> None:
    """RFC 2606: nobody can register a name under `.example`."""
    assert all(value.endswith(".example") for kind, value in EVERY if kind is Kind.EMAIL)


def test_a_canary_is_known_and_its_neighbours_are_not() -> None:
    """A number of the same range beyond ours is left to people's test lists."""
    assert all(canary.is_canary(contact) for contact in EVERY)
    assert canary.is_canary(("phone", "+447700900900"))
    assert not canary.is_canary(None)
    assert not canary.is_canary(Contact(Kind.PHONE, "+447700900123"))
    assert not canary.is_canary(Contact(Kind.EMAIL, "anna@noli.example"))
    assert not canary.is_canary(Contact(Kind.EMAIL, "+447700900900"))


@pytest.mark.parametrize(
    "channels, purposes, wanted",
    [
        (CHANNELS, PURPOSES, Perch("acme", Kind.PHONE, Purpose.MARKETING)),
        ([Channel.EMAIL, Channel.POST], PURPOSES, Perch("acme", Kind.EMAIL, Purpose.MARKETING)),
        ([Channel.POST], [Purpose.PROFILING], Perch("acme", Kind.POSTAL, Purpose.PROFILING)),
        (["sms"], ["relationship"], Perch("acme", Kind.PHONE, Purpose.RELATIONSHIP)),
        ([Channel.PUSH], PURPOSES, None),
        ([], PURPOSES, None),
        (CHANNELS, [], None),
    ],
)
def test_an_application_has_a_perch_by_what_it_serves(
    channels: list[str], purposes: list[str], wanted: Perch | None
) -> None:
    """A contact of a kind it is told of, for a purpose it serves; none where none reaches it."""
    assert canary.perch(["zeta", "acme"], channels, purposes) == wanted
    assert canary.perch([], channels, purposes) is None


@given(st.sets(st.sampled_from(CHANNELS)), st.sets(st.sampled_from(PURPOSES), min_size=1))
def test_an_application_is_told_of_its_perch(
    channels: set[Channel], purposes: set[Purpose]
) -> None:
    """One of the channels that reach the contact is served, and so is the purpose."""
    found = canary.perch(["acme"], channels, purposes)
    if found is None:
        assert channels <= {Channel.PUSH}
    else:
        assert set(found.channels) & channels
        assert found.purpose in purposes


def test_purposes_do_not_share_contacts() -> None:
    """An objection on one perch cannot reach the verdicts of another."""
    flocks = [set(canary.flock(Kind.PHONE, purpose)) for purpose in PURPOSES]
    assert all(not one & other for one, other in itertools.combinations(flocks, 2))
