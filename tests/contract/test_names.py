"""The names that code uses are those of the catalogue."""

from __future__ import annotations

from noli.domain import token
from schemas import names
from schemas.codec import topic_catalogue


def test_the_topics_named_in_code_are_the_catalogue_s() -> None:
    """No topic is used that `topics apply` would not create, and none stands there unused."""
    used = {value for value in vars(names).values() if str(value).startswith("noli.")}
    assert used == set(topic_catalogue()["topics"])


def test_the_keys_that_are_no_contact_s_can_never_be_one() -> None:
    """A claim or a beacon is told from a token by its length alone."""
    assert token.SIZE not in {len(names.CLAIM_KEY), len(names.BEACON_KEY)}
