"""What a reader asks before contacting somebody."""

from __future__ import annotations

from typing import NamedTuple

from noli.domain.contact import Contact


class Question(NamedTuple):
    """One question. `contact` as typed (kind, value), or already normalised.

    No `brand` asks for all of them. `at` (milliseconds since the epoch) may lie ahead: the answer
    then is what holds at that moment if nothing is heard until then. Before now it reads as now.
    `campaign`: the one that a call would be of.
    """

    controller: str
    contact: Contact | tuple[str, str]
    channel: str
    purpose: str
    brand: str | None = None
    product: str | None = None
    at: int | None = None
    campaign: str | None = None
