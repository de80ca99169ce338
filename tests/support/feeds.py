"""What a lookup in a test is made of beside its gate."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

from noli.replica.follow import LogUnavailable
from noli.replica.lookup.scrubbing import BYTES_MAX, Room
from noli.replica.scrub.work import Copy
from tests.support.copies import PEPPER


def no_feeds(_controllers: Collection[str]) -> NoReturn:
    """A lookup whose brokers are not there."""
    raise LogUnavailable("no brokers")


def room(folder: Path, bytes_max: int = BYTES_MAX) -> Room:
    """Where lists are scrubbed of a lookup whose copy is `folder/copy`."""
    return Room(Copy(folder / "copy", PEPPER, 30.0), folder / "data", bytes_max)
