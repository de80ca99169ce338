"""A small real application behind a webhook: takes verdicts, keeps them in memory, obeys them.

It knows nothing of Noli but docs/howto's contract: Standard Webhooks signatures, one body shape,
and the rule that the highest `version` of a `token` counts.
"""

from __future__ import annotations

import base64
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import standardwebhooks
from standardwebhooks.webhooks import WebhookVerificationError

from noli.domain import times
from noli.runtime import clock

_HOST: Final = "127.0.0.1"
_PATH: Final = "/hooks/noli"
_SECRET_BYTES: Final = 32
#: Seconds an idle connection keeps its thread.
_IDLE_S: Final = 30

#: channel, purpose, brand
Scope = tuple[str, str, str]
#: kind, normalised value
Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    """What came for one contact: allowances by scope, until when (ms; None: open end)."""

    token: str
    version: int
    at: int
    allowed: Mapping[Scope, int | None] = field(repr=False)

    def allows(self, scope: Scope, now: int) -> bool:
        """Whether this scope may be used now; what is not stated is denied."""
        if scope not in self.allowed:
            return False
        until = self.allowed[scope]
        return until is None or until > now


class Application:
    """The application's memory, and what happened to it. Safe to read from any thread."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.url = ""
        self.refused = 0
        #: Every change in the order of its arrival, stale ones included; None: not recorded.
        self.arrivals: list[Told] | None = None
        self._signer = standardwebhooks.Webhook(secret)
        self._held: dict[str, Told] = {}
        self._tokens: dict[Name, str] = {}
        self._news = threading.Condition()

    def take(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Store a post. Raises `WebhookVerificationError` for one that is not signed by Noli."""
        found = self._signer.verify(body, dict(headers))
        now = clock.now_ms()
        with self._news:
            for change in found["changes"]:
                self._store(change, now)
            self._news.notify_all()

    def allowed(self, name: Name, channel: str, purpose: str = "marketing") -> bool:
        """Whether this application would use that channel for that contact, for any brand."""
        with self._news:
            told = self._held.get(self._tokens.get(name, ""))
        return told is not None and told.allows((channel, purpose, "*"), clock.now_ms())

    def allows_something(self, name: Name) -> bool:
        """Whether it holds any allowance of that contact, whatever for."""
        with self._news:
            told = self._held.get(self._tokens.get(name, ""))
        now = clock.now_ms()
        return told is not None and any(told.allows(scope, now) for scope in told.allowed)

    def token(self, name: Name) -> str:
        """The token under which a contact came. Raises `KeyError` for a stranger."""
        with self._news:
            return self._tokens[name]

    def contacts(self) -> int:
        """How many contacts it knows."""
        with self._news:
            return len(self._held)

    def wait(self, done: Callable[[], bool], deadline_s: float) -> bool:
        """Block until `done()` after some post, at most `deadline_s` seconds; whether it is."""
        with self._news:
            return self._news.wait_for(done, deadline_s)

    def refuse(self) -> None:
        """Count a post that was not Noli's."""
        with self._news:
            self.refused += 1

    def _store(self, change: Mapping[str, Any], now: int) -> None:
        told = Told(change["token"], change["version"], now, dict(_allowances(change["verdicts"])))
        if self.arrivals is not None:
            self.arrivals.append(told)
        held = self._held.get(told.token)
        if held is not None and held.version >= told.version:
            return
        self._held[told.token] = told
        if contact := change["contact"]:
            self._tokens[contact["kind"], contact["value"]] = told.token
        else:  # erased (ERASED, GDPR 17): who it was is forgotten here too, the token goes on
            self._tokens = {name: one for name, one in self._tokens.items() if one != told.token}


def _allowances(verdicts: list[dict[str, Any]]) -> Iterator[tuple[Scope, int | None]]:
    for verdict in verdicts:
        if verdict["allowed"]:
            until = verdict["until"]
            scope = verdict["channel"], verdict["purpose"], verdict["brand"]
            yield scope, None if until is None else times.parse(until)


@contextmanager
def running(secret: str = "", port: int = 0) -> Iterator[Application]:
    """The application behind an HTTP server on the loopback address, for one block of code."""
    minted = base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    application = Application(secret or f"whsec_{minted}")

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False  # kept connections would hold the end up

        def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
            """A sender that was killed in the middle is nothing to report; all else is."""
            if not isinstance(sys.exception(), ConnectionError):
                super().handle_error(request, client_address)

    with Server((_HOST, port), _handler(application)) as server:
        application.url = f"http://{_HOST}:{server.server_port}{_PATH}"
        thread = threading.Thread(target=server.serve_forever, name="application", daemon=True)
        thread.start()
        try:
            yield application
        finally:
            server.shutdown()
            thread.join()


def _handler(application: Application) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_S

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                application.take(body, dict(self.headers.items()))
                self.send_response(HTTPStatus.NO_CONTENT)
            except WebhookVerificationError:
                application.refuse()
                self.send_response(HTTPStatus.UNAUTHORIZED)
                self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the demo's screen is not an access log."""

    return Handler
