"""`POST /v1/decisions` for moments gone by: what was allowed then, from the facts in the log.

EVIDENCE (001, 002, 004). The lookup passes such questions on to here: a copy holds what is so now.
An answer is the law's over the facts that had been accepted by then, the same that `noli explain`
gives. It reads partitions of the log: few contacts at once, bounded in time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from noli.board.archive import Looking, Readers
from noli.domain import times
from noli.domain.channel import CHANNEL_BIT, PURPOSE_BIT, Channel, Purpose
from noli.domain.contact import Contact, Unreadable, normalise
from noli.domain.facts import EVERY_BRAND
from noli.domain.question import Question
from noli.domain.reason import Reason
from noli.domain.verdict import Verdict
from noli.evidence import explanation
from noli.evidence.history import History
from noli.runtime import clock, httpserver, questions
from noli.runtime.apikeys import Keyring
from noli.runtime.httpserver import NOT_STORED, json_response
from noli.runtime.logging import get_logger
from noli.runtime.metrics import board as metrics

log = get_logger()

Json = dict[str, Any]

#: Bytes and seconds that a body may take.
_BODY_MAX: Final = 64_000
_BODY_TIMEOUT_S: Final = 5.0


def handler(
    keyring: Keyring, archive: Looking, readers: Readers
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint: 200, 4xx, 429 while others are under way, 503 where the log is not there."""

    async def post_decisions(request: Request) -> Response:
        headers = request.headers
        key = keyring.authorise(
            headers.get("authorization"), headers.get("x-api-key"), "evidence:read"
        )
        body = await httpserver.read_body(request, _BODY_MAX, _BODY_TIMEOUT_S)
        now = clock.now_ms()
        asked = questions.read(body, headers)
        questions.past_only(asked, now)
        look = partial(_answers, archive, asked, now)
        found = await readers.read(look, metrics.PAST.labels("failed").inc)
        metrics.PAST.labels("answered").inc()
        # Who asked and when is evidence too; about whom is not for a log.
        log.info("past", key=key.name, questions=len(asked))
        return json_response(200, {"decisions": found}, NOT_STORED)

    return post_decisions


def _answers(archive: Looking, asked: list[Question], now: int) -> list[Json]:
    """In the order of the questions; the facts of each contact are read once."""
    read: dict[tuple[str, Contact], History] = {}
    found = []
    for question in asked:
        at = now if question.at is None else question.at
        contact = _contact(question)
        if contact is None:
            verdict = _denied(Reason.QUARANTINED)
        else:
            who = question.controller, contact
            if who not in read:
                read[who] = archive.facts(*who)
            verdict = _verdict(question, contact, at, read[who])
        found.append(_described(verdict, at))
    return found


def _contact(question: Question) -> Contact | None:
    given = question.contact
    try:
        return given if isinstance(given, Contact) else normalise(*given)
    except Unreadable:
        return None


def _verdict(question: Question, contact: Contact, at: int, history: History) -> Verdict:
    """A channel or purpose that nobody has heard of has no basis, as in the copy."""
    if question.channel not in CHANNEL_BIT or question.purpose not in PURPOSE_BIT:
        return _denied(Reason.NO_BASIS)
    asked = explanation.Question(
        question.controller,
        contact,
        at,
        Channel(question.channel),
        Purpose(question.purpose),
        question.brand or EVERY_BRAND,
        question.product,
    )
    (found,) = explanation.explain(asked, history).answers
    return found.verdict


def _denied(reason: Reason) -> Verdict:
    return Verdict(allowed=False, basis=None, reasons=(reason,), conditions=(), until=None)


def _described(verdict: Verdict, at: int) -> Json:
    return {
        "allowed": verdict.allowed,
        "basis": verdict.basis,
        "reasons": list(verdict.reasons),
        "conditions": list(verdict.conditions),
        "until": None if verdict.until is None else times.text(verdict.until),
        "as_of": times.text(at),
    }
