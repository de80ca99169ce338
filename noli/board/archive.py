"""What the log holds about a contact: read in bounded time, never followed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeVar

from noli.board.asked import Asked
from noli.domain.contact import Contact
from noli.domain.token import Pepper, token
from noli.evidence import deliveries, history, turns
from noli.evidence.deliveries import Deliveries
from noli.evidence.history import History
from noli.evidence.turns import Turns
from noli.runtime import clock
from noli.runtime.aside import aside
from noli.runtime.problem import unavailable
from noli.runtime.scan import LogUnavailable
from noli.runtime.settings import Settings
from noli.runtime.slots import Slots
from noli.runtime.spans import Spans
from noli.wire.apps import App
from schemas.codec import Codec
from schemas.names import RECEIPTS

#: Readers at once: each reads at the speed of the broker.
AT_ONCE: Final = 2
_RETRY_AFTER_S: Final = 5
#: Seconds that the contact's facts may take to be read; beyond, nothing is answered.
FACTS_S: Final = 60.0
#: Seconds that receipts are then searched; beyond, what was found is told, and what was searched.
RECEIPTS_S: Final = 20.0

T = TypeVar("T")


class Late(Exception):
    """Reading took longer than it may."""


class Found(NamedTuple):
    """What the log holds. `at`: when it was asked, ms."""

    at: int
    history: History
    turns: Turns
    deliveries: Deliveries


class Looking(Protocol):
    """What is used of an `Archive`."""

    def look(self, question: Asked, now: int, /) -> Found:
        """Blocks. Raises `Late`, `LogUnavailable`."""

    def facts(self, controller: str, contact: Contact, /) -> History:
        """The contact's facts. Blocks. Raises `Late`, `LogUnavailable`."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Reads the log. `apps`: those registered now, for when they were first told."""

    settings: Settings
    codec: Codec
    pepper: Pepper
    apps: Callable[[], Mapping[str, App]]

    def look(self, question: Asked, now: int) -> Found:
        """Blocks. Raises `Late`, `LogUnavailable`."""
        key = token(self.pepper, question.controller, question.contact)
        facts = self.facts(question.controller, question.contact)
        changes = turns.turns(question.controller, question.contact, facts, now)
        moments = {entry.known for entry in facts.entries} | {turn.at for turn in changes.found}
        if not moments:
            return Found(now, facts, changes, Deliveries((), ()))
        # An application that came later was told everything then.
        moments |= {app.since for app in self.apps().values() if app.since > min(moments)}
        spans = deliveries.spans(moments, min(moments), now)
        late = _limit(RECEIPTS_S)
        with closing(Spans(self.settings, RECEIPTS)) as reading:
            answers = deliveries.read(reading, self.codec, key, spans, late)
        return Found(now, facts, changes, answers)

    def facts(self, controller: str, contact: Contact) -> History:
        """The contact's facts. Blocks. Raises `Late`, `LogUnavailable`."""
        late = _limit(FACTS_S)

        def passed(_done: int, _of: int) -> None:
            if late():
                raise Late

        key = token(self.pepper, controller, contact)
        return history.read(self.settings, self.codec, key, passed)


class Readers:
    """Those who read the log for somebody now: few at once, on threads of their own."""

    def __init__(self) -> None:
        self._slots = Slots()

    async def read(self, look: Callable[[], T], failed: Callable[[], None]) -> T:
        """What `look` returns. Raises `Problem`: 429 while others read, 503 where it cannot be."""
        self._slots.take(AT_ONCE, "others are reading the log; wait a moment")
        try:
            return await aside(look)
        except (Late, LogUnavailable) as error:
            failed()
            raise unavailable(_why(error), _RETRY_AFTER_S) from error
        finally:
            self._slots.free()


def _why(error: Exception) -> str:
    if isinstance(error, Late):
        return (
            f"this contact's part of the log was not read within {FACTS_S:g} s; ask again when the "
            "brokers are less busy, or use `noli explain`, which waits"
        )
    return f"the log cannot be read: {error}"


def _limit(seconds: float) -> Callable[[], bool]:
    """Whether so many seconds have passed since."""
    end = clock.steady() + seconds
    return lambda: clock.steady() > end
