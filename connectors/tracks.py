"""One partition of `noli.decisions`, as far as an application has come with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from confluent_kafka import Message

from connectors.frontier import Frontier
from connectors.inlet import Gained, Mark
from connectors.lens import Lens, Place
from connectors.protocol import Change
from schemas.codec import Codec, UnreadableError
from schemas.names import BEACON_KEY, CLAIM_KEY

#: The records that belong on this topic; each begins with its writer's epoch.
_RECORDS: Final = frozenset({"noli.Decision", "noli.Claim", "noli.Beacon"})


class Taken(NamedTuple):
    """What one record asks for. `replaced`: unreadable offsets that are settled with it."""

    change: Change | None
    replaced: list[int]


_NOTHING: Final = Taken(None, [])


@dataclass(slots=True)
class Track:
    """Frontier, fence and unreadable records of a partition that is ours."""

    partition: int
    frontier: Frontier
    #: Highest claim seen; a record of a lower epoch was written by an owner that had lost it.
    epoch: int
    #: What the log held when the partition became ours: read to there before anything is applied.
    caught_up_at: int
    #: Below this the records are older than the application; they do not count as delays.
    backfill_until: int
    #: Key → offsets of decisions nobody could read, held until a newer one of the same contact.
    unreadable: dict[bytes | None, list[int]] = field(default_factory=dict)
    #: Tokens read since a survey of the partition began: the newer word. None: there is none.
    touched: set[str] | None = None

    @classmethod
    def start(cls, gained: Gained) -> Track:
        """A partition that was just gained."""
        return cls(
            gained.partition,
            Frontier(gained.start, gained.mark.as_of),
            gained.mark.epoch,
            caught_up_at=gained.end,
            backfill_until=gained.end if gained.first else 0,
        )

    @property
    def catching_up(self) -> bool:
        """Whether older records may still be replaced by newer ones that the log already holds."""
        return self.frontier.position < self.caught_up_at

    def mark(self) -> tuple[int, Mark]:
        """What to commit."""
        point = self.frontier.point()
        return point.offset, Mark(self.epoch, point.as_of)

    def take(self, message: Message, codec: Codec, lens: Lens) -> Taken:
        """Read one record; what it asks for. Raises `UnreadableError`.

        An unreadable record is held open first, so the application is not aligned past it.
        """
        offset, key, value = message.offset(), message.key(), message.value()
        assert offset is not None  # noqa: S101 - a record that was read has one
        try:
            taken = self._taken(offset, key, value, codec, lens)
        except UnreadableError:
            self.frontier.hold(offset)
            self.unreadable.setdefault(key, []).append(offset)
            raise
        if taken.change is not None:
            self.frontier.hold(offset)
        elif self.frontier.position <= offset:
            self.frontier.passed(offset)
        return taken

    def _taken(
        self, offset: int, key: bytes | None, value: bytes | None, codec: Codec, lens: Lens
    ) -> Taken:
        name, datum = codec.decode(value)
        if key is None or name not in _RECORDS:
            raise UnreadableError("no key" if key is None else f"a {name} does not belong here")
        if datum["epoch"] < self.epoch:
            return _NOTHING
        # No record precedes its claim: one of a higher epoch proves a claim that we started after.
        self.epoch = datum["epoch"]
        if key == CLAIM_KEY:
            return _NOTHING
        if key == BEACON_KEY:
            self.frontier.beacon(offset, datum["as_of"])
            return _NOTHING
        place = Place(self.partition, offset, self.frontier.newest_beacon())
        change = lens.change(key, datum, place)
        replaced = self.unreadable.pop(key, [])
        if change is None:
            self.frontier.settle(replaced)
            return _NOTHING
        if self.touched is not None:
            self.touched.add(change.token)
        return Taken(change, replaced)
