"""Processes: turns, deaths at any point, rivals at any point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from confluent_kafka import KafkaException

from connectors.inlet import InletError
from noli.replica.follow import LogUnavailable
from noli.replica.head import Refused
from noli.runtime.lanes import LanesError
from noli.runtime.outputs import LostDelivery
from noli.runtime.repair import Superseded
from noli.runtime.restore import RestoreError, StateLost
from tests.support.memlog import Log

#: What ends a process that does right: it is started again, and nothing was committed past it.
_ENDS: Final = (
    InletError, KafkaException, LanesError, LogUnavailable, LostDelivery, Refused, RestoreError,
    StateLost, Superseded,
)  # fmt: skip


#: What `noli.runtime.repair` says where the log does not answer.
_UNREAD: Final = "foreign records in"
#: Which points of a process's clients count, and how many are let pass.
Point = tuple[str, int]
ANY: Final = "any"


class Crash(BaseException):
    """Kill -9: nothing catches it."""


class Body(Protocol):
    """A process that runs."""

    def turn(self) -> None:
        """Once around its loop."""


class Process:
    """One process and its supervisor: whatever ends it, it is started again at its next turn."""

    def __init__(self, log: Log, name: str, start: Callable[[], Body]) -> None:
        self.name = name
        self._log = log
        self._start = start
        self.body: Body | None = None
        #: Stopped by somebody: not started again meanwhile.
        self.down = False
        self.ends: Counter[str] = Counter()
        self._kind, self._countdown = ANY, 0
        self._then: Callable[[], None] | None = None
        self._told = False

    def turn(self) -> None:
        """One turn, or the start; a death of a kind that may be is a death, others are raised."""
        if self.down:
            return
        try:
            if self.body is None:
                self.body = self._start()
            self.body.turn()
        except Crash:
            self.die("killed")
        except _ENDS as error:
            self.die(type(error).__name__)
        except RuntimeError as error:
            if not str(error).startswith(_UNREAD):
                raise
            self.die("unread")

    def at(self, point: Point, then: Callable[[], None]) -> None:
        """At the nth point of that kind that its clients come to, do that, once."""
        self._kind, self._countdown = point
        self._then = then

    def calm(self) -> None:
        """Nothing is to happen to it."""
        self._then = None

    def point(self, what: str) -> None:
        """A point at which it may be interrupted."""
        if self._then is None or self._kind not in {ANY, what}:
            return
        self._countdown -= 1
        if self._countdown <= 0:
            then, self._then = self._then, None
            then()

    def die(self, how: str = "killed") -> None:
        """What it had sent may still land; what it held is gone."""
        self.ends[how] += 1
        self._log.kill(self.name)
        self._log.paused.discard(self.name)
        self.body = None
        self._then = None


def crash() -> None:
    """What `at` is given for a kill."""
    raise Crash
