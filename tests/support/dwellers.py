"""Who lives in a household: people who consent and object, and work that is done beside a test."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.support.blackbox import Contact, Event, consent, objection
from tests.support.checker import event_id

if TYPE_CHECKING:
    from tests.support.household import Household

CHANNEL: Final = "sms"
#: Seconds until an event is acknowledged, whatever dies meanwhile.
PATIENCE_S: Final = 60.0
_OLD: Final = "2024-01-01T00:00:00Z"


@dataclass
class Dwellers:
    """People who consent and object, each with a number of their own; what they said holds."""

    house: Household
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    allowed: list[Contact] = field(default_factory=list)
    denied: list[Contact] = field(default_factory=list)
    #: Whose verdict the checks below are not asked about.
    others: list[Contact] = field(default_factory=list)
    #: What was said, by the checker's names.
    events: set[str] = field(default_factory=set)

    def someone(self) -> Contact:
        """Who never said anything."""
        return "phone", f"+3934010{next(self.numbers):05d}"

    def say(self, *events: Event) -> None:
        """One after the other, each until it is acknowledged."""
        for event in events:
            self.events.add(event_id(event))
            with self.house.recorder.operation("dweller", "submit", event=event_id(event)) as op:
                (answer,) = self.house.client.send(event, patience_s=PATIENCE_S)
                op.ok(receipt=answer["receipt"])

    def say_at_once(self, *events: Event) -> None:
        """All in one post: accepted in the same moment."""
        self.events |= {event_id(event) for event in events}
        with ExitStack() as stack:
            ops = [
                stack.enter_context(
                    self.house.recorder.operation(f"dweller-{n}", "submit", event=event_id(event))
                )
                for n, event in enumerate(events)
            ]
            answers = self.house.client.send(*events, patience_s=PATIENCE_S)
            for op, answer in zip(ops, answers, strict=True):
                op.ok(receipt=answer["receipt"])

    def consented(self, people: int) -> list[Contact]:
        """So many give a consent, in one post."""
        given = [self.someone() for _ in range(people)]
        self.say_at_once(*(consent(who, CHANNEL) for who in given))
        self.allowed += given
        return given

    def object(self, *people: Contact) -> None:
        """They object, in one post."""
        self.say_at_once(*(objection(who) for who in people))
        self.allowed = [who for who in self.allowed if who not in people]
        self.denied += people

    def live(self, people: int = 4) -> None:
        """So many consent; every other one objects, whose old consent then comes in once more."""
        for number in range(people):
            who = self.someone()
            self.say(consent(who, CHANNEL))
            if number % 2:
                self.allowed.append(who)
                continue
            self.say(objection(who), consent(who, CHANNEL, _OLD))
            self.denied.append(who)


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """Run `work` on a thread while the block does its own; its failure is raised at the end."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised where the block ends
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failures:
        raise failures[0]
