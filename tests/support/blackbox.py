"""A client that knows nothing but docs/reference/events.md and DATA/endpoints.json.

It starts a stack as a user does (`noli up --detach`), speaks HTTP to it, and plays the two
applications: one behind a webhook, one that joins a table of PostgreSQL.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import psycopg

CONTROLLER: Final = "acme"
#: Seconds from `noli up` to every worker ready, on a machine that does other things too.
UP_S: Final = 180
DOWN_S: Final = 60
#: Seconds a sender goes on repeating before it gives up: longer than any worker needs to return.
PATIENCE_S: Final = 60.0
#: Between two tries of a sender, and between two looks at what has no notification, in seconds.
PAUSE_S: Final = 0.05
_REQUEST_S: Final = 15.0
_TRY_AGAIN: Final = {429, 503}

Contact = tuple[str, str]
Event = dict[str, Any]
#: Objections without a purpose cover these (law.md, OBJECT).
OBJECTED: Final = ("marketing", "profiling", "third_party_disclosure")


def run(*arguments: str, timeout_s: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
    """`noli …` as a user would run it; its output is kept. Fails with that output."""
    done = subprocess.run(
        ["env", *(f"{key}={value}" for key, value in env.items()),
         sys.executable, "-P", "-m", "noli.cli", *arguments],
        capture_output=True, text=True, check=False, timeout=timeout_s,
    )  # fmt: skip
    assert done.returncode == 0, f"noli {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done


@dataclass(frozen=True)
class Stack:
    """A running stack; whatever is asked of it is read from its `endpoints.json` at that moment."""

    data: Path

    def endpoints(self) -> Mapping[str, Any]:
        """The file as it is now."""
        found: Mapping[str, Any] = json.loads((self.data / "endpoints.json").read_text("utf-8"))
        return found

    def pid(self, process: str) -> int | None:
        """Pid of a worker, None while it is down."""
        pid: int | None = self.endpoints()["processes"].get(process)
        return pid

    def workers(self) -> list[str]:
        """Names of the processes that run now."""
        return sorted(self.endpoints()["processes"])

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A sender and asker with the stack's own API key."""
        found = self.endpoints()
        client = Client(found["intake"], found["lookup"], found["api_key"])
        try:
            yield client
        finally:
            client.close()


@contextmanager
def up(data: Path, apps: Path, *options: str, canary_s: float = 0.0) -> Iterator[Stack]:
    """A stack for one block of code; stopped at its end, and seen to be gone.

    `canary_s`: between two canaries. None unless asked for: tests count what applications are told.
    """
    env = {"NOLI_CANARY_SECONDS": str(canary_s)}
    where = ("--data", str(data), "--apps", str(apps))
    try:
        # A stack that does not become ready is left running for a person to look at: not here.
        run("up", "--detach", *where, *options, timeout_s=UP_S, **env)
        yield Stack(data)
    finally:
        run("down", "--data", str(data), timeout_s=DOWN_S)


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever JSON says
        """The body."""
        return json.loads(self.body)


