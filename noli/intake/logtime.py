"""The moment of acceptance: this machine's clock, but never before what the log already holds.

An objection is lifted by a consent that was accepted later. Taken by a clock that is behind, it
would look older than a consent that stood in the log before it, and that consent would lift it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from noli.runtime import broker, clock
from noli.runtime.logging import get_logger
from noli.runtime.settings import Settings
from schemas.names import GRANTS, OBJECTIONS, PARTIES

#: A clock that is further behind the log than this is worth a line, in ms.
_TOLD_MS: Final = 2_000
_LANES: Final = (OBJECTIONS, GRANTS, PARTIES)


class LogTime:
    """What is accepted now is accepted at `now()`. For any thread."""

    def __init__(self, now_ms: Callable[[], int] = clock.now_ms) -> None:
        self._now_ms = now_ms
        self._newest = 0
        self._lock = threading.Lock()

    def now(self) -> int:
        """Milliseconds since the epoch; it never goes back."""
        with self._lock:
            self._newest = max(self._newest, self._now_ms())
            return self._newest

    def heard(self, moment: int) -> None:
        """The log holds a record of that moment, ms."""
        with self._lock:
            self._newest = max(self._newest, moment)


class Listening:
    """Looks at the cluster for `Reach`, and at the newest records of the lanes on the way."""

    def __init__(self, settings: Settings, time: LogTime) -> None:
        self._settings = settings
        self._time = time
        self._client = broker.admin(settings)
        self._log = get_logger()
        self._behind = False

    def __call__(self, timeout_s: float) -> broker.Cluster:
        """The cluster as it answers now. Raises `BrokerUnavailable`."""
        cluster = broker.look(self._client, timeout_s)
        lanes = [lane for lane in _LANES if lane in cluster.topics]
        try:
            newest = broker.newest(self._client, cluster, lanes, timeout_s)
        except broker.BrokerUnavailable:
            # What was heard before goes on counting. A restarted broker is asked by the old leader
            # epoch for ever: a client that has yet to learn who leads asks right.
            self._client = broker.admin(self._settings)
            return cluster
        self._time.heard(newest)
        self._tell(newest - clock.now_ms())
        return cluster

    def _tell(self, behind_ms: int) -> None:
        """A line when the clock begins to be behind, and when it is right again."""
        if (behind := behind_ms > _TOLD_MS) is not self._behind:
            self._behind = behind
            self._log.warning(
                "clock.behind_the_log" if behind else "clock.with_the_log",
                seconds=round(behind_ms / 1000, 1),
                remedy="see that every machine keeps its clock by NTP",
            )
