"""People who consent and object at a steady rate, and what must hold for them in the end.

Seeded. A contact consents, later objects, and then an old consent of the same contact may still
come late: it must not lift the objection. Senders repeat what was not acknowledged, same bytes.
"""

from __future__ import annotations

import itertools
import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from noli.domain import times
from noli.runtime import clock
from tests.support.blackbox import Client, Contact, Event, consent, objection

RATE: Final = 300
CHANNEL: Final = "sms"
#: How long traffic may take to get anywhere beyond what its rate says, in seconds.
_PATIENCE_S: Final = 60.0
#: Senders at once: enough that one slow answer does not hold the rate up.
_SENDERS: Final = 12
#: Events that wait for a free sender; beyond, the pace waits too (and what is due is late).
_BEHIND: Final = RATE
#: A consent that is younger than this is not objected to yet: both would be under way at once.
_RIPE: Final = 50
_OLD: Final = "2024-01-01T00:00:00Z"
_WEIGHTS: Final = {"consent": 48, "objection": 42, "late consent": 10}


@dataclass(frozen=True)
class Sent:
    """One acknowledged event."""

    contact: Contact
    what: str
    #: Steady seconds: when it was due, though no sender may have been free; first try; answer.
    due: float
    began: float
    acked: float


@dataclass
class Traffic:
    """Runs in threads of its own between `start` and `stop`."""

    client: Client
    seed: int
    rate: int = RATE
    acknowledged: list[Sent] = field(default_factory=list)
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        """Prepare; nothing is sent yet."""
        self._chance = random.Random(self.seed)
        self._numbers = itertools.count()
        self._consented: list[Contact] = []
        self._objected: list[Contact] = []
        self._due: queue.Queue[tuple[float, str, Contact, Event] | None] = queue.Queue(_BEHIND)
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._threads = [
            threading.Thread(target=self._pace, name="pace"),
            *(threading.Thread(target=self._send, name=f"sender-{n}") for n in range(_SENDERS)),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send nothing new; return once everything under way is acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failure is not None:
            raise self.failure

    def wait(self, done: Callable[[], bool], deadline_s: float = _PATIENCE_S) -> None:
        """Block until `done()` after some acknowledgement."""
        with self._news:
            found = self._news.wait_for(lambda: self.failure is not None or done(), deadline_s)
        if self.failure is not None:
            raise self.failure
        assert found, "the traffic did not get there"

    def more(self, count: int) -> None:
        """Block until `count` more events are acknowledged."""
        goal = len(self.acknowledged) + count
        self.wait(lambda: len(self.acknowledged) >= goal, _PATIENCE_S + 2 * count / self.rate)

    def objectors(self) -> list[Contact]:
        """Whose objection was acknowledged."""
        return sorted({sent.contact for sent in self.acknowledged if sent.what == "objection"})

    def consenters(self) -> list[Contact]:
        """Who consented and never objected, not even unacknowledged."""
        given = {sent.contact for sent in self.acknowledged if sent.what == "consent"}
        return sorted(given - set(self._objected))

    def _pace(self) -> None:
        start = time.monotonic()
        for number in itertools.count():
            due = start + number / self.rate
            if self._stop.wait(max(0.0, due - time.monotonic())):
                break
            self._due.put((due, *self._next()))
        for _ in range(_SENDERS):
            self._due.put(None)

    def _next(self) -> tuple[str, Contact, Event]:
        # Its own time: a consent repeated until after the objection stays older than it.
        now = times.text(clock.now_ms())
        (what,) = self._chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        if what == "objection" and len(self._consented) > _RIPE:
            contact = self._consented.pop(self._chance.randrange(len(self._consented) - _RIPE))
            self._objected.append(contact)
            return what, contact, objection(contact, now)
        if what == "late consent" and self._objected:
            contact = self._chance.choice(self._objected)
            return what, contact, consent(contact, CHANNEL, _OLD)
        contact = "phone", f"+39300{self.seed % 100:02d}{next(self._numbers):05d}"
        self._consented.append(contact)
        return "consent", contact, consent(contact, CHANNEL, now)

    def _send(self) -> None:
        while (job := self._due.get()) is not None:
            due, what, contact, event = job
            began = time.monotonic()
            try:
                self.client.send(event)
                done = Sent(contact, what, due, began, time.monotonic())
            except BaseException as error:  # noqa: BLE001 - handed to the test
                self._tell(error)
                continue
            self._tell(done)

    def _tell(self, news: Sent | BaseException) -> None:
        with self._news:
            if isinstance(news, Sent):
                self.acknowledged.append(news)
            else:
                self.failure = news
            self._news.notify_all()