class Client:
    """Sends events and asks for verdicts. Each thread keeps a connection of its own."""

    def __init__(self, intake: str, lookup: str, api_key: str) -> None:
        self.intake = intake
        self.lookup = lookup
        self._key = api_key
        self._local = threading.local()
        self._opened: list[http.client.HTTPConnection] = []
        #: What went wrong on the way and was repeated, by name.
        self.faults: Counter[str] = Counter()

    def send(self, *events: Event, patience_s: float = PATIENCE_S) -> list[dict[str, Any]]:
        """Post events until they are acknowledged, always the same bytes; the answers."""
        answer = self.insist("/v1/events", body(*events), patience_s)
        assert answer.status == 202, answer
        found = answer.json()
        return [found] if len(events) == 1 else found

    def insist(self, path: str, content: bytes, patience_s: float = PATIENCE_S) -> Answer:
        """Post to the intake until an answer comes that is no 429 or 503."""
        end = time.monotonic() + patience_s
        while True:
            try:
                answer = self.post(self.intake, path, content)
                if answer.status not in _TRY_AGAIN:
                    return answer
                fault = f"HTTP {answer.status}"
            except (OSError, http.client.HTTPException) as error:
                fault = type(error).__name__
            self.faults[fault] += 1
            assert time.monotonic() < end, f"not acknowledged within {patience_s} s: {self.faults}"
            threading.Event().wait(PAUSE_S)

    def ask(self, *queries: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The lookup's verdicts, in order. Raises OSError while it does not answer."""
        asked = json.dumps({"queries": queries}).encode()
        answer = self.post(self.lookup, "/v1/decisions", asked)
        assert answer.status == 200, answer
        found = answer.json()
        verdicts: list[dict[str, Any]] = found["decisions"]
        assert len(verdicts) == len(queries)
        return verdicts

    def allowed(self, contacts: Sequence[Contact], channel: str) -> list[bool]:
        """What the lookup says of marketing; False for all while it does not answer."""
        try:
            verdicts = self.ask(*(query(contact, channel) for contact in contacts))
        except (OSError, http.client.HTTPException):
            return [False] * len(contacts)
        return [verdict["allowed"] for verdict in verdicts]

    def post(
        self, base: str, path: str, content: bytes, media: str = "application/json", **headers: str
    ) -> Answer:
        """One attempt, with the API key. Raises OSError or HTTPException."""
        given = {"Authorization": f"Bearer {self._key}", "Content-Type": media, **headers}
        return self.request(base, path, content, given)

    def request(
        self, base: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """POST a body or GET without one, on this thread's connection."""
        connection = self._connection(base)
        try:
            connection.request("GET" if content is None else "POST", path, content, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        except BaseException:
            connection.close()  # http.client opens it again at the next request
            raise

    def close(self) -> None:
        """Hang up; a later request connects again."""
        for connection in self._opened:
            connection.close()

    def _connection(self, base: str) -> http.client.HTTPConnection:
        kept: dict[str, http.client.HTTPConnection] = self._local.__dict__.setdefault("kept", {})
        if base not in kept:
            kept[base] = http.client.HTTPConnection(urlsplit(base).netloc, timeout=_REQUEST_S)
            self._opened.append(kept[base])
        return kept[base]


def body(*events: Event) -> bytes:
    """What is posted: one event, or an array of them."""
    return json.dumps(events[0] if len(events) == 1 else events).encode()


def query(contact: Contact, channel: str, purpose: str = "marketing") -> dict[str, Any]:
    """A question to the lookup."""
    kind, value = contact
    return {
        "controller": CONTROLLER,
        "contact": {"kind": kind, "value": value},
        "channel": channel,
        "purpose": purpose,
    }


def event(type_: str, contact: Contact, time_: str | None = None, **data: Any) -> Event:  # noqa: ANN401
    """A CloudEvent with an id of its own; `time_` absent: when it is accepted."""
    kind, value = contact
    found: Event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "https://crm.example/blackbox",
        "type": f"noli.{type_}.v1",
        "data": {"controller": CONTROLLER, "contact": {"kind": kind, "value": value}, **data},
    }
    return found if time_ is None else found | {"time": time_}


def consent(contact: Contact, channel: str, time_: str | None = None) -> Event:
    """A proven consent to marketing on one channel."""
    proof = {"ref": "form-7"}
    return event(
        "consent.given", contact, time_, purpose="marketing", channels=[channel], evidence=proof
    )


def objection(contact: Contact, time_: str | None = None, via: str = "web") -> Event:
    """An objection to everything that an objection covers."""
    return event("objection.raised", contact, time_, via=via)


@dataclass
class Dialer:
    """The PostgreSQL application: it joins `noli_suppression` as the howto tells."""

    dsn: str
    table: str = "noli_suppression"
    _connection: psycopg.Connection[Any] | None = field(default=None, repr=False)

    def allowed(self, contacts: Sequence[Contact], channel: str) -> list[bool]:
        """Whether it would use that channel for marketing, contact by contact."""
        rows = self._rows(
            f"SELECT {self.table}_allowed(value, %s) FROM unnest(%s::text[]) WITH ORDINALITY"
            " AS asked(value, n) ORDER BY n",
            channel, [value for _kind, value in contacts],
        )  # fmt: skip
        return [row[0] for row in rows]

    def rows_of(self, contact: Contact) -> int:
        """How many rows name that contact."""
        found = self._rows(f"SELECT count(*) FROM {self.table} WHERE contact = %s", contact[1])
        return int(found[0][0])

    def allowances(self, contacts: Sequence[Contact], purposes: Sequence[str]) -> int:
        """How many rows of those contacts still allow something for these purposes."""
        rows = self._rows(
            f"SELECT count(*) FROM {self.table} WHERE contact = ANY(%s) AND purpose = ANY(%s)"
            " AND allowed AND (until IS NULL OR until > now())",
            [value for _kind, value in contacts], list(purposes),
        )  # fmt: skip
        return int(rows[0][0])

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = psycopg.connect(self.dsn, autocommit=True)
        return self._connection.execute(sql.encode(), values).fetchall()


def until(done: Callable[[], bool], what: str, deadline_s: float = 30.0) -> float:
    """Look until `done()`; the seconds it took. For what has no notification."""
    start = time.monotonic()
    while not done():
        assert time.monotonic() - start < deadline_s, f"not within {deadline_s} s: {what}"
        threading.Event().wait(PAUSE_S)
    return time.monotonic() - start
