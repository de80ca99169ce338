"""What a lookup in a test streams changes from."""

from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn

from noli.replica.follow import LogUnavailable


def no_feeds(_controllers: Collection[str]) -> NoReturn:
    """A lookup whose brokers are not there."""
    raise LogUnavailable("no brokers")
