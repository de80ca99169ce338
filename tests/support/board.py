"""A board without its broker: records as the log would hold them, and a client of the service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx2

from noli.board.access import Door
from noli.board.archive import Found, Looking
from noli.board.asked import Asked
from noli.board.hub import Hub
from noli.board.known import OVERALL, Known
from noli.board.news import read
from noli.board.service import Parts, application
from noli.domain.contact import Contact
from noli.evidence.history import History
from noli.runtime import apikeys
from noli.runtime.apikeys import Keyring
from noli.runtime.part import Record
from noli.wire import apps
from noli.wire.apps import Face, Verb
from schemas.codec import RECORDS, Codec
from schemas.names import ALIGNMENT, APPS, CAMPAIGNS, CANARIES, QUARANTINE
from tests.support.neutral import neutral

CODEC: Final = Codec({name: number for number, name in enumerate(RECORDS, 1)})
#: Saturday 2026-11-28 14:03:24 UTC, in milliseconds since the epoch.
NOW: Final = 1_795_874_604_000
FACE: Final = Face("webhook", ("acme",), ("email", "sms"), ("marketing",), third_party=False)

Datum = dict[str, Any]


def alignment(app: str, at: int = NOW, **over: Any) -> Datum:  # noqa: ANN401 - fields of the record
    """`noli.Alignment`: aligned as of two seconds before `at`, nothing pending, but for `over`."""
    point = {"partition": 0, "frontier": 7, "as_of": at - 2_000}
    told = {"as_of": at - 2_000, "points": [point], "reported_at": at - 500}
    return neutral("noli.Alignment", app=app, at=at, watcher="watch-0", **{**told, **over})


def held(why: str, since: int | None = None, count: int = 1, detail: str | None = None) -> Datum:
    """A `Hold`."""
    return {"why": why, "since": since, "count": count, "detail": detail}


def attempt(outcome: str = "applied", at: int = NOW - 1_000, **over: Any) -> Datum:  # noqa: ANN401
    """An `Attempt` of 12 contacts that took 34 ms."""
    return {"at": at, "contacts": 12, "outcome": outcome, "reason": None, "ms": 34, **over}


def wrong(outcome: str = "drifted") -> Datum:
    """A `Wrong`."""
    return {
        "partition": 3, "token": b"\x01" + bytes(16), "version": 5, "accepted": NOW - 60_000,
        "outcome": outcome, "reason": "allowed",
    }  # fmt: skip


def canary(app: str, **over: Any) -> Datum:  # noqa: ANN401 - as above
    """`noli.Canary`: arrived a second before `NOW`, in 180 ms."""
    told = {
        "at": NOW,
        "phase": "objected",
        "sent": 40,
        "confirmed": 40,
        "last_ok": NOW - 1_000,
        "last_ms": 180,
    }
    return neutral("noli.Canary", app=app, **{**told, **over})


def campaign(name: str, **over: Any) -> Datum:  # noqa: ANN401 - as above
    """`noli.Campaign` of acme: one silent call beside 99 that went well."""
    told = {"attended": 99, "silent": 1, "holds_due": 1, "holds_confirmed": 1}
    return neutral("noli.Campaign", controller="acme", campaign=name, at=NOW, **{**told, **over})


class Log:
    """Topics in memory, each of one partition."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(self, topic: str, key: str, value: bytes | None, at: int = NOW) -> Record:
        """One more record."""
        offset = sum(record.topic == topic for record in self.records)
        record = Record(topic, 0, offset, key.encode(), value, at)
        self.records.append(record)
        return record

    def act(self, app: str, verb: Verb = Verb.ADDED, *, at: int = NOW - 3_600_000) -> Record:
        """Something is done to an application."""
        datum = apps.action(app, verb, action_id="1", at=at, by="anna@desk", face=FACE)
        return self.append(APPS, app, CODEC.encode("noli.AppAction", datum), at)

    def align(self, datum: Datum) -> Record:
        """The watcher says how far an application is."""
        value = CODEC.encode("noli.Alignment", datum)
        return self.append(ALIGNMENT, datum["app"], value, datum["at"])

    def probe(self, datum: Datum) -> Record:
        """The canary of an application."""
        return self.append(CANARIES, datum["app"], CODEC.encode("noli.Canary", datum))

    def count(self, datum: Datum) -> Record:
        """The calls of a campaign."""
        key = f"{datum['controller']}\x1f{datum['campaign']}"
        return self.append(CAMPAIGNS, key, CODEC.encode("noli.Campaign", datum))

    def quarantine(self, at: int = NOW - 90_000) -> Record:
        """A record that nobody can read, of a contact."""
        contact = ("noli.Contact", {"kind": "phone", "value": "+393331234567"})
        datum = neutral(
            "noli.Quarantine", topic="noli.grants", reason="unreadable", at=at, contact=contact,
            value=b"+393331234567",
        )  # fmt: skip
        return self.append(QUARANTINE, "", CODEC.encode("noli.Quarantine", datum), at)

    def resolve(self, offset: int) -> Record:
        """Somebody dealt with it."""
        datum = neutral("noli.QuarantineResolved", offset=offset, at=NOW, by="anna@desk")
        return self.append(QUARANTINE, "", CODEC.encode("noli.QuarantineResolved", datum))


def known(log: Log) -> Known:
    """What is known of a log that was read whole."""
    found = Known()
    found.take(read(log.records, CODEC, 0))
    return found


def two(now: int = NOW) -> Log:
    """Two applications, `crm` and `dialer`, aligned as of two seconds before `now`."""
    log = Log()
    for app in ("crm", "dialer"):
        log.act(app)
        log.align(alignment(app, now))
    log.align(alignment(OVERALL, now))
    return log


class Empty:
    """An archive that must not be asked."""

    def look(self, _question: Asked, _now: int) -> Found:
        """Nothing."""
        raise AssertionError("the log is not there")

    def facts(self, _controller: str, _contact: Contact) -> History:
        """Nothing."""
        raise AssertionError("the log is not there")


class Service:
    """The whole application over a log, with one API key per scope."""

    def __init__(
        self,
        folder: Path,
        log: Log,
        *,
        open_: bool = False,
        host: str = "board.test",
        archive: Looking | None = None,
    ) -> None:
        pairs = {scope: apikeys.new(f"for {scope}", [scope]) for scope in apikeys.SCOPES}
        self.keys: Mapping[str, str] = {scope: key for scope, (key, _) in pairs.items()}
        self.lines = {scope: line for scope, (_, line) in pairs.items()}
        self.key_file = folder / "keys.json"
        apikeys.write(self.key_file, self.lines.values())
        self.known = known(log)
        self.hub = Hub(self.known)
        self.ready: tuple[bool, dict[str, object]] = (True, {})
        self.door = Door(Keyring(self.key_file), open_=open_)
        self.app = application(
            Parts(self.known, self.hub, self.door, lambda: self.ready, archive or Empty())
        )
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.app), base_url=f"https://{host}"
        )

    def bearer(self, scope: str = "evidence:read") -> dict[str, str]:
        """The header of a key with that scope."""
        return {"Authorization": f"Bearer {self.keys[scope]}"}
