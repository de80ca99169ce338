"""An application that misbehaves in every way we know, told over a real log by the real runner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from connectors.protocol import Held
from connectors.sinks.webhook import Webhook
from noli.wire.apps import Verb
from tests.support.bad_app import (
    APPLIED_BUT_ANSWER_LOST,
    DRIPS,
    HANG,
    LIES,
    SECRET,
    BadApp,
    bad_app,
    failing,
)
from tests.support.connector import Lab
from tests.support.decisions import rows, token
from tests.support.life import Life, living
from tests.support.stack import Stack

CALL = "operator_call"
CALLS = (CALL, "marketing", "*")
#: A request is given up after this long, in seconds: a hang of 30 s, shortened.
TIMEOUT_S = 0.5


@pytest.fixture
def lab(stack: Stack) -> Lab:
    """A lab with one partition."""
    return Lab(stack)


@pytest.fixture
def app() -> Iterator[BadApp]:
    """An application on a loopback port."""
    with bad_app() as found:
        yield found


def webhook(app: BadApp) -> Webhook:
    """A sink of it."""
    config = {"url": app.url, "secret": SECRET, "timeout_s": TIMEOUT_S}
    config["allow_private_addresses"] = True
    return Webhook(Webhook.Config.model_validate(config), "crm")


@asynccontextmanager
async def told(lab: Lab, app: BadApp, scratch: Path) -> AsyncIterator[Life]:
    """The application, told by a running connector, with its orders."""
    async with living(lab, lambda: webhook(app), scratch) as life:
        yield life


async def has(app: BadApp, wanted: dict[int, tuple[int, bool]]) -> None:
    """Wait until it holds, by contact, that version and that answer for calls."""
    want = {token(number).hex(): Held(v, {CALLS: yes}) for number, (v, yes) in wanted.items()}

    def good(one: BadApp) -> bool:
        held = {name: Held(h.version, {CALLS: h.allowed[CALLS]}) for name, h in one.held.items()}
        return held == want

    await asyncio.to_thread(app.wait_for, good)


async def test_whatever_it_does_it_ends_with_the_newest(lab: Lab, app: BadApp) -> None:
    """429, a hang, a lost answer, one that drips: each contact arrives, in order, newest last."""
    app.script(failing(429, Retry_After="0"), HANG, APPLIED_BUT_ANSWER_LOST, DRIPS)
    lab.desk.claim(1).decide(1, 1, rows=rows([CALL])).decide(2, 1, rows=rows()).send()
    sink = webhook(app)
    async with lab.runner(sink, channels=[CALL]):
        await asyncio.to_thread(app.wait_for, lambda one: len(one.received) >= 3)
        lab.desk.decide(1, 2, rows=rows()).decide(3, 1, rows=rows()).send()
        receipts = await lab.changes(4)
        await has(app, {1: (2, False), 2: (1, False), 3: (1, False)})
    await sink.aclose()
    assert {(r["token"], r["version"]): r["outcome"] for r in receipts}[(token(1), 2)] == "applied"
    seen = [c["version"] for r in app.received for c in r.body["changes"]
            if c["token"] == token(1).hex()]  # fmt: skip
    assert (seen, app.complaints) == (sorted(seen), [])


async def test_who_confirms_and_does_nothing_is_made_whole_by_a_backfill(
    lab: Lab, app: BadApp, tmp_path: Path
) -> None:
    """A webhook cannot be read back, so its lie is believed; telling it everything again helps."""
    app.script(LIES)
    async with told(lab, app, tmp_path) as life:
        lab.desk.claim(1).decide(1, 1, rows=rows()).send()
        assert [change["outcome"] for change in await lab.changes(1)] == ["applied"]
        assert app.held == {}
        await life.finished(await life.ask(Verb.BACKFILL))
        await has(app, {1: (1, False)})


async def test_an_application_restored_from_a_backup_is_made_whole_by_a_backfill(
    lab: Lab, app: BadApp, tmp_path: Path
) -> None:
    """The objections since then are told again; it never goes back to the grant before them."""
    async with told(lab, app, tmp_path) as life:
        lab.desk.claim(1).decide(1, 1, rows=rows([CALL])).decide(2, 1, rows=rows()).send()
        await has(app, {1: (1, True), 2: (1, False)})
        yesterday = app.backup()
        lab.desk.decide(1, 2, rows=rows()).decide(3, 1, rows=rows()).send()
        await has(app, {1: (2, False), 2: (1, False), 3: (1, False)})
        app.rewind(yesterday)
        await life.finished(await life.ask(Verb.BACKFILL))
        await has(app, {1: (2, False), 2: (1, False), 3: (1, False)})
    sent = [(c["version"], c["verdicts"][0]["allowed"]) for r in app.received
            for c in r.body["changes"] if c["token"] == token(1).hex()]  # fmt: skip
    assert [version for version, _ in sent] == sorted(version for version, _ in sent)
