"""Unsubscribe tokens: sealed, unforgeable, and the event a click raises."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noli.domain import events
from noli.domain.facts import ObjectionRaised, Via
from noli.domain.token import Pepper
from noli.intake import links, oneclick
from noli.intake.links import Link, Links
from tests.support.intake import PEPPER

LINK = Link("acme", "email", "mario.rossi@example.it", 1_700_000_000_000, brands=("sport",))

texts = st.text(min_size=1, max_size=60)
scopes = st.lists(texts, max_size=3).map(tuple)


@given(st.builds(Link, texts, texts, texts, st.integers(0, 2**48), scopes, scopes, scopes))
def test_a_minted_token_opens_to_what_was_sealed(link: Link) -> None:
    """Every link survives the way through its token."""
    sealed = Links([PEPPER])
    assert sealed.open(sealed.mint(link)) == link


def test_a_token_tells_nothing_about_the_contact() -> None:
    """Neither the token, nor its bytes, nor a link's repr show the contact."""
    token = Links([PEPPER]).mint(LINK)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for part in ("mario", "rossi", "example", "acme", "sport"):
        assert part not in token
        assert part.encode() not in raw
    assert "mario" not in repr(LINK)


def test_a_token_is_url_safe_and_short() -> None:
    """A usual token stands in a URL without escapes and within a header line."""
    token = Links([PEPPER]).mint(LINK)
    assert token.replace("-", "").replace("_", "").isalnum()
    assert len(token) < 160


@given(position=st.integers(0), flip=st.integers(1, 63))
def test_no_altered_token_opens(position: int, flip: int) -> None:
    """A token with any one character changed is nobody's."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sealed = Links([PEPPER])
    token = sealed.mint(LINK)
    place = position % len(token)
    other = alphabet[(alphabet.index(token[place]) + flip) % len(alphabet)]
    assert sealed.open(token[:place] + other + token[place + 1 :]) is None


@pytest.mark.parametrize("token", ["", "x", "é", "AQ", "A" * 5000, "a/b", "AQ==", "AQ\n"])
def test_text_that_is_no_token_opens_to_nothing(token: str) -> None:
    """Garbage of any kind is answered like a forged token, without an exception."""
    assert Links([PEPPER]).open(token) is None


def test_a_token_of_another_pepper_does_not_open() -> None:
    """Links of one installation are nothing to another."""
    assert Links([Pepper(1, b"another secret, as long as needed")]).open(
        Links([PEPPER]).mint(LINK)
    ) is None  # fmt: skip


def test_links_outlive_a_rotation_of_the_pepper() -> None:
    """A link of the old pepper opens beside the new one, which mints from now on."""
    fresh = Pepper(2, b"the secret after the rotation....")
    both = Links([fresh, PEPPER])
    assert both.open(Links([PEPPER]).mint(LINK)) == LINK
    assert Links([fresh]).open(both.mint(LINK)) == LINK


@pytest.mark.rule("OBJECT")
def test_a_click_is_an_objection_to_everything() -> None:
    """A link without scopes raises an objection of the widest default, through the link."""
    link = Link("acme", "email", "mario.rossi@example.it", 1_700_000_000_000)
    fact = events.parse(oneclick.objection(link, "d1", 1_795_000_000_123), 1_795_000_000_125)
    assert isinstance(fact.detail, ObjectionRaised)
    assert fact.detail.via is Via.UNSUBSCRIBE_LINK
    assert fact.time == 1_795_000_000_123
    assert fact.brands == ("*",)
    same = events.parse(
        {
            "type": "noli.objection.raised.v1",
            "data": {
                "controller": "acme",
                "contact": {"kind": "email", "value": "Mario.Rossi@Example.it"},
            },
        },
        0,
    )
    assert isinstance(same.detail, ObjectionRaised)
    assert (fact.detail.channels, fact.detail.purposes) == (
        same.detail.channels,
        same.detail.purposes,
    )
    assert fact.contact == same.contact


def test_a_link_of_one_brand_objects_to_that_brand() -> None:
    """The scopes of a link are the scopes of its objection."""
    raised = oneclick.objection(LINK, "d1", 1_795_000_000_123)
    assert raised["data"]["brands"] == ["sport"]
    assert "channels" not in raised["data"]


def test_two_clicks_are_two_events() -> None:
    """A later click has another id: it counts against a consent given in between."""
    first, second = (oneclick.objection(LINK, "d1", at) for at in (1_000, 2_000))
    assert first["id"] != second["id"]
    assert links.digest("a") != links.digest("b")
