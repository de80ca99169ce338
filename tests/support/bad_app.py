"""An application with a webhook, on a real socket, that misbehaves as it is told.

It keeps what it is told as the how-to asks of a receiver: by token, the highest version, whole. The
script is one `Step` per request; once it has run out, every request is taken well. A contact may
have a script of its own: the next requests that name it are answered by that.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

import standardwebhooks

from connectors.protocol import Held
from noli.runtime.clock import now_ms

SECRET: Final = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
#: A test that waits longer than this for a request has found a bug, in seconds.
DEADLINE_S: Final = 20.0
#: Below its address, where it tells what it holds.
HELD: Final = "/held"

Pair = tuple[str, str, str]

#: Reasons that only what a person said, or what nobody could read, gives.
OBJECTED: Final = frozenset({"OBJECTED", "WITHDRAWN", "ERASED", "QUARANTINED"})


@dataclass(frozen=True, slots=True)
class Step:
    """How one request is answered. `applies`: whether what it says is kept."""

    status: int = 204
    applies: bool = True
    headers: tuple[tuple[str, str], ...] = ()
    #: Take the request and say nothing until the application is released.
    hangs: bool = False
    #: Close the connection instead of answering.
    drops_answer: bool = False
    #: Answer one byte after the other, and never end.
    drips: bool = False
    body: bytes = b""


OK: Final = Step()
HANG: Final = Step(applies=False, hangs=True)
APPLIED_BUT_ANSWER_LOST: Final = Step(drops_answer=True)
#: Says that it is done, and has done nothing.
LIES: Final = Step(applies=False)
DRIPS: Final = Step(200, drips=True)


def failing(status: int, **headers: str) -> Step:
    """A refusal; header names with `_` for `-`."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Step(status, applies=False, headers=named)


class Received(NamedTuple):
    """One request, in the order of arrival. `at`: seconds of the steady clock."""

    message_id: str
    body: dict[str, Any]
    step: Step
    at: float
    host: str


class Arrival(NamedTuple):
    """One change as it came. `at`: wall clock, ms; `applied`: whether it is what is held now."""

    at: int
    token: str
    version: int
    allowed: frozenset[Pair]
    #: Pairs that are denied, and a reason says that somebody wanted it so.
    objected: frozenset[Pair]
    applied: bool


@dataclass
class BadApp:
    """The application. All of it may be used from any thread."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    #: Token → version and verdicts, as a good receiver keeps them.
    held: dict[str, Held] = field(default_factory=dict)
    contacts: dict[str, str | None] = field(default_factory=dict)
    #: Every change of every request that was kept, in the order of arrival, stale ones included.
    arrivals: list[Arrival] = field(default_factory=list)
    #: Contact value → how the next requests that name it are answered.
    scripts: dict[str, list[Step]] = field(default_factory=dict)
    #: What the application could not believe: bad signatures, older versions sent later.
    complaints: list[str] = field(default_factory=list)
    #: Bodies that name one of these tokens are refused with 422.
    poison: set[str] = field(default_factory=set)
    #: When the last backup was made, and when one was put back, ms.
    kept_at: int = 0
    rewound_at: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    _script: list[Step] = field(default_factory=list)
    _always: Step | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def script(self, *steps: Step) -> None:
        """Answer the next requests so, one step each."""
        with self._changed:
            self._script.extend(steps)

    def always(self, step: Step | None) -> None:
        """Answer every request so, until told otherwise (None)."""
        with self._changed:
            self._always = step
            self._script.clear()

    def backup(self) -> dict[str, Held]:
        """What it holds now, to be restored from later."""
        with self._changed:
            self.kept_at = now_ms()
            return dict(self.held)

    def rewind(self, backup: dict[str, Held]) -> None:
        """Restore it from a backup: what it was told since is forgotten."""
        with self._changed:
            self.held = dict(backup)
            self.rewound_at = now_ms()

    def wait_for(self, enough: Callable[[BadApp], bool], deadline_s: float = DEADLINE_S) -> None:
        """Block until `enough(self)`, looked at after each request. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: enough(self), deadline_s):
                raise TimeoutError(f"{len(self.received)} requests were not enough")

    def take(self, message_id: str, raw: bytes, host: str) -> Step:
        """Note a request and decide on it."""
        body = json.loads(raw)
        tokens = {change["token"] for change in body["changes"]}
        with self._changed:
            step = self._always or self._scripted(body["changes"])
            if self.poison & tokens:
                step = failing(422)
            self.received.append(Received(message_id, body, step, time.monotonic(), host))
            if step.applies:
                self._keep(body["changes"])
            self._changed.notify_all()
        return step

    def tell(self, raw: bytes) -> bytes:
        """What it holds of the contacts asked about; it tells the truth, whatever it confirmed."""
        asked = json.loads(raw)
        assert asked["type"] == "noli.read_back.v1"
        with self._changed:
            found = {c["token"]: self.held.get(c["token"]) for c in asked["contacts"]}
        held = [_told(token, one) for token, one in found.items() if one is not None]
        return json.dumps({"held": held}).encode()

    def complain(self, what: str) -> None:
        """Note something that must not happen."""
        with self._changed:
            self.complaints.append(what)
            self._changed.notify_all()

    def drip(self, write: Callable[[bytes], object]) -> None:
        """One byte after the other, until the other side has enough or all is let go."""
        with suppress(OSError):
            while not self.released.wait(0.02):
                write(b".")

    def allowed(self, value: str, pair: Pair) -> bool:
        """Whether it would use that channel, purpose and brand for the contact of that value."""
        with self._changed:
            tokens = [token for token, one in self.contacts.items() if one == value]
            # Whom a backup does not know is not held: nobody there is allowed.
            held = [self.held[token] for token in tokens if token in self.held]
        return any(one.allowed.get(pair, False) for one in held)

    def _scripted(self, changes: Iterable[dict[str, Any]]) -> Step:
        for change in changes:
            contact = change["contact"]
            if contact and (script := self.scripts.get(contact["value"])):
                return script.pop(0)
        return self._script.pop(0) if self._script else OK

    def _keep(self, changes: Iterable[dict[str, Any]]) -> None:
        for change in changes:
            known = self.held.get(change["token"])
            newer = known is None or (known.version or 0) <= change["version"]
            self.arrivals.append(_arrival(change, newer=newer))
            if not newer:
                continue
            gone = dict.fromkeys(known.allowed, False) if known else {}
            stated = {(v["channel"], v["purpose"], v["brand"]): v["allowed"]
                      for v in change["verdicts"]}  # fmt: skip
            self.held[change["token"]] = Held(change["version"], gone | stated)
            contact = change["contact"]
            self.contacts[change["token"]] = contact and contact["value"]


