"""The board as one ASGI application."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from noli.board import decisions, documents, page, stream, timeline
from noli.board.access import Door
from noli.board.archive import Looking, Readers
from noli.board.hub import Hub
from noli.board.known import Known
from noli.board.standing import overall, standing, standings
from noli.runtime import apidocs, clock, httpserver
from noli.runtime.httpserver import NOT_STORED, json_response
from noli.runtime.problem import Problem, unavailable
from noli.runtime.slots import Slots

#: What is asked once is not kept by anybody on the way: it is old a second later.
_RETRY_AFTER_S: Final = 1


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of. `ready`: whether all that stands in the log was read."""

    known: Known
    hub: Hub
    door: Door
    ready: httpserver.Readiness
    archive: Looking
    runbooks_url: str = ""


def application(parts: Parts) -> ASGIApp:
    """The routes of the board."""
    description = resources.files("noli.board").joinpath("openapi.json").read_text("utf-8")
    readers = Readers()
    return httpserver.application(
        [
            *_board(parts),
            *_session(parts.door),
            Route(
                "/v1/contacts/timeline",
                timeline.handler(parts.door.keyring, parts.archive, readers),
                methods=["POST"],
            ),
            Route(
                "/v1/decisions",
                decisions.handler(parts.door.keyring, parts.archive, readers),
                methods=["POST"],
            ),
            *page.routes(parts.runbooks_url),
            *httpserver.probes(parts.ready),
            *apidocs.routes(description),
        ]
    )


def _board(parts: Parts) -> list[Route]:
    slots = Slots()

    async def get_alignment(request: Request) -> Response:
        _admitted(parts, request)
        now = clock.now_ms()
        each = standings(parts.known, now)
        body = documents.alignment(overall(parts.known, each, now), each, now)
        return json_response(200, body, NOT_STORED)

    async def get_app(request: Request) -> Response:
        _admitted(parts, request)
        name, apps = request.path_params["app"], parts.known.apps
        if name not in apps:
            there = ", ".join(apps) or "none yet"
            raise Problem(404, "not-found", f"no application {name!r}; there are: {there}")
        now = clock.now_ms()
        one = standing(apps[name], parts.known.alignment.get(name), now)
        canary, curve = parts.known.canaries.get(name), parts.known.lags.curve(name, now)
        return json_response(200, documents.app_page(one, canary, curve, now), NOT_STORED)

    async def get_stream(request: Request) -> Response:
        admitted = parts.door.admit(request)
        _read(parts)
        slots.take(stream.AT_ONCE, f"{stream.AT_ONCE} streams are open; share one")
        place = request.headers.get("last-event-id")
        return stream.response(parts.hub, place, admitted, slots.free)

    return [
        Route("/v1/alignment", get_alignment, methods=["GET"]),
        Route("/v1/alignment/{app}", get_app, methods=["GET"]),
        Route("/v1/stream", get_stream, methods=["GET"]),
    ]


def _session(door: Door) -> list[Route]:
    async def get_session(request: Request) -> Response:
        return door.describe(request)

    async def post_session(request: Request) -> Response:
        return door.sign_in(request)

    async def delete_session(request: Request) -> Response:
        return door.sign_out(request)

    return [
        Route("/v1/session", get_session, methods=["GET"]),
        Route("/v1/session", post_session, methods=["POST"]),
        Route("/v1/session", delete_session, methods=["DELETE"]),
    ]


def _admitted(parts: Parts, request: Request) -> None:
    parts.door.admit(request)
    _read(parts)


def _read(parts: Parts) -> None:
    """Half of the log would show applications that were removed, and miss others."""
    ready, detail = parts.ready()
    if not ready:
        raise unavailable(str(detail.get("why", "the log is being read")), _RETRY_AFTER_S)
