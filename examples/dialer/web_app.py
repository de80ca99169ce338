"""A dialer's own web service asks Noli, in process, before it places a call (Starlette).

    NOLI_REPLICA=… NOLI_PEPPER=… uvicorn --factory web_app:application

`POST /calls {"number": "333 1234567"}` is answered 202 and the call is placed, or 403 with the
reasons. In FastAPI it is the same: open the gate in the lifespan, check in the route.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from noli.replica.client import Gate
from noli.runtime import settings
from noli.runtime.pepper import pepper

CONTROLLER = "acme"

Place = Callable[[str], Awaitable[None]]


async def no_line(_number: str) -> None:
    """Where your telephone exchange is told to dial."""


def application(place: Place = no_line) -> Starlette:
    """The service; `place` dials."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        config = settings.load()
        # One gate per process: it follows the copy through rebuilds by itself.
        with Gate.open(
            config.replica, pepper=pepper(config), lease_seconds=config.lease_seconds
        ) as gate:
            app.state.gate = gate
            yield

    async def post_call(request: Request) -> Response:
        number = str((await request.json()).get("number"))
        # Some 10 microseconds: no thread, no await.
        answer = request.app.state.gate.check(
            CONTROLLER, ("phone", number), "operator_call", "marketing"
        )
        if not answer.allowed:
            return JSONResponse({"reasons": answer.reasons}, 403)
        await place(number)
        return JSONResponse({"until": answer.until}, 202)

    return Starlette(routes=[Route("/calls", post_call, methods=["POST"])], lifespan=lifespan)
