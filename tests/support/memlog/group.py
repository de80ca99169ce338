"""A consumer group as its coordinator keeps it: classic protocol, `range`, static members.

Membership changes only when a client calls in or a session runs out; who is asked to join again
learns it at its next call. A generation begins when everybody has joined.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import KafkaError

Place = tuple[str, int]


class Committed(NamedTuple):
    """A committed offset and the text beside it."""

    offset: int
    metadata: str | None


@dataclass
class Member:
    """A member: `client` names its process, `instance` makes it static."""

    id: int
    client: str
    instance: str | None
    topics: tuple[str, ...]
    session_ms: int
    heard: int
    joined: bool = True
    places: tuple[Place, ...] = ()


@dataclass
class Group:
    """Members, generation, offsets."""

    partitions: Callable[[], Mapping[str, int]]
    generation: int = 0
    members: dict[int, Member] = field(default_factory=dict)
    offsets: dict[Place, Committed] = field(default_factory=dict)
    #: Members that a newer one of the same instance replaced.
    fenced: set[int] = field(default_factory=set)
    rebalancing: bool = False
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    def join(self, client: str, instance: str | None, topics: Sequence[str], now: int,
             session_ms: int) -> Member:  # fmt: skip
        """A new member. A static one takes the place of its former self, without a rebalance."""
        member = Member(next(self._ids), client, instance, tuple(topics), session_ms, now)
        former = self._static(instance)
        if former is not None:
            self.fenced.add(former.id)
            del self.members[former.id]
            self.members[member.id] = member
            if not self.rebalancing:
                member.places = former.places
                return member
        else:
            self.members[member.id] = member
            self.rebalance(member)
        self._complete()
        return member

    def rejoin(self, member: Member, now: int) -> None:
        """A member that was asked to."""
        member.joined, member.heard = True, now
        self._complete()

    def leave(self, member: Member) -> None:
        """A dynamic member goes; a static one just stays away."""
        if member.instance is None and self.members.pop(member.id, None) is not None:
            self.rebalance()
            self._complete()

    def rebalance(self, newcomer: Member | None = None) -> None:
        """Everybody must join again, but for who just does."""
        self.rebalancing = True
        for member in self.members.values():
            member.joined = member is newcomer

    def beat(self, now: int, silent: Callable[[str], bool]) -> None:
        """Heartbeats come from clients' own threads: always, unless the process stands still."""
        gone = []
        for member in self.members.values():
            if not silent(member.client):
                member.heard = now
            elif now - member.heard > member.session_ms:
                gone.append(member.id)
        self.expire(gone)

    def expire(self, gone: Sequence[int]) -> None:
        """Sessions that ran out."""
        for member in gone:
            self.members.pop(member, None)
        if gone:
            self.rebalance()
            self._complete()

    def refusal(self, member: Member | None, generation: int) -> int | None:
        """Why a call of a member is refused, as an error code; None: it is not."""
        if member is None or member.id in self.fenced:
            return KafkaError.UNKNOWN_MEMBER_ID if member is None else KafkaError.FENCED_INSTANCE_ID
        if member.id not in self.members:
            return KafkaError.UNKNOWN_MEMBER_ID
        if generation != self.generation:
            return KafkaError.ILLEGAL_GENERATION
        return None

    def _static(self, instance: str | None) -> Member | None:
        if instance is None:
            return None
        return next((m for m in self.members.values() if m.instance == instance), None)

    def _complete(self) -> None:
        if not self.rebalancing or not all(m.joined for m in self.members.values()):
            return
        self.rebalancing = False
        self.generation += 1
        for member in self.members.values():
            member.places = ()
        counts = self.partitions()
        for topic in sorted({topic for m in self.members.values() for topic in m.topics}):
            takers = sorted((m for m in self.members.values() if topic in m.topics),
                            key=lambda m: (m.instance or "", m.id))  # fmt: skip
            each, more = divmod(counts.get(topic, 0), len(takers))
            start = 0
            for number, member in enumerate(takers):
                size = each + (number < more)
                places = tuple((topic, n) for n in range(start, start + size))
                member.places += places
                start += size
