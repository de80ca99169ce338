"""The lookup as one ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from noli.domain import times
from noli.domain.question import Question
from noli.replica.gate import LEASE_S, Answer, Gate
from noli.replica.lookup import changes, scrubbing
from noli.replica.lookup.past import Past
from noli.runtime import apidocs, httpserver, questions
from noli.runtime.apikeys import Keyring
from noli.runtime.clock import now_ms
from noli.runtime.limiter import Limiter, spend

#: Bytes of a body: a thousand questions of half a kilobyte.
BODY_MAX: Final = 512_000

#: Seconds a body may take to arrive.
BODY_TIMEOUT_S: Final = 5.0

#: Questions answered before others get their turn: about 2 ms.
_TURN: Final = 100

#: Questions each API key may ask a second, on average, and seconds' worth of them at once.
QUESTIONS_PER_S: Final = 50_000
_BURST_S: Final = 2

#: Times kept as text: `as_of` is one a second, and answers of a list share their `until`.
_TEXTS: Final = 4_096

_MS_PER_S: Final = 1000


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of. `feeds` makes what a stream of changes reads from."""

    gate: Gate
    keyring: Keyring
    feeds: changes.Feeds
    scrubs: scrubbing.Room
    lease_s: float = LEASE_S
    questions_per_s: int = QUESTIONS_PER_S
    #: Who answers for moments gone by; None: nobody, and such questions are refused.
    past: Past | None = None


def application(parts: Parts) -> ASGIApp:
    """The routes of the lookup. Ready means: a question asked now would be answered fresh."""
    gate, keyring = parts.gate, parts.keyring

    def ready() -> tuple[bool, Mapping[str, object]]:
        status = gate.status()
        detail = {
            "contacts": status.contacts,
            "as_of_age_s": _age_s(status.as_of),
            "campaigns_as_of_age_s": _age_s(gate.campaigns_as_of()),
            "stale_answers": gate.stale_answers,  # on the screen of `noli status`
        }
        return status.fresh, detail if status.fresh else {"why": status.reason, **detail}

    description = resources.files("noli.replica.lookup").joinpath("openapi.json")
    follow = changes.changes_handler(gate, keyring, parts.feeds)
    scrub = scrubbing.scrub_handler(gate, keyring, parts.scrubs)
    certificate = scrubbing.certificate_handler(keyring, parts.scrubs)
    return httpserver.application(
        [
            Route("/v1/decisions", _decisions(parts), methods=["POST"]),
            Route("/v1/scrub", scrub, methods=["POST"]),
            Route("/v1/scrub/certificates/{id}", certificate, methods=["GET"]),
            Route("/v1/changes", follow, methods=["GET"]),
            *httpserver.probes(ready),
            *apidocs.routes(description.read_text("utf-8")),
        ]
    )


def _age_s(moment: int | None) -> float | None:
    return None if moment is None else (now_ms() - moment) / _MS_PER_S


def _decisions(parts: Parts) -> Callable[[Request], Awaitable[Response]]:
    lease_ms = int(parts.lease_s * _MS_PER_S)
    callers = Limiter(parts.questions_per_s, parts.questions_per_s * _BURST_S)
    gate = parts.gate

    async def post_decisions(request: Request) -> Response:
        headers = request.headers
        key = parts.keyring.authorise(
            headers.get("authorization"), headers.get("x-api-key"), "decisions:read"
        )
        body = await httpserver.read_body(request, BODY_MAX, BODY_TIMEOUT_S)
        asked = questions.read(body, headers)
        gone = questions.past(asked, now_ms() - lease_ms, evidence=parts.past is not None)
        spend(callers, key.name, len(asked))
        then: list[dict[str, Any]] = []
        if parts.past is not None and gone:
            then = await parts.past.ask([asked[index] for index in gone], headers)
        answers: list[Answer] = []
        for turn in _turns(asked):
            if answers:
                await asyncio.sleep(0)
            answers += gate.check_many(turn)
        said = [*_described(answers)]
        for index, answer in zip(gone, then, strict=True):
            said[index] = answer
        return httpserver.json_response(200, {"decisions": said})

    return post_decisions


def _turns(asked: list[Question]) -> Iterator[list[Question]]:
    for start in range(0, len(asked), _TURN):
        yield asked[start : start + _TURN]


def _described(answers: Iterable[Answer]) -> Iterator[dict[str, Any]]:
    """Answers with their times as RFC 3339 text."""
    for allowed, basis, reasons, conditions, until, as_of in answers:
        yield {
            "allowed": allowed,
            "basis": basis,
            "reasons": reasons,
            "conditions": conditions,
            "until": _text(until),
            "as_of": _text(as_of),
        }


@lru_cache(_TEXTS)
def _text(moment: int | None) -> str | None:
    try:
        return None if moment is None else times.text(moment)
    except OverflowError:
        return None  # beyond the year 9999: nobody alive will see it change
