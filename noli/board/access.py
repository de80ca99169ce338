"""Who may see the board: an API key, a session that one was exchanged for, or nobody but us here.

A browser cannot send a header with EventSource, and a key in a URL would be logged: so the page
exchanges it once for a cookie that no script can read. The session lives in memory, ends by itself,
and with the key: one that is revoked shows nothing from the next second on.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from noli.runtime import clock
from noli.runtime.apikeys import Key, Keyring, Scope
from noli.runtime.httpserver import NOT_STORED, json_response
from noli.runtime.logging import get_logger
from noli.runtime.problem import Problem

log = get_logger()

#: Any of these may see how the applications stand.
SCOPES: Final[tuple[Scope, ...]] = ("evidence:read", "admin")

#: A shift and its handover; a board on a wall signs in again each day.
SESSION_S: Final = 12 * 3600
#: Sessions at once; the oldest ends first.
_SESSIONS_MAX: Final = 1_000
_TOKEN_BYTES: Final = 32
#: Requests by which another site could act in a reader's name (Fetch Metadata).
_FOREIGN: Final = frozenset({"cross-site", "same-site"})


class _Session(NamedTuple):
    key: Key
    ends: float


class Door:
    """Lets in, or raises. `open_`: everybody on this machine may see the board."""

    def __init__(self, keyring: Keyring, *, open_: bool = False) -> None:
        self.keyring = keyring
        self.open = open_
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def admit(self, request: Request) -> Callable[[], bool]:
        """Whoever may see the board; the answer says whether they still may.

        Raises `Problem` 401 and 403.
        """
        headers = request.headers
        if "authorization" in headers or "x-api-key" in headers:
            key = self.keyring.authorise(
                headers.get("authorization"), headers.get("x-api-key"), *SCOPES
            )
            return lambda: self.keyring.still(key)
        if self._here(request):
            return lambda: True
        token = request.cookies.get(_cookie(request), "")
        if not self._stands(token):
            raise Problem(
                401,
                "unauthenticated",
                "sign in on the page, or give an API key: `Authorization: Bearer noli_…`",
                headers={"WWW-Authenticate": 'Bearer realm="noli"'},
            )
        return lambda: self._stands(token)

    def sign_in(self, request: Request) -> Response:
        """204 and a session for the API key of the request. Raises `Problem` 401 and 403."""
        self._same_origin(request)
        headers = request.headers
        key = self.keyring.authorise(headers.get("authorization"), None, *SCOPES)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._sessions[_digest(token)] = _Session(key, clock.steady() + SESSION_S)
        while len(self._sessions) > _SESSIONS_MAX:
            self._sessions.popitem(last=False)
        log.info("signed_in", key=key.name)
        answer = Response(status_code=204)
        _set_cookie(answer, request, token, SESSION_S)
        return answer

    def sign_out(self, request: Request) -> Response:
        """204; the session is over, whatever the browser keeps."""
        self._same_origin(request)
        self._sessions.pop(_digest(request.cookies.get(_cookie(request), "")), None)
        answer = Response(status_code=204)
        _set_cookie(answer, request, "", 0)
        return answer

    def describe(self, request: Request) -> Response:
        """200: whether the board may be seen, and by whom; for the page's first question."""
        session = self._sessions.get(_digest(request.cookies.get(_cookie(request), "")))
        signed = session is not None and self._stands(request.cookies[_cookie(request)])
        by = session.key.name if session is not None and signed else None
        body = {"admitted": signed or self._here(request), "open": self.open, "by": by}
        return json_response(200, body, NOT_STORED)

    def _here(self, request: Request) -> bool:
        """Open, and called by the name of this machine: another name may be a rebound one."""
        return self.open and is_loopback(_host(request))

    def _stands(self, token: str) -> bool:
        session = self._sessions.get(_digest(token))
        if session is None:
            return False
        if clock.steady() < session.ends and self.keyring.still(session.key):
            return True
        del self._sessions[_digest(token)]
        return False

    @staticmethod
    def _same_origin(request: Request) -> None:
        if request.headers.get("sec-fetch-site", "none") in _FOREIGN:
            raise Problem(403, "forbidden", "another site asked for this; open the page itself")


def is_loopback(host: str) -> bool:
    """Whether a host, as bound or as asked for, is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(request: Request) -> str:
    """The host that was asked for, without its port; empty where the header makes no sense."""
    try:
        return request.url.hostname or ""
    except ValueError:
        return ""


def _plain(request: Request) -> bool:
    """Whether cookies go over an unprotected line: only on this machine."""
    return is_loopback(_host(request))


def _cookie(request: Request) -> str:
    """`__Host-` makes a browser keep it for this host, over TLS, only.

    On one machine stacks differ by port, which cookies do not know: it is in the name.
    """
    return f"noli-{request.url.port}" if _plain(request) else "__Host-noli"


def _set_cookie(answer: Response, request: Request, token: str, seconds: int) -> None:
    answer.headers["Cache-Control"] = "no-store"
    answer.set_cookie(
        _cookie(request), token, max_age=seconds, path="/", httponly=True, samesite="strict",
        secure=not _plain(request),
    )  # fmt: skip


def _digest(token: str) -> str:
    """What is kept of a session's token."""
    return hashlib.sha256(token.encode()).hexdigest()