def _told(token: str, held: Held) -> dict[str, Any]:
    names = ("channel", "purpose", "brand")
    verdicts = [
        {**dict(zip(names, pair, strict=True)), "allowed": allowed}
        for pair, allowed in held.allowed.items()
    ]
    return {"token": token, "version": held.version, "verdicts": verdicts}


def _arrival(change: dict[str, Any], *, newer: bool) -> Arrival:
    pairs = {(v["channel"], v["purpose"], v["brand"]): v for v in change["verdicts"]}
    told = frozenset(pair for pair, verdict in pairs.items() if verdict["allowed"])
    named = frozenset(
        pair for pair, verdict in pairs.items() if not OBJECTED.isdisjoint(verdict["reasons"])
    )
    return Arrival(now_ms(), change["token"], change["version"], told, named - told, newer)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A sender that was killed, or cut off, in the middle is nothing to report; all else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def bad_app(secret: str = SECRET) -> Iterator[BadApp]:
    """An application on a free loopback port, stopped at the end; what hangs is let go."""
    app = BadApp()
    server = _Server(("127.0.0.1", 0), _handler(app, standardwebhooks.Webhook(secret)))
    server.daemon_threads = True
    app.url = f"http://127.0.0.1:{server.server_address[1]}/hooks/noli"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield app
    finally:
        app.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(to: BaseHTTPRequestHandler, app: BadApp, step: Step) -> None:
    """Follow one step of the script."""
    if step.hangs:
        app.released.wait()
    if step.hangs or step.drops_answer:
        to.close_connection = True
        return
    to.send_response(step.status)
    for name, value in step.headers:
        to.send_header(name, value)
    if step.status != 204:
        to.send_header("Content-Length", "1024" if step.drips else str(len(step.body)))
    to.end_headers()
    to.wfile.write(step.body)
    if step.drips:
        app.drip(to.wfile.write)


def _handler(app: BadApp, verifier: standardwebhooks.Webhook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Verify, then follow the script."""
            length = int(self.headers["Content-Length"] or -1)
            raw = self.rfile.read(length) if length >= 0 else b""
            if len(raw) != length:
                raise ConnectionAbortedError("cut off in the middle of a request")
            try:
                verifier.verify(raw, dict(self.headers))
            except standardwebhooks.WebhookVerificationError as error:
                app.complain(str(error))
            if self.path.endswith(HELD):
                self._tell(app.tell(raw))
                return
            step = app.take(self.headers["webhook-id"], raw, self.headers["Host"])
            _answer(self, app, step)

        def _tell(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            """Nothing of ours is ever fetched: a redirect was followed."""
            app.complain(f"GET {self.path}")
            self.send_error(405)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
            """Tests look at `received`."""

    return Handler
