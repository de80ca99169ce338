"""What the HTTP services share: the application's shell, probes, bodies, and a server that stops.

Starlette on uvicorn, in this process (docs/adr/0005-http-framework.md).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import orjson
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from noli.runtime import clock, problem
from noli.runtime.logging import get_logger
from noli.runtime.metrics import exposition, web
from noli.runtime.problem import Problem
from noli.runtime.process import Stop
from noli.runtime.turning import guarded

log = get_logger()

Readiness = Callable[[], tuple[bool, Mapping[str, object]]]

#: Seconds that requests under way get once the process is told to stop; uvicorn adds up to 0.3.
GRACE_S: Final = 1

#: Seconds an idle connection is kept: above the 60 s of common load balancers, so that they close.
_KEEP_ALIVE_S: Final = 65

#: Connections the kernel queues while the loop is busy.
_BACKLOG: Final = 2048

_FIRST_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500

#: For answers that no cache keeps.
NOT_STORED: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; `body` is whatever JSON can say."""
    return Response(orjson.dumps(body), status, headers=headers, media_type="application/json")


def application(routes: Sequence[BaseRoute]) -> ASGIApp:
    """The service over these routes: problem+json for whatever goes wrong, metrics, access log."""
    app = Starlette(
        routes=routes,
        exception_handlers={
            Problem: problem.on_problem,
            HTTPException: problem.on_http_exception,
            Exception: problem.on_bug,
        },
    )
    # RFC 8058 forbids a redirect of a one-click POST; elsewhere a wrong path is an error to see.
    app.router.redirect_slashes = False
    return _observed(app)


def probes(ready: Readiness) -> list[Route]:
    """`/healthz`, `/readyz` and `/metrics`; `ready` returns (is ready, why or what)."""

    async def healthz(_request: Request) -> Response:
        return json_response(200, {"ok": True})

    async def readyz(_request: Request) -> Response:
        ok, detail = ready()
        return json_response(200 if ok else 503, {"ready": ok, **detail})

    async def scrape(_request: Request) -> Response:
        return Response(exposition.render(), headers={"Content-Type": exposition.CONTENT_TYPE})

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", scrape),
    ]


async def read_body(request: Request, limit: int, timeout_s: float) -> bytes:
    """The whole body, at most `limit` bytes, within `timeout_s` seconds.

    Raises `Problem` 413 or 408. A client that hangs up ends the request as a `ClientDisconnect`.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
    except TimeoutError as error:
        detail = f"the body did not arrive within {timeout_s:g} s; send it again"
        raise Problem(408, "timeout", detail, headers={"Connection": "close"}) from error
    return b"".join(chunks)


def _too_large(limit: int) -> Problem:
    detail = f"the body is larger than {limit} bytes; send it in parts"
    return Problem(413, "too-large", detail, headers={"Connection": "close"})


def bind(host: str, port: int) -> socket.socket:
    """A listening address; port 0 takes any free one. Raises OSError when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # From here on a client waits instead of being refused: what is announced can be reached.
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


async def serve(app: ASGIApp, listener: socket.socket, stop: Stop | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way, at most `GRACE_S`.

    uvicorn takes the two signals while it serves and raises them again afterwards, so that the
    process's own handler (`stop`) sees them too. One that came before is in `stop` already.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,  # ours logs; uvicorn's own lines would bypass redaction
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        http="httptools",
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    host, port = listener.getsockname()[:2]
    log.info("listening", host=host, port=port)
    server = uvicorn.Server(config)
    server.should_exit = stop is not None and stop.requested
    await server.serve(sockets=[listener])


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a service's coroutine on uvloop, and end the process where that stands still."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(guarded(main))


def _observed(app: ASGIApp) -> ASGIApp:
    """`app`, measured and logged by route template: a path may hold a token, a query a contact."""

    async def observed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = clock.steady()
        try:
            await app(scope, receive, watched)
        except ClientDisconnect:
            log.debug("client_left", route=_template(scope))
        except Exception:
            # The 500 is sent (problem.on_bug); the server beneath would only log it again.
            log.exception("request_failed", route=_template(scope))
        _account(scope, status, clock.steady() - began)

    return observed


def _account(scope: Scope, status: int, seconds: float) -> None:
    route = _template(scope)
    web.HTTP_SECONDS.labels(route, str(status)).observe(seconds)
    if status < _FIRST_ERROR:
        return
    report = log.warning if status >= _FIRST_SERVER_ERROR else log.info
    report(
        "request_refused",
        route=route,
        method=scope["method"],
        status=status,
        elapsed_ms=round(seconds * 1000, 1),
    )


def _template(scope: Scope) -> str:
    route = scope.get("route")
    return route.path if isinstance(route, Route) else "(none)"
