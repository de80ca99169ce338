"""Which topics a fact goes to, under which keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from noli.domain.facts import (
    ErasureRequested,
    Fact,
    PartyLinked,
    PartyUnlinked,
    SourceRevoked,
)
from noli.domain.token import Pepper, token
from noli.runtime.kafka import Outgoing
from schemas.codec import topic_catalogue
from schemas.names import CONTROL, GRANTS, OBJECTIONS, PARTIES

_LINKS: Final = (PartyLinked, PartyUnlinked)


class Router:
    """Turns an encoded fact into the records to append."""

    def __init__(self, pepper: Pepper, control: int, parties: int) -> None:
        """`control`, `parties`: how many partitions these topics have."""
        self._pepper = pepper
        self._control = range(control)
        self._parties = range(parties)

    def records(self, fact: Fact, value: bytes) -> Iterator[Outgoing]:
        """The records of a fact: one, or a copy per partition for what concerns them all.

        An erasure goes to every partition of parties too: any of them may know the contact. A
        denial that names contact and party takes both ways: it holds for the contact at once, and
        for the person's others. A grant naming both stays with its contact.
        """
        if isinstance(fact.detail, SourceRevoked):
            for partition in self._control:
                yield Outgoing(CONTROL, None, value, partition)
            return
        link = isinstance(fact.detail, _LINKS)
        if fact.contact is not None and not link:
            lane = OBJECTIONS if fact.denies else GRANTS
            key = token(self._pepper, fact.controller, fact.contact)
            yield Outgoing(lane, key, value)
            if isinstance(fact.detail, ErasureRequested):
                for partition in self._parties:
                    yield Outgoing(PARTIES, key, value, partition)
        if fact.party is not None and (link or fact.contact is None or fact.denies):
            yield Outgoing(PARTIES, fact.party.encode(), value)


def partitions(topic: str) -> int:
    """How many partitions a topic has; `noli topics apply` keeps the broker to it."""
    catalogue = topic_catalogue()
    return int({**catalogue["defaults"], **catalogue["topics"][topic]}["partitions"])
