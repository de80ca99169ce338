"""`POST /v1/contacts/timeline`: all that happened about one contact, in the order of time.

Facts as the log has them, every change of a verdict, what each application confirmed. It reads
partitions of the log: bounded in time, few at once, on threads of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from starlette.requests import Request
from starlette.responses import Response

from noli.board import asked
from noli.board.asked import Asked
from noli.domain import times, wording
from noli.domain.token import Pepper, token
from noli.domain.wording import Language
from noli.evidence import deliveries, document, history, told, turns
from noli.evidence.deliveries import Deliveries, Delivery
from noli.evidence.explanation import Question, explain
from noli.evidence.history import Entry, History
from noli.evidence.turns import Turn, Turns
from noli.runtime import clock, httpserver
from noli.runtime.apikeys import Keyring
from noli.runtime.aside import aside
from noli.runtime.httpserver import json_response
from noli.runtime.logging import get_logger
from noli.runtime.metrics import board as metrics
from noli.runtime.problem import unavailable
from noli.runtime.scan import LogUnavailable
from noli.runtime.settings import Settings
from noli.runtime.slots import Slots
from noli.runtime.spans import Spans
from noli.wire.apps import App
from schemas.codec import Codec
from schemas.names import RECEIPTS

log = get_logger()

Json = dict[str, Any]

#: Timelines at once: each reads at the speed of the broker.
AT_ONCE: Final = 2
#: Seconds that the contact's facts may take to be read; beyond, nothing is answered.
FACTS_S: Final = 60.0
#: Seconds that receipts are then searched; beyond, what was found is told, and what was searched.
RECEIPTS_S: Final = 20.0
_RETRY_AFTER_S: Final = 5
_BODY_MAX: Final = 4_096
_BODY_TIMEOUT_S: Final = 5.0

_ONCE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}


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
        facts = self.facts(question)
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

    def facts(self, question: Asked) -> History:
        """The contact's facts. Blocks. Raises `Late`, `LogUnavailable`."""
        late = _limit(FACTS_S)

        def passed(_done: int, _of: int) -> None:
            if late():
                raise Late

        key = token(self.pepper, question.controller, question.contact)
        return history.read(self.settings, self.codec, key, passed)


def handler(keyring: Keyring, archive: Looking) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint: 200, 4xx, 429 while others are under way, 503 where the log is not there."""
    slots = Slots()

    async def post_timeline(request: Request) -> Response:
        headers = request.headers
        # Not a session: whoever sits before somebody's screen must not ask about people.
        key = keyring.authorise(
            headers.get("authorization"), headers.get("x-api-key"), "evidence:read"
        )
        body = await httpserver.read_body(request, _BODY_MAX, _BODY_TIMEOUT_S)
        question = asked.read(body, headers)
        slots.take(AT_ONCE, "others are reading the log; wait a moment")
        began = clock.steady()
        try:
            found = await aside(partial(_answered, archive, question))
        except (Late, LogUnavailable) as error:
            metrics.TIMELINES.labels("failed").inc()
            raise unavailable(_why(error), _RETRY_AFTER_S) from error
        finally:
            slots.free()
        whole = found["receipts"]["complete"]
        metrics.TIMELINES.labels("answered" if whole else "partial").inc()
        seconds = round(clock.steady() - began, 1)
        # Who asked and when is evidence too; about whom is not for a log.
        log.info("timeline", key=key.name, entries=len(found["entries"]), seconds=seconds)
        return json_response(200, found, _ONCE)

    return post_timeline


def _answered(archive: Looking, question: Asked) -> Json:
    return described(question, archive.look(question, clock.now_ms()))


def described(question: Asked, found: Found) -> Json:
    """The answer."""
    lang, at = question.language, found.at
    now = explain(Question(question.controller, question.contact, at), found.history)
    entries = sorted(_entries(question, found, lang), key=lambda entry: entry[:2])
    searched = found.deliveries.searched
    first = min((moment for moment, _, _ in entries), default=at)
    return {
        "at": times.text(at),
        "controller": question.controller,
        "contact": {"kind": question.contact.kind, "value": question.contact.value},
        "now": [document.answer(answer, lang) for answer in now.answers],
        "entries": [entry for _, _, entry in entries],
        "complete": found.turns.whole,
        "receipts": {
            "complete": not entries or any(s.since <= first and s.until >= at for s in searched),
            "searched": [
                {"from": times.text(span.since), "until": times.text(span.until)}
                for span in searched
            ],
        },
        "unreadable": [entry.place for entry in found.history.entries if entry.unreadable],
        "unreadable_control": list(found.history.unread),
    }


def _entries(question: Asked, found: Found, lang: Language) -> Iterator[tuple[int, int, Json]]:
    """Moment, order within it, entry: a fact, then what it changed, then who confirmed it."""
    history_ = found.history
    for entry in (*history_.entries, *history_.revocations(question.controller)):
        yield entry.known, 0, _fact(entry, lang)
    for turn in found.turns.found:
        yield turn.at, 1, _turn(turn, lang)
    for delivery in found.deliveries.found:
        yield delivery.at, 2, _delivery(delivery)


def _fact(entry: Entry, lang: Language) -> Json:
    return {
        "kind": "fact",
        "at": times.text(entry.known),
        **document.fact(entry, lang),
        "denies": entry.fact.denies,
        "of_the_person": entry.fact.party is not None,
    }


def _turn(turn: Turn, lang: Language) -> Json:
    channels = told.named(turn.channels, wording.CHANNEL, lang)
    purposes = told.named(turn.purposes, wording.PURPOSE, lang)
    return {
        "kind": "verdict",
        "at": times.text(turn.at),
        "by_itself": not turn.places,
        "facts": list(turn.places),
        "brand": turn.brand,
        "channels": turn.channels,
        "purposes": turn.purposes,
        "words": f"{purposes}: {channels}",
        "was_allowed": turn.was,
        **document.verdict(turn.verdict, lang),
    }


def _delivery(delivery: Delivery) -> Json:
    return {
        "kind": "receipt",
        "at": times.text(delivery.at),
        "app": delivery.app,
        "outcome": delivery.outcome,
        "reason": delivery.reason,
        "version": delivery.version,
        "accepted": times.text(delivery.accepted),
        "receipt": delivery.place,
    }


def _limit(seconds: float) -> Callable[[], bool]:
    """Whether so many seconds have passed since."""
    end = clock.steady() + seconds
    return lambda: clock.steady() > end


def _why(error: Exception) -> str:
    if isinstance(error, Late):
        return (
            f"this contact's part of the log was not read within {FACTS_S:g} s; ask again when the "
            "brokers are less busy, or use `noli explain`, which waits"
        )
    return f"the log cannot be read: {error}"
