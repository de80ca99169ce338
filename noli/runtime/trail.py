"""What former owners left at the end of a partition of decisions, as far as nobody checked it.

A late record of an owner that had lost the partition may stand there, which nobody wrote over yet:
compaction would keep it (docs/adr/0015); and what is decided next must have a higher version than
any. With each commit an owner says up to where nothing is left to be done.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from noli.runtime.clock import now_us
from schemas.codec import UnreadableError, leading_long, version_of
from schemas.names import BEACON_KEY, CLAIM_KEY

#: A version is a clock in µs; one further ahead of ours than a day is none of this log's.
_AHEAD_US: Final = 86_400_000_000
#: The epoch of what cannot be read.
_NOBODY: Final = -1


class Owes(IntEnum):
    """What a partition's decisions do not say yet (docs/adr/0018). The order: from less to more."""

    #: They say all that is known.
    NOTHING = 0
    #: Every denial is told; what allows may not be.
    GRANTS = 1
    #: They were made anew: nothing is told but what was decided since.
    EVERYTHING = 2
    #: The lanes are folded anew: less is known than was told before. What allows waits.
    FOLD = 3


class Mark(NamedTuple):
    """Below `offset` every late record of the decisions was written over.

    Below `state` those of the state were, and each state has its decision, but for what is owed.
    `epoch`: of the owner that says so. `topic`: Kafka's id of the decisions, "" not known.
    """

    offset: int
    epoch: int
    state: int = 0
    owes: Owes = Owes.NOTHING
    topic: str = ""

    def text(self) -> str:
        """As a commit's metadata."""
        said = f"decisions={self.offset} epoch={self.epoch} state={self.state}"
        return f"{said} owes={self.owes:d} topic={self.topic}"

    @classmethod
    def read(cls, text: str | None) -> Mark | None:
        """From a commit's metadata; None where it says nothing of the kind."""
        said = dict(re.findall(r"(\w+)=(\S*)", text or ""))
        try:
            offset, epoch, state = (int(said[name]) for name in ("decisions", "epoch", "state"))
            owes = Owes(int(said.get("owes", 0)))
        except (KeyError, ValueError):
            return None
        return cls(offset, epoch, state, owes, said.get("topic", ""))


def version_in(value: bytes | None) -> int:
    """The version of a decision; 0 for what is none, or cannot be this log's."""
    try:
        found = version_of(value or b"")
    except UnreadableError:
        return 0
    return found if found <= now_us() + _AHEAD_US else 0


@dataclass(slots=True)
class Trail:
    """One partition, from a mark to our own claim."""

    frontier: int
    epoch: int
    #: Highest version that stands there.
    version: int = 0
    #: Contacts whose newest record there is not one to be believed.
    late: set[bytes] = field(default_factory=set)
    #: The log does not have what the mark speaks of: it was made anew, or has lost its end.
    gone: bool = False

    @classmethod
    def after(cls, mark: Mark | None, topic: str = "") -> Trail:
        """From where a mark points; without one, or in another topic, from the beginning.

        `topic`: the id of the decisions as they are now.
        """
        if mark is None:
            return cls(0, 0)
        if mark.topic and topic and mark.topic != topic:
            return cls(0, 0, gone=True)
        return cls(mark.offset, mark.epoch)

    def take(self, key: bytes | None, value: bytes | None, offset: int) -> None:
        """One record, in the order of the log."""
        self.frontier = offset + 1
        if key is None:
            return
        try:
            epoch = leading_long(value or b"")
        except UnreadableError:
            epoch = _NOBODY
        if key == CLAIM_KEY:
            self.epoch = max(self.epoch, epoch)
        elif key != BEACON_KEY:
            self.version = max(self.version, version_in(value))
            if epoch < self.epoch or epoch == _NOBODY:
                self.late.add(key)
            else:
                self.late.discard(key)
