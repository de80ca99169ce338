"""Errors over HTTP: RFC 9457 problem details, the one shape of every refusal of every service."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"

#: Problem types are names, not pages to fetch (RFC 9457 §3.1.1 allows any URI).
_TYPE_PREFIX: Final = "urn:noli:problem:"


class Problem(Exception):
    """Ends a request: `status`, a stable `kind`, and a `detail` that names field and remedy.

    `extra` are the extension members of the body (e.g. `errors`), `headers` go with the answer.
    Neither may hold a contact except what the caller itself sent in this request.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(kind)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers
        self.extra = extra or {}

    def body(self) -> dict[str, Any]:
        """The members of RFC 9457 §3.1, then the extensions."""
        return {
            "type": f"{_TYPE_PREFIX}{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **self.extra,
        }


def response(problem: Problem) -> Response:
    """The HTTP answer of a problem."""
    return Response(
        orjson.dumps(problem.body()),
        problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def unavailable(detail: str, retry_after_s: int) -> Problem:
    """503: nothing is wrong with the request; the same one is to be sent again."""
    return Problem(503, "unavailable", detail, headers={"Retry-After": str(retry_after_s)})


async def on_problem(_request: Request, error: Exception) -> Response:
    """Starlette's handler of `Problem`."""
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class only
    return response(error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405, in our shape. The path is not repeated: it may hold a token."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    detail = {
        HTTPStatus.NOT_FOUND: "nothing is served here; see /docs",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not served here; see /docs",
    }.get(HTTPStatus(error.status_code), HTTPStatus(error.status_code).phrase)
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return response(Problem(error.status_code, kind, detail, headers=error.headers))


async def on_bug(_request: Request, _error: Exception) -> Response:
    """500 without the reason: it is in the log, where redaction has passed over it."""
    return response(Problem(500, "internal", "an error of ours; it is in this service's log"))
