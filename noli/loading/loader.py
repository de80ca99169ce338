"""Facts to noli.bulk: keyed as the intake keys them, packed per partition, each chunk confirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from noli import wire
from noli.domain.canary import RESERVED, is_canary
from noli.domain.facts import Fact, RegisterListed
from noli.domain.token import Pepper, token
from noli.loading.journal import Journal
from noli.runtime.chunks import Item, divided, packed
from noli.runtime.kafka import Outgoing, Placed
from noli.runtime.partition import partition_of
from schemas.codec import Codec
from schemas.names import BULK

#: Lines between two entries of the journal: with eight partitions most chunks are full, and a kill
#: repeats less than a second of work.
STRETCH: Final = 8_000

#: Told the line up to which everything is in the log.
Done = Callable[[int], object]


class Sink(Protocol):
    """Where records become durable: `noli.runtime.kafka.Acked`."""

    async def send_many(self, records: Sequence[Outgoing]) -> list[Placed]:
        """Append all; their places in order. Raises `NotDurable`."""


class Row(NamedTuple):
    """The facts of one line, by its number, or their `items` made before. Lines come in order."""

    line: int
    facts: Sequence[Fact]
    items: Sequence[Item] = ()


class Unsuited(ValueError):
    """A fact that must not wait behind a load, or that belongs to no contact; says the remedy."""


def suited(fact: Fact) -> Fact:
    """The fact itself. Raises `Unsuited` where it must go by the intake.

    An objection counts from its acceptance (`as_of` says so); a listing from the register's answer.
    """
    if fact.contact is None or fact.party is not None:
        raise Unsuited("a fact of a person or of a source goes by `noli send`")
    if is_canary(fact.contact):
        raise Unsuited(RESERVED)
    if fact.denies and not isinstance(fact.detail, RegisterListed):
        raise Unsuited("a denial must not wait behind a load; send it by `noli send`")
    return fact


class Loader:
    """Loads one job. `partitions` is how many noli.bulk has."""

    def __init__(
        self, sink: Sink, codec: Codec, pepper: Pepper, partitions: int, journal: Journal
    ) -> None:
        self._sink = sink
        self._codec = codec
        self._pepper = pepper
        self._partitions = partitions
        self._journal = journal

    async def load(self, rows: Iterable[Row], done: Done, stretch: int = STRETCH) -> None:
        """Send every row behind the journal's line. Raises `NotDurable`, `Unsuited`.

        Stretches are cut by line number, so that a run that goes on cuts as the first one did.
        """
        journal = self._journal
        behind = (row for row in rows if row.line > journal.lines)
        for number, group in groupby(behind, lambda row: (row.line - 1) // stretch):
            chunks = list(self._chunks(group))
            ends: dict[int, int] = {}
            for placed in await self._sink.send_many(chunks):
                ends[placed.partition] = max(placed.offset + 1, ends.get(placed.partition, 0))
            end = (number + 1) * stretch
            journal.advance(end, len(chunks), ends)
            done(end)
        journal.finish()

    def _chunks(self, rows: Iterable[Row]) -> Iterator[Outgoing]:
        """The chunks of some rows, partition by partition."""
        by_partition: dict[int, list[Item]] = {}
        for row in rows:
            for item in row.items or self._items(row.facts):
                place = partition_of(item.key, self._partitions)
                by_partition.setdefault(place, []).append(item)
        number = self._journal.chunks
        for partition, items in sorted(by_partition.items()):
            for group in divided(items):
                value = packed(self._codec, self._journal.job, number, group)
                yield Outgoing(BULK, None, value, partition)
                number += 1

    def _items(self, facts: Sequence[Fact]) -> list[Item]:
        return [item_of(self._codec, self._pepper, suited(fact)) for fact in facts]


def item_of(codec: Codec, pepper: Pepper, fact: Fact) -> Item:
    """Key and bytes of a suited fact, as the intake writes them."""
    assert fact.contact is not None  # noqa: S101 - `suited` has seen to it
    key = token(pepper, fact.controller, fact.contact)
    return Item(key, codec.encode(wire.INTENT, wire.fact_to_intent(fact)))
