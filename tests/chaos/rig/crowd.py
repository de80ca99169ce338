"""People who consent, object, change their mind and repeat themselves, with a record of every post.

Seeded. What was not answered by a 2xx in time is `info`: it may stand in the log or not. The record
is what the checker judges the log and every application by.
"""

from __future__ import annotations

import http.client
import itertools
import json
import queue
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from noli.domain import times
from noli.runtime import clock
from tests.support.blackbox import (
    CONTROLLER,
    Client,
    Contact,
    Event,
    body,
    consent,
    event,
    objection,
    until,
)

CHANNEL: Final = "sms"
#: One-click, web and the rest: a sender repeats what is not acknowledged for so long, in seconds.
PATIENCE_S: Final = 45.0
_SENDERS: Final = 16
#: A consent is objected to once it is so many contacts old.
_RIPE: Final = 20
_OLD: Final = "2024-01-01T00:00:00Z"
#: Per cent. `late`: an old consent of somebody who objected; `renewed`: a new one; `repeat`: the
#: same bytes as before; `party`: a person linked to the contact, who then objects altogether.
_WEIGHTS: Final = {
    "consent": 44,
    "objection": 30,
    "late": 8,
    "renewed": 4,
    "repeat": 8,
    "party": 6,
}


@dataclass
class Op:
    """One event that was posted. Times: wall clock, ms; `acked` None: nothing is known of it."""

    what: str
    contact: Contact
    event: Event
    began: int
    acked: int | None = None
    #: What the intake answered: `topic:partition:offset`, and its acceptance.
    receipt: str | None = None
    accepted: str | None = None

    @property
    def denies(self) -> bool:
        """Whether it is an objection."""
        return bool(self.event["type"] == "noli.objection.raised.v1")


@dataclass
class Crowd:
    """Posts at a rate between `start` and `stop`, in threads of its own."""

    client: Client
    seed: int
    rate: float
    ops: list[Op] = field(default_factory=list)
    #: When a post was answered 500, ms: an intake that ends does so, no other may.
    broken: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Prepare; nothing is sent yet."""
        self._chance = random.Random(self.seed)
        self._numbers = itertools.count()
        self._due: queue.Queue[Op | None] = queue.Queue(int(self.rate * 2))
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._consented: list[Contact] = []
        #: Whose objection was acknowledged; whose consent is renewed is taken out.
        self._objected: list[Contact] = []
        self._threads = [
            threading.Thread(target=self._pace, name="pace", daemon=True),
            *(threading.Thread(target=self._send, daemon=True) for _ in range(_SENDERS)),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send nothing new; return once everything is answered or given up."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def acknowledged(self) -> list[Op]:
        """All that was promised, in the order of the promises."""
        with self._lock:
            done = [op for op in self.ops if op.acked is not None]
        return sorted(done, key=lambda op: op.acked or 0)

    def objectors(self, by_ms: int) -> list[str]:
        """Whose objection was acknowledged by then and who has not consented anew: their numbers.

        Of who objects just now nobody can know yet: an objection is always under way.
        """
        with self._lock:
            left = set(self._objected)
            return list({
                op.contact[1]: None
                for op in self.ops
                if op.what == "objection" and op.contact in left and (op.acked or by_ms) < by_ms
            })  # fmt: skip

    def under_way(self, began_ms: int, ended_ms: int) -> int:
        """How many objections were posted, or waited for their answer, in that time."""
        with self._lock:
            return sum(
                op.denies and op.began < ended_ms and (op.acked or ended_ms + 1) > began_ms
                for op in self.ops
            )

    def _pace(self) -> None:
        start = time.monotonic()
        for number in itertools.count():
            due = start + number / self.rate
            if self._stop.wait(max(0.0, due - time.monotonic())):
                break
            for op in self._next():
                self._due.put(op)
        for _ in range(_SENDERS):
            self._due.put(None)

    def _next(self) -> Iterator[Op]:
        now_ms = clock.now_ms()
        # Its own time: a consent repeated until after the objection stays older than it.
        now = times.text(now_ms)
        (what,) = self._chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
        with self._lock:
            objected, known = list(self._objected), list(self.ops)
        if what in {"objection", "party"} and len(self._consented) > _RIPE:
            number = self._chance.randrange(len(self._consented) - _RIPE)
            yield from self._objects(what, self._consented.pop(number), now)
        elif what == "late" and objected:
            contact = self._chance.choice(objected)
            yield self._op(what, contact, consent(contact, CHANNEL, _OLD))
        elif what == "renewed" and objected:
            contact = self._chance.choice(objected)
            with self._lock:
                self._objected.remove(contact)
            yield self._op(what, contact, consent(contact, CHANNEL, now))
        elif what == "repeat" and known:
            again = self._chance.choice(known)
            yield self._op(what, again.contact, again.event)
        else:
            contact = "phone", f"+3930{self.seed % 100:02d}{next(self._numbers):06d}"
            self._consented.append(contact)
            yield self._op("consent", contact, consent(contact, CHANNEL, now))

    def _objects(self, what: str, contact: Contact, now: str) -> Iterator[Op]:
        if what == "objection":
            yield self._op(what, contact, objection(contact, now))
            return
        party = f"crm:{contact[1]}"
        yield self._op("link", contact, event("party.linked", contact, now, party=party))
        yield self._op(what, contact, party_objection(party, now))

    def _op(self, what: str, contact: Contact, posted: Event) -> Op:
        op = Op(what, contact, posted, clock.now_ms())
        with self._lock:
            self.ops.append(op)
        return op

    def _send(self) -> None:
        while (op := self._due.get()) is not None:
            try:
                answer = self.client.insist("/v1/events", body(op.event), PATIENCE_S)
            except (AssertionError, OSError, http.client.HTTPException):
                continue  # nothing is known of it, and nothing is claimed
            if answer.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                self.broken.append(clock.now_ms())  # it ended with the post in its hands
                continue
            assert answer.status == HTTPStatus.ACCEPTED, answer
            found: dict[str, Any] = json.loads(answer.body)
            with self._lock:
                op.accepted, op.receipt = found["accepted"], found["receipt"]
                op.acked = clock.now_ms()
                if op.what == "objection":
                    self._objected.append(op.contact)


def party_objection(party: str, time_: str) -> Event:
    """A person objects, on every contact that is theirs."""
    made = event("objection.raised", ("", ""), time_, via="letter")
    made["data"] = {"controller": CONTROLLER, "party": party, "via": "letter"}
    return made


def more(crowd: Crowd, count: int, deadline_s: float) -> None:
    """Block until so many more posts were made."""
    goal = len(crowd.ops) + count
    until(lambda: len(crowd.ops) >= goal, f"{count} more posts", deadline_s)
