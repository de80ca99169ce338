"""The canaries of a whole stack: a webhook, a table, the lookup, and a prober that is killed."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import psycopg
import pytest

from noli.canary.probe import LOST_MS
from noli.cli.stack import plan
from noli.cli.stack.postgres import embedded_postgres
from noli.domain import canary
from noli.domain.channel import Kind, Purpose
from noli.runtime import scan
from noli.runtime.registry import codec
from noli.runtime.settings import Settings
from schemas.names import CANARIES
from tests.support import blackbox
from tests.support.bad_app import HANG, SECRET, BadApp, bad_app
from tests.support.blackbox import Client, Stack, consent, objection, until
from tests.support.world import manifest

pytestmark = pytest.mark.timeout(300)

#: Between two posts: quicker than by default, for the test's sake.
PERIOD_S: Final = 0.25
LOST_S: Final = LOST_MS / 1000
#: What a deployment of this size needs to come to itself, in seconds.
PATIENCE_S: Final = 60.0
_SAMPLE: Final = re.compile(r'noli_probe_(\w+?)(?:_total)?\{app="(\w+)"\} (\S+)')


class Counts(NamedTuple):
    """The counters of an application, as scraped."""

    sent: float
    confirmed: float
    lost: float
    late: float


@dataclass
class Aviary:
    """A stack with canaries, the application behind a webhook and the one with a table."""

    stack: Stack
    crm: BadApp
    dsn: str
    client: Client

    def scraped(self, app: str) -> Counts:
        """What a Prometheus would see of an application."""
        text = httpx2.get(plan.read(self.stack.data).url("canary") + "/metrics").text
        found = {name: float(value) for name, of, value in _SAMPLE.findall(text) if of == app}
        return Counts(*(found.get(name, 0.0) for name in Counts._fields))

    def soon(self, app: str, good: Callable[[Counts], bool], deadline_s: float) -> Counts:
        """The counters, once they are good."""
        found: list[Counts] = []

        def is_good() -> bool:
            try:
                found[:] = [self.scraped(app)]
            except httpx2.TransportError:
                return False  # it is being started again
            return good(found[0])

        until(is_good, f"good counts of {app}", deadline_s)
        return found[0]

    def flies(self, app: str, more: int = 8) -> Counts:
        """Wait until so many more canaries came home; the counters."""
        before = self.soon(app, lambda _: True, PATIENCE_S)
        return self.soon(app, lambda now: now.confirmed >= before.confirmed + more, PATIENCE_S)

    def restarted(self, process: str, old: int) -> bool:
        """Whether another one runs in place of the old."""
        return self.stack.pid(process) not in {None, old}

    def books(self) -> dict[str, Mapping[str, Any]]:
        """The newest record of each application in noli.canaries."""
        found = self.stack.endpoints()
        settings = Settings(kafka=found["kafka"], registry=found["registry"], instance="reader")
        reads = codec(settings)
        data = [reads.decode(stood.value)[1] for stood in scan.records(settings, {CANARIES: 0})]
        return {datum["app"]: datum for datum in data}


@contextmanager
def an_aviary(tmp: Path) -> Iterator[Aviary]:
    """The world of these tests."""
    with bad_app() as crm, embedded_postgres() as server:
        hook = {"url": crm.url, "secret": SECRET, "allow_private_addresses": True}
        manifest(tmp / "apps", "crm", "webhook", {**hook, "timeout_s": 2})
        table = {"dsn": server.dsn}
        manifest(tmp / "apps", "dialer", "postgres", table, reconcile={"recent_seconds": 1})
        blackbox.run("app", "check", "--fix", str(tmp / "apps" / "dialer.yaml"))
        with (
            blackbox.up(tmp / "data", tmp / "apps", canary_s=PERIOD_S) as stack,
            stack.client() as client,
        ):
            yield Aviary(stack, crm, server.dsn, client)


@pytest.fixture(scope="module")
def aviary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aviary]:
    """One stack for the tests of this file."""
    with an_aviary(tmp_path_factory.mktemp("canaries")) as found:
        yield found


def test_canaries_come_home_from_both_applications(aviary: Aviary) -> None:
    """Sent, confirmed by receipt and lookup, none lost; the book in the log says the same."""
    for app in ("crm", "dialer"):
        counts = aviary.flies(app, 20)
        assert counts.lost == 0
        assert counts.sent >= counts.confirmed
    books = aviary.books()
    assert books.keys() == {"crm", "dialer"}
    for book in books.values():
        assert book["sent"] == book["confirmed"] + len(book["flying"])
        assert 0 <= book["last_ms"] < LOST_MS
    held = {contact for contact in aviary.crm.contacts.values() if contact}
    assert held <= {bird.value for bird in canary.flock(Kind.PHONE, Purpose.MARKETING)}
    assert not aviary.crm.complaints


def test_no_customer_sees_them(aviary: Aviary) -> None:
    """The stream of changes tells of people only; a canary may be asked about like anybody."""
    found = aviary.stack.endpoints()
    key = {"Authorization": f"Bearer {found['api_key']}"}
    people = [("phone", f"+3933370000{n:02d}") for n in range(3)]
    seen: list[str] = []
    with httpx2.stream("GET", f"{found['lookup']}/v1/changes", headers=key, timeout=30) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("retry:")
        for person in people:
            aviary.flies("crm", 3)
            aviary.client.send(objection(person))
        for line in lines:
            if line.startswith("data: ") and (said := json.loads(line[6:])).get("contact"):
                seen.append(said["contact"]["value"])
                if len(seen) == len(people):
                    break
    assert seen == [value for _kind, value in people]
    ours = canary.flock(Kind.PHONE, Purpose.MARKETING)[0]
    assert {"allowed", "reasons"} <= aviary.client.ask(
        blackbox.query((ours.kind, ours.value), "sms")
    )[0].keys()


def test_nobody_else_speaks_for_them_but_to_object(aviary: Aviary) -> None:
    """A consent by another key is refused, an objection taken; the canaries go on."""
    ours = canary.flock(Kind.PHONE, Purpose.MARKETING)[0]
    contact = (ours.kind.value, ours.value)
    answer = aviary.client.insist("/v1/events", blackbox.body(consent(contact, "sms")))
    assert answer.status == 422
    assert answer.json()["errors"][0]["field"] == "data.contact.value"
    aviary.client.send(objection(contact))
    assert aviary.flies("crm").lost == 0


def test_an_application_that_hangs_loses_canaries_and_its_neighbour_none(aviary: Aviary) -> None:
    """Within 20 s and a little; once it answers again they come home again."""
    before = aviary.flies("crm")
    aviary.crm.always(HANG)
    lost = aviary.soon("crm", lambda now: now.lost >= before.lost + 4, LOST_S + 10)
    assert lost.confirmed <= before.confirmed + 4  # those that were under way
    assert aviary.books()["crm"]["missing"] == "receipt"
    aviary.crm.always(None)
    aviary.crm.released.set()
    aviary.flies("crm")
    assert aviary.scraped("dialer").lost == 0


def test_a_prober_that_is_killed_loses_nothing_and_counts_nothing_twice(aviary: Aviary) -> None:
    """Three times at full speed: the book goes on, and every post has one end at most."""
    for app in ("crm", "dialer"):
        aviary.flies(app)
    before = aviary.books()
    for _ in range(3):
        killed = aviary.stack.pid("canary")
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        until(partial(aviary.restarted, "canary", killed), "a new prober", PATIENCE_S)
        for app in before:
            aviary.flies(app)
    after = aviary.books()
    for app, book in before.items():
        assert after[app]["lost"] == book["lost"], app
        assert after[app]["confirmed"] > book["confirmed"] + 8
        ended = after[app]["confirmed"] + after[app]["lost"]
        assert after[app]["sent"] == ended + len(after[app]["flying"])


def test_a_paused_application_loses_none(aviary: Aviary) -> None:
    """It is told nothing and loses nothing, however long; there are no series of it then."""
    lost = aviary.books()["dialer"]["lost"]
    data = ("--data", str(aviary.stack.data))
    blackbox.run("app", "pause", "dialer", *data)
    aviary.flies("crm", int(LOST_S / PERIOD_S) + 8)
    text = httpx2.get(plan.read(aviary.stack.data).url("canary") + "/metrics").text
    assert "noli_probe_" in text
    assert 'app="dialer"' not in text
    blackbox.run("app", "resume", "dialer", *data)
    aviary.flies("dialer")
    assert aviary.books()["dialer"]["lost"] == lost


def test_an_application_that_lies_is_found_out(aviary: Aviary) -> None:
    """A table that takes stops and goes on allowing: confirmed, then read back, and lost."""
    before = aviary.flies("dialer")
    with psycopg.connect(aviary.dsn, autocommit=True) as table:
        table.execute(
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN NEW.allowed := true; RETURN NEW; END'"
        )
        table.execute(
            "CREATE TRIGGER keeps BEFORE UPDATE ON noli_suppression FOR EACH ROW "
            "EXECUTE FUNCTION keep()"
        )
        try:
            aviary.soon("dialer", lambda now: now.lost > before.lost, 30)
        finally:
            table.execute("DROP TRIGGER keeps ON noli_suppression")
    until(lambda: aviary.books()["dialer"]["missing"] == "read_back", "the record says why")
