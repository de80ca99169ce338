"""Which topics a fact goes to, under which keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from noli.domain.facts import Fact, PartyLinked, PartyUnlinked, SourceRevoked
from noli.domain.token import Pepper, token
from noli.runtime.kafka import Outgoing
from schemas.codec import topic_catalogue
from schemas.names import CONTROL, GRANTS, OBJECTIONS, PARTIES

_LINKS: Final = (PartyLinked, PartyUnlinked)


class Router:
    """Turns an encoded fact into the records to append."""

    def __init__(self, pepper: Pepper, control_partitions: int) -> None:
        self._pepper = pepper
        self._control = range(control_partitions)

    def records(self, fact: Fact, value: bytes) -> Iterator[Outgoing]:
        """The records of a fact: one, or a copy per partition for control.

        A denial that names contact and party takes both ways: it holds for the contact at once, and
        for the person's others. A grant naming both stays with its contact.
        """
        if isinstance(fact.detail, SourceRevoked):
            for partition in self._control:
                yield Outgoing(CONTROL, None, value, partition)
            return
        link = isinstance(fact.detail, _LINKS)
        if fact.contact is not None and not link:
            lane = OBJECTIONS if fact.denies else GRANTS
            yield Outgoing(lane, token(self._pepper, fact.controller, fact.contact), value)
        if fact.party is not None and (link or fact.contact is None or fact.denies):
            yield Outgoing(PARTIES, fact.party.encode(), value)


def control_partitions() -> int:
    """How many partitions the control topic has; `noli topics apply` keeps the broker to it."""
    catalogue = topic_catalogue()
    return int({**catalogue["defaults"], **catalogue["topics"][CONTROL]}["partitions"])
