"""`POST /v1/decisions` for moments gone by: what was allowed then, from the facts in the log.

EVIDENCE (001, 002, 004). The lookup passes such questions on to here: a copy holds what is so now.
An answer is the law's over the facts that had been accepted by then, the same that `noli explain`
gives. It reads partitions of the log: few contacts at once, bounded in time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from noli.board import archive as archives
from noli.board.archive import Late, Looking
from noli.domain import times
from noli.domain.channel import CHANNEL_BIT, PURPOSE_BIT, Channel, Purpose
from noli.domain.contact import Contact, Unreadable, normalise
from noli.domain.facts import EVERY_BRAND
from noli.domain.question import Question
from noli.evidence import explanation
from noli.evidence.history import History
from noli.runtime import clock, httpserver, questions
from noli.runtime.apikeys import Keyring
from noli.runtime.aside import aside
from noli.runtime.httpserver import json_response
from noli.runtime.logging import get_logger
from noli.runtime.metrics import board as metrics
from noli.runtime.problem import unavailable
from noli.runtime.scan import LogUnavailable
from noli.runtime.slots import Slots

log = get_logger()

Json = dict[str, Any]

#: Posts at once, and bytes and seconds that a body may take.
AT_ONCE: Final = 2
_BODY_MAX: Final = 64_000
_BODY_TIMEOUT_S: Final = 5.0
_RETRY_AFTER_S: Final = 5

_ONCE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}


def handler(keyring: Keyring, archive: Looking) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint: 200, 4xx, 429 while others are under way, 503 where the log is not there."""
    slots = Slots()

    async def post_decisions(request: Request) -> Response:
        headers = request.headers
        key = keyring.authorise(
            headers.get("authorization"), headers.get("x-api-key"), "evidence:read"
        )
        body = await httpserver.read_body(request, _BODY_MAX, _BODY_TIMEOUT_S)
        now = clock.now_ms()
        asked = questions.read(body, headers)
        questions.past_only(asked, now)
        slots.take(AT_ONCE, "others are reading the log; wait a moment")
        try:
            found = await aside(partial(_answers, archive, asked, now))
        except (Late, LogUnavailable) as error:
            metrics.PAST.labels("failed").inc()
            raise unavailable(archives.why(error), _RETRY_AFTER_S) from error
        finally:
            slots.free()
        metrics.PAST.labels("answered").inc()
        # Who asked and when is evidence too; about whom is not for a log.
        log.info("past", key=key.name, questions=len(asked))
        return json_response(200, {"decisions": found}, _ONCE)

    return post_decisions


def _answers(archive: Looking, asked: list[Question], now: int) -> list[Json]:
    """In the order of the questions; the facts of each contact are read once."""
    read: dict[tuple[str, Contact], History] = {}
    found = []
    for question in asked:
        at = now if question.at is None else question.at
        contact = _contact(question)
        if contact is None:
            found.append(_denied("QUARANTINED", at))
            continue
        who = question.controller, contact
        if who not in read:
            read[who] = archive.facts(*who)
        found.append(_answer(question, contact, at, read[who]))
    return found


def _contact(question: Question) -> Contact | None:
    given = question.contact
    try:
        return given if isinstance(given, Contact) else normalise(*given)
    except Unreadable:
        return None


def _answer(question: Question, contact: Contact, at: int, history: History) -> Json:
    """A channel or purpose that nobody has heard of has no basis, as in the copy."""
    if question.channel not in CHANNEL_BIT or question.purpose not in PURPOSE_BIT:
        return _denied("NO_BASIS", at)
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
    verdict = found.verdict
    return {
        "allowed": verdict.allowed,
        "basis": verdict.basis,
        "reasons": list(verdict.reasons),
        "conditions": list(verdict.conditions),
        "until": None if verdict.until is None else times.text(verdict.until),
        "as_of": times.text(at),
    }


def _denied(reason: str, at: int) -> Json:
    return {
        "allowed": False,
        "basis": None,
        "reasons": [reason],
        "conditions": [],
        "until": None,
        "as_of": times.text(at),
    }
