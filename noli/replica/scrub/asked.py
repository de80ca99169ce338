"""What is asked of every row of a list, and what came of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from noli.domain.channel import CHANNEL_BIT, OF_KIND, PURPOSE_BIT, Kind

#: What is added to a row, in this order.
ADDED: Final = ("allowed", "reasons", "conditions", "until")

#: Tables and documents that can be scrubbed; the values are what files and requests call them.
CSV: Final = "csv"
NDJSON: Final = "ndjson"
PARQUET: Final = "parquet"


class Unusable(Exception):
    """A list or a question that cannot be worked on at all: the fact, and the remedy."""

    def __init__(self, fact: str, remedy: str) -> None:
        super().__init__(f"{fact}; {remedy}")
        self.fact = fact
        self.remedy = remedy


class Asked(NamedTuple):
    """One question for all rows; `column` names the one that holds the contact, where told.

    `campaign`: the one that calls to them would be of.
    """

    controller: str
    channel: str
    purpose: str
    brand: str | None = None
    product: str | None = None
    column: str | None = None
    campaign: str | None = None

    def kind(self) -> Kind:
        """The kind of contact that the channel reaches. Raises `Unusable`."""
        bit = CHANNEL_BIT.get(self.channel, 0)
        for kind, channels in OF_KIND.items():
            if channels & bit:
                return kind
        reached = [name for name, each in CHANNEL_BIT.items() if each & sum(OF_KIND.values())]
        raise Unusable(f"channel: no {self.channel} of a list", f"use {', '.join(reached)}")

    def check(self) -> None:
        """Raise `Unusable` for a question whose every answer would be a mistake of the asker."""
        if not self.controller.strip():
            raise Unusable("controller: is missing", "name the controller who asks")
        if self.purpose not in PURPOSE_BIT:
            raise Unusable("purpose: is not known", f"use {', '.join(PURPOSE_BIT)}")
        self.kind()


class Flaw(NamedTuple):
    """A row that could not be read: its first line in the file, from 1, and why. No contact.

    Where a file has no lines (Parquet), `unit` is `row`.
    """

    line: int
    cause: str
    unit: str = "line"

    def __str__(self) -> str:
        """For the report."""
        return f"{self.unit} {self.line}: {self.cause}"


@dataclass(slots=True)
class Tally:
    """Rows by outcome; `stale` of them were denied since the copy could not be trusted.

    `as_of`: every answer knows each objection taken before it (ms); None before the first answer.
    """

    rows: int = 0
    allowed: int = 0
    unparsable: int = 0
    stale: int = 0
    as_of: int | None = None
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, others: Iterable[Tally]) -> None:
        """Take in the tallies of other parts of the same list."""
        for other in others:
            self.rows += other.rows
            self.allowed += other.allowed
            self.unparsable += other.unparsable
            self.stale += other.stale
            self.reasons.update(other.reasons)
            self.seen(other.as_of)

    def seen(self, as_of: int | None) -> None:
        """An answer as fresh as that."""
        if as_of is not None:
            self.as_of = as_of if self.as_of is None else min(self.as_of, as_of)


class Scrubbed(NamedTuple):
    """A part of the list, done: its bytes to be written, and what is in them."""

    out: bytes
    tally: Tally
    flaws: list[Flaw]


class Result(NamedTuple):
    """What came of a file; the digests are SHA-256, hexadecimal."""

    tally: Tally
    input_sha256: str
    output_sha256: str
