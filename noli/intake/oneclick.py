"""`/u/{token}`: RFC 8058 one-click unsubscription, and the page a person sees.

Every POST of a known token is an objection, whatever its body says or lacks: RFC 8058 asks for
multipart and urlencoded bodies, some senders post none, and an objection is never refused for its
form. So the body is drained, not parsed.

Each POST is an event of its own: its id is the token's digest and the moment. Repeats still are one
objection, since objections merge in the state by their latest time; but a click after a new consent
counts anew. Were the id the token alone, or a span of time, the second click would pass for a retry
of the first, and the consent given in between would stand against it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from noli.domain import times
from noli.intake import accept, links, pages
from noli.intake.accept import Intake
from noli.intake.api import RETRY_AFTER_S, answer, not_durable
from noli.intake.links import Link, Links
from noli.runtime import clock
from noli.runtime.httpserver import json_response, read_body
from noli.runtime.kafka import NotDurable
from noli.runtime.limiter import Limiter
from noli.runtime.problem import Problem, unavailable

#: Source of the objections raised here.
SOURCE: Final = "/u"

#: Bytes of a one-click body; the specified one has 26.
BODY_MAX: Final = 64_000
BODY_TIMEOUT_S: Final = 10.0

#: POSTs of one link: a burst, then one a second. Its objection stands long before the limit.
CLICKS_PER_S: Final = 1.0
CLICKS_BURST: Final = 20.0

Handler = Callable[[Request], Awaitable[Response]]


def page_handler(sealed: Links) -> Handler:
    """GET: the question. It changes nothing: mail scanners follow every link."""

    async def get_page(request: Request) -> Response:
        link = sealed.open(request.path_params["token"])
        return pages.unknown() if link is None else pages.ask(link)

    return get_page


def click_handler(
    intake: Intake, sealed: Links, limiter: Limiter, now_ms: Callable[[], int]
) -> Handler:
    """POST: the objection. 200 once the log holds it, 404 without a reason, 503 to try again."""

    async def post_click(request: Request) -> Response:
        await read_body(request, BODY_MAX, BODY_TIMEOUT_S)
        human = "text/html" in request.headers.get("accept", "")
        token = request.path_params["token"]
        link = sealed.open(token)
        if link is None:
            if human:
                return pages.unknown()
            raise Problem(404, "unknown-link", "this is not an unsubscribe link of ours")
        name = links.digest(token)
        wait = limiter.spend(name, 1, clock.steady())
        if wait > 0:
            detail = "this link is posted over and over; its objection is recorded"
            raise Problem(429, "too-fast", detail, headers={"Retry-After": str(int(wait) + 1)})
        try:
            outcome = await intake.take([objection(link, name, now_ms())], accept.ONE_CLICK)
        except NotDurable as error:
            if human:
                return pages.later(RETRY_AFTER_S)
            raise unavailable(not_durable(error), RETRY_AFTER_S) from error
        receipt = answer(outcome.taken[0])
        if human:
            return pages.done(receipt["accepted"], receipt["receipt"])
        return json_response(200, receipt)

    return post_click


def objection(link: Link, name: str, now: int) -> dict[str, Any]:
    """The event that a click on a link raises at `now` (ms); `name` is the token's digest."""
    data: dict[str, Any] = {
        "controller": link.controller,
        "contact": {"kind": link.kind, "value": link.value},
        "via": "unsubscribe_link",
        "evidence": {"ref": f"unsubscribe link {name} of {times.text(link.issued_at)}"},
    }
    scopes = {"brands": link.brands, "purposes": link.purposes, "channels": link.channels}
    data.update({scope: list(symbols) for scope, symbols in scopes.items() if symbols})
    return {
        "specversion": "1.0",
        "id": f"{name}.{now}",
        "source": SOURCE,
        "type": "noli.objection.raised.v1",
        "time": times.text(now),
        "data": data,
    }
