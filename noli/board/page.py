"""The pages and what they are made of: served by this process, nothing from elsewhere, no build."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from html import escape
from importlib import resources
from string import Template
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

#: Only our own files, no inline script or style, and no script text made at run time.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_MEDIA: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
ASSETS: Final = ("board.css", "board.js", "app.js", "contact.js", "shared.js", "noli.svg")


class Asset(NamedTuple):
    """A file as served; `tag` changes with it."""

    body: bytes
    media: str
    tag: str


def routes(runbooks_url: str) -> list[Route]:
    """`/`, `/apps/{app}`, `/contact` and `/assets/…`. They hold nothing that needs a key."""

    async def board(_request: Request) -> Response:
        return _shown(_page("board", "Noli: is everybody aligned?", runbooks_url))

    async def app(_request: Request) -> Response:
        return _shown(_page("app", "Noli: an application", runbooks_url))

    async def contact(_request: Request) -> Response:
        return _shown(_page("contact", "Noli: a contact", runbooks_url))

    return [
        Route("/", board, methods=["GET"]),
        Route("/apps/{app}", app, methods=["GET"]),
        Route("/contact", contact, methods=["GET"]),
        *(Route(f"/assets/{name}", _serving(name), methods=["GET"]) for name in ASSETS),
    ]


def _serving(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        asset = _asset(name)
        # Asked for again at every visit, sent again when it changed: an update is seen at once.
        headers = {**_HEADERS, "Cache-Control": "no-cache", "ETag": asset.tag}
        if request.headers.get("if-none-match") == asset.tag:
            return Response(status_code=304, headers=headers)
        return Response(asset.body, headers={**headers, "Content-Type": asset.media})

    return serve


@cache
def _asset(name: str) -> Asset:
    body = _file(name)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return Asset(body, _MEDIA[name[name.rindex(".") :]], tag)


@cache
def _page(name: str, title: str, runbooks: str) -> Asset:
    content = Template(_file(f"{name}.html").decode()).substitute(runbooks=escape(runbooks))
    values = {"title": escape(title), "name": name, "content": content}
    body = Template(_file("page.html").decode()).substitute(values)
    return Asset(body.encode(), "text/html; charset=utf-8", "")


def _shown(page: Asset) -> Response:
    headers = {**_HEADERS, "Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return Response(page.body, headers={**headers, "Content-Type": page.media})


def _file(name: str) -> bytes:
    return resources.files("noli.board").joinpath("html", name).read_bytes()
