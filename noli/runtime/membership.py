"""What a member is told by its group: commits that have to wait, partitions that do not come back.

Nothing is lost by a commit that is not taken: what it covered is read again. While a broker is
restarted its groups move to another one, and every commit is refused for a moment; a process that
ended of it would cost a takeover at each step of a rolling restart.

A static member whose session ran out while a broker stood still may wait for ever for its
partitions (librdkafka#3437; seed 83070 of the rig), and nobody else gets them: it keeps its place.
So a member that is not taken back in time ends, and its successor joins anew.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from confluent_kafka import KafkaError

from noli.runtime import clock
from noli.runtime.kafka import is_transient
from noli.runtime.metrics import clients

#: Answers after which the members come right, not the commits: what is still theirs after the
#: rebalance is committed again.
MOVES: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
    }
)

#: Answers while another broker takes the group over.
_AWAY: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError._WAIT_COORD,  # noqa: SLF001 - the library's public error codes
    }
)

#: Seconds for which they may: a client may ask the wrong broker for ever (librdkafka#2630), and its
#: successor asks the right one.
PATIENCE_S: Final = 60.0

#: Seconds until partitions that are gone must be dealt out again: five sessions. A group may take
#: longer where a member restores for minutes; whoever ends of it then waits as a new one.
OUT_S: Final = 30.0

_MS_PER_S: Final = 1000

#: What ends a member.
NOT_TAKEN_BACK: Final = "the group has given out no partitions since ours were taken"


class Membership:
    """In one group. `moves`: answers as `MOVES`."""

    def __init__(self, group: str, moves: Collection[int] = MOVES) -> None:
        self._group = group
        self._moves = frozenset(moves)
        self._refused_since: float | None = None
        self._out_since: float | None = None

    def committed(self) -> None:
        """A commit was taken."""
        clients.LAST_COMMIT.labels(self._group).set(clock.now_ms() / _MS_PER_S)
        self._refused_since = None

    def later(self, error: KafkaError) -> bool:
        """Count a refusal; whether the same may be committed later."""
        clients.COMMIT_FAILURES.labels(self._group, error.name()).inc()
        if error.code() in self._moves or is_transient(error):
            return True
        if error.code() not in _AWAY:
            return False
        self._refused_since = _since(self._refused_since)
        return clock.steady() - self._refused_since < PATIENCE_S

    def assigned(self) -> None:
        """The group gave out its partitions, perhaps none of them to us."""
        self._out_since = None

    def out(self) -> None:
        """What we had is taken: the next assignment is under way."""
        self._out_since = _since(self._out_since)

    def is_forgotten(self) -> bool:
        """Whether no assignment came in time."""
        return self._out_since is not None and clock.steady() - self._out_since >= OUT_S


def _since(moment: float | None) -> float:
    return clock.steady() if moment is None else moment
