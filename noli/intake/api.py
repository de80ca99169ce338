"""`POST /v1/events`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from noli.domain import times
from noli.intake import accept, envelope
from noli.intake.accept import Intake, Outcome, Taken
from noli.runtime.apikeys import CANARY, Keyring
from noli.runtime.httpserver import json_response, read_body
from noli.runtime.kafka import NotDurable
from noli.runtime.limiter import Limiter, spend
from noli.runtime.logging import get_logger
from noli.runtime.problem import Problem, unavailable

log = get_logger()

Handler = Callable[[Request], Awaitable[Response]]

#: Bytes of a body: a thousand events of a kilobyte.
BODY_MAX: Final = 1_000_000

#: Seconds a body may take to arrive.
BODY_TIMEOUT_S: Final = 10.0

#: Seconds after which a post that the log did not take is worth another try.
RETRY_AFTER_S: Final = 1


def events_handler(intake: Intake, keyring: Keyring, limiter: Limiter) -> Handler:
    """The endpoint: 202 only from delivery reports, 422 with what was stored all the same, 503."""

    async def post_events(request: Request) -> Response:
        headers = request.headers
        key = keyring.authorise(
            headers.get("authorization"), headers.get("x-api-key"), "events:write"
        )
        body = await read_body(request, BODY_MAX, BODY_TIMEOUT_S)
        post = envelope.decode(body, headers)
        door = accept.CANARY if CANARY in key.scopes else accept.API
        spend(limiter, key.name, len(post.events))
        try:
            outcome = await intake.take(post.events, door)
        except NotDurable as error:
            raise unavailable(not_durable(error), RETRY_AFTER_S) from error
        if outcome.refused:
            log.info("events_refused", key=key.name, refused=len(outcome.refused))
            raise _refused(outcome)
        answers = [answer(taken) for taken in outcome.taken]
        return json_response(202, answers[0] if post.single else answers)

    return post_events


def answer(taken: Taken) -> dict[str, Any]:
    """What the sender learns of a stored event; `receipt` is `topic:partition:offset`."""
    place = taken.place
    found: dict[str, Any] = {
        "id": taken.id,
        "accepted": _written(taken.accepted),
        "receipt": f"{place.topic}:{place.partition}:{place.offset}",
    }
    if taken.quarantined:
        found["quarantined"] = True
    return found


#: The events of a batch have one time between them.
_written = lru_cache(maxsize=64)(times.text)


def not_durable(error: NotDurable) -> str:
    """What to tell a sender whose events the log did not confirm."""
    doubt = "it may hold them all the same; " if error.indeterminate else ""
    return f"the log did not confirm ({error}); {doubt}send the same again, ids included"


def _refused(outcome: Outcome) -> Problem:
    first = outcome.refused[0]
    count = len(outcome.refused)
    detail = f"event {first.position}: {first.field}: {first.detail}" + (
        f"; {count - 1} more in errors" if count > 1 else ""
    )
    errors = [
        {"index": refusal.position, "field": refusal.field, "detail": refusal.detail}
        for refusal in outcome.refused
    ]
    stored = [{"index": taken.position, **answer(taken)} for taken in outcome.taken]
    return Problem(422, "refused", detail, extra={"errors": errors, "stored": stored})
