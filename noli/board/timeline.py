"""`POST /v1/contacts/timeline`: all that happened about one contact, in the order of time.

Facts as the log has them, every change of a verdict, what each application confirmed. It reads
partitions of the log: bounded in time, few at once, on threads of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from noli.board import asked
from noli.board.archive import Found, Looking, Readers
from noli.board.asked import Asked
from noli.domain import times, wording
from noli.domain.wording import Language
from noli.evidence import document, told
from noli.evidence.deliveries import Delivery
from noli.evidence.explanation import Question, explain
from noli.evidence.history import Entry
from noli.evidence.turns import Turn
from noli.runtime import clock, httpserver
from noli.runtime.apikeys import Keyring
from noli.runtime.httpserver import NOT_STORED, json_response
from noli.runtime.logging import get_logger
from noli.runtime.metrics import board as metrics

log = get_logger()

Json = dict[str, Any]

_BODY_MAX: Final = 4_096
_BODY_TIMEOUT_S: Final = 5.0


def handler(
    keyring: Keyring, archive: Looking, readers: Readers
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint: 200, 4xx, 429 while others are under way, 503 where the log is not there."""

    async def post_timeline(request: Request) -> Response:
        headers = request.headers
        # Not a session: whoever sits before somebody's screen must not ask about people.
        key = keyring.authorise(
            headers.get("authorization"), headers.get("x-api-key"), "evidence:read"
        )
        body = await httpserver.read_body(request, _BODY_MAX, _BODY_TIMEOUT_S)
        question = asked.read(body, headers)
        began = clock.steady()
        look = partial(_answered, archive, question)
        found = await readers.read(look, metrics.TIMELINES.labels("failed").inc)
        whole = found["receipts"]["complete"]
        metrics.TIMELINES.labels("answered" if whole else "partial").inc()
        seconds = round(clock.steady() - began, 1)
        # Who asked and when is evidence too; about whom is not for a log.
        log.info("timeline", key=key.name, entries=len(found["entries"]), seconds=seconds)
        return json_response(200, found, NOT_STORED)

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
