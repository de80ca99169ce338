"""Tryton's mailing lists, on a real Tryton with its own REST interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from connectors.ledger import fenced
from connectors.protocol import Applied, Change, Contact, Result, Retry, Sink, Subject
from connectors.sinks.tryton import Tryton
from connectors.testing import MAILS, a_change, a_verdict
from noli.domain.channel import Kind
from noli.wire.apps import Verb
from tests.support.connector import Lab
from tests.support.decisions import row
from tests.support.life import living
from tests.support.stack import Stack
from tests.support.tryton import Office

ANNA = Contact(Kind.EMAIL, "Anna.Rossi@example.it")
RED = (*MAILS[:2], "red")


def told(*, allowed: bool, version: int = 1) -> Change:
    """Whether Anna may be written to."""
    return a_change("01" + "a" * 32, version, a_verdict(MAILS, allowed=allowed), contact=ANNA)


async def apply(config: Tryton.Config, *changes: Change) -> Sequence[Result]:
    """Apply and close."""
    sink = Tryton(config, "office")
    try:
        return await sink.apply(changes)
    finally:
        await sink.aclose()


async def problems(config: Tryton.Config) -> list[str]:
    """What `check` finds."""
    sink = Tryton(config, "office")
    try:
        return [problem.what for problem in await sink.check()]
    finally:
        await sink.aclose()


async def test_a_denied_address_is_made_inactive_and_only_ours_comes_back(tryton: Office) -> None:
    """Lower case as Tryton keeps it; a row that somebody there made inactive stays so."""
    news = tryton.new_list()
    tryton.subscribe(news, ANNA.value)
    config = tryton.config(news)
    assert await apply(config, told(allowed=False)) == [Applied()]
    assert tryton.active(news, "anna.rossi@example.it") is False
    await apply(config, told(allowed=True, version=2))
    assert tryton.active(news, "anna.rossi@example.it") is True
    tryton.turn(news, "anna.rossi@example.it", active=False)
    await apply(config, told(allowed=True, version=3))
    assert tryton.active(news, "anna.rossi@example.it") is False


async def test_nobody_is_put_on_a_list(tryton: Office) -> None:
    """An address that is on none is left alone, and read back as denied: nobody writes to it."""
    news = tryton.new_list()
    sink = Tryton(tryton.config(news), "office")
    assert list(await sink.apply([told(allowed=False)])) == [Applied()]
    assert list(await sink.apply([told(allowed=True)])) == [Applied()]
    assert (await sink.read_back([Subject("t", ANNA)]))["t"].allowed == {MAILS: False}
    await sink.aclose()
    assert tryton.active(news, "anna.rossi@example.it") is None


async def test_a_list_of_a_brand_hears_of_its_brand_only(tryton: Office) -> None:
    """The list of all brands is rounded to denial, which the receipt says; another's row stays."""
    every, red = tryton.new_list(), tryton.new_list()
    for one in (every, red):
        tryton.subscribe(one, ANNA.value)
    config = tryton.config(every, lists={every: "*", red: "red"})
    said = (a_verdict(MAILS), a_verdict(RED, allowed=True))
    change = a_change(None, 1, *said, contact=ANNA)
    assert await apply(config, change) == [Applied("rounded_to_address")]
    sink = Tryton(config, "office")
    held = await sink.read_back([Subject("t", ANNA)])
    await sink.aclose()
    assert held["t"].allowed == {MAILS: False, RED: True}


async def test_check_names_the_user_and_the_list(tryton: Office) -> None:
    """A key of somebody else, a list that is not there, a wrong key, another database."""
    news = tryton.new_list()
    assert await problems(tryton.config(news)) == []
    assert await problems(tryton.config(news, user="admin")) == [
        "config.user: the key is somebody else's"
    ]
    assert await problems(tryton.config(news, lists={news: "*", 9999: "red"})) == [
        "config.lists: there is no list 9999"
    ]
    assert await problems(tryton.config(news, key="wrong")) == ["config.url: http_401"]
    elsewhere = tryton.url.replace("/noli", "/nowhere")
    assert await problems(tryton.config(news, url=elsewhere)) == ["config.url: http_404"]


def test_a_key_that_cannot_be_sent_is_not_quoted(tryton: Office) -> None:
    """A line end in it, as a file has one: the field is named, not the key."""
    with pytest.raises(ValueError, match="is no key") as caught:
        tryton.config(1, key="hunter2-and-more\n")
    assert "hunter2" not in str(caught.value)


async def test_a_user_without_the_right_is_found_out(tryton: Office) -> None:
    """`check` proves the right to change addresses without changing one; a change is a `Retry`."""
    news = tryton.new_list()
    tryton.subscribe(news, ANNA.value)
    (ours,) = tryton.ask("res.user", "search", [("login", "=", "noli")])
    groups = tryton.ask("res.group", "search", [("name", "=", "Marketing")])
    tryton.ask("res.user", "write", [ours], {"groups": [("remove", groups)]})
    try:
        found = await problems(tryton.config(news))
        with pytest.raises(Retry):
            await apply(tryton.config(news), told(allowed=False))
    finally:
        tryton.ask("res.user", "write", [ours], {"groups": [("add", groups)]})
    assert found == ["config.user: may not change addresses"]


async def test_who_is_put_back_on_a_list_there_is_found_and_taken_off(
    tryton: Office, stack: Stack, tmp_path: Path
) -> None:
    """Through the log, with the ledger: applied, changed behind our back, read back, repaired."""
    news, lab = tryton.new_list(), Lab(stack)
    tryton.subscribe(news, ANNA.value)
    address = "anna.rossi@example.it"
    denied = [row(channels=["email"], reasons=["OBJECTED"])]

    def make() -> Sink:
        return fenced(Tryton(tryton.config(news), "office"), tmp_path / "ledger.sqlite")

    async with living(lab, make, tmp_path) as life:
        contact = {"kind": "email", "value": ANNA.value}
        lab.desk.claim(1).decide(1, 1, contact=contact, rows=denied).send()
        await lab.changes(1)
        assert tryton.active(news, address) is False
        tryton.turn(news, address, active=True)
        seen = await life.finished(await life.ask(Verb.VERIFY))
        assert tryton.active(news, address) is True
        mended = await life.finished(await life.ask(Verb.REPAIR))
    assert tryton.active(news, address) is False
    assert seen.drift() == mended.drift() == {"allowed": 1}
