"""Commits that a broker refused: which come again later, and which end the process.

Nothing is lost by a commit that is not taken: what it covered is read again. While a broker is
restarted its groups move to another one, and every commit is refused for a moment; a process that
ended of it would cost a takeover at each step of a rolling restart.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from confluent_kafka import KafkaError

from noli.runtime import clock
from noli.runtime.kafka import is_transient
from noli.runtime.metrics import clients

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


class Refusals:
    """Of one group. `moves`: answers after which the members, not the commits, come right."""

    def __init__(self, group: str, moves: Collection[int]) -> None:
        self._group = group
        self._moves = frozenset(moves)
        self._since: float | None = None

    def taken(self) -> None:
        """A commit was taken."""
        self._since = None

    def later(self, error: KafkaError) -> bool:
        """Count it; whether the same may be committed later."""
        clients.COMMIT_FAILURES.labels(self._group, error.name()).inc()
        if error.code() in self._moves or is_transient(error):
            return True
        if error.code() not in _AWAY:
            return False
        now = clock.steady()
        if self._since is None:
            self._since = now
        return now - self._since < PATIENCE_S
