"""Mailman's rosters and bans, on a real Mailman core."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from connectors.protocol import Applied, Change, Contact, Reject, Result, Retry, Subject
from connectors.sinks.mailman import KEPT, Mailman
from connectors.testing import MAILS, a_change, a_verdict
from noli.domain.channel import Kind
from tests.support.mailman import Post

ANNA = "anna.rossi+news@example.it"
RED = (*MAILS[:2], "red")


def told(*, allowed: bool, address: str = ANNA) -> Change:
    """Whether somebody may be written to."""
    contact = Contact(Kind.EMAIL, address)
    return a_change(None, 1, a_verdict(MAILS, allowed=allowed), contact=contact)


async def apply(config: Mailman.Config, *changes: Change) -> Sequence[Result]:
    """Make the lists of marks, apply and close."""
    sink = Mailman(config, "post")
    try:
        await sink.fix()
        return await sink.apply(changes)
    finally:
        await sink.aclose()


async def test_a_denied_member_leaves_and_cannot_come_back(mailman: Post) -> None:
    """Off the roster, and not even an owner can subscribe the address; a later yes lets it."""
    news = mailman.new_list()
    assert mailman.subscribe(news, ANNA) == 201
    assert await apply(mailman.config(news), told(allowed=False)) == [Applied()]
    assert not mailman.is_on(news, ANNA)
    assert mailman.subscribe(news, ANNA) == 400
    assert await apply(mailman.config(news), told(allowed=True)) == [Applied()]
    assert not mailman.is_on(news, ANNA)
    assert mailman.subscribe(news, ANNA) == 201


async def test_a_ban_of_somebody_else_is_never_lifted(mailman: Post) -> None:
    """Set before ours, or for the whole site: it stays, and the receipt says so."""
    news = mailman.new_list()
    mailman.ban(news, ANNA)
    assert await apply(mailman.config(news), told(allowed=False)) == [Applied()]
    assert await apply(mailman.config(news), told(allowed=True)) == [Applied(KEPT)]
    assert mailman.is_banned(news, ANNA)
    other = "other@example.it"
    await apply(mailman.config(news), told(allowed=False, address=other))
    assert mailman.ask("POST", "/bans", {"email": other}) == 201
    assert await apply(mailman.config(news), told(allowed=True, address=other)) == [Applied(KEPT)]
    assert mailman.ask("DELETE", f"/bans/{other}") == 204
    assert await apply(mailman.config(news), told(allowed=True, address=other)) == [Applied()]


async def test_a_crash_between_the_mark_and_the_ban_is_mended(mailman: Post) -> None:
    """The mark alone bans nobody; the repetition sets the ban, which is ours to lift."""
    news = mailman.new_list()
    config = mailman.config(news)
    await apply(config)
    local, _, host = news.partition("@")
    mailman.ban(f"{local}-noli@{host}", ANNA)
    await apply(config, told(allowed=False))
    assert mailman.is_banned(news, ANNA)
    await apply(config, told(allowed=True))
    assert not mailman.is_banned(news, ANNA)


async def test_a_list_of_a_brand_hears_of_its_brand_only(mailman: Post) -> None:
    """The list of all brands is rounded to denial, which the receipt says."""
    every, red = mailman.new_list(), mailman.new_list()
    config = mailman.config(every, lists={every: "*", red: "red"})
    said = (a_verdict(MAILS), a_verdict(RED, allowed=True))
    contact = Contact(Kind.EMAIL, ANNA)
    change = a_change(None, 1, *said, contact=contact)
    assert await apply(config, change) == [Applied("rounded_to_address")]
    sink = Mailman(config, "post")
    held = await sink.read_back([Subject("t", contact)])
    await sink.aclose()
    assert held["t"].allowed == {MAILS: False, RED: True}


async def test_an_address_it_cannot_name_is_refused_alone(mailman: Post) -> None:
    """A slash, a space, or no address at all: `Reject`; the others are banned."""
    news = mailman.new_list()
    bad = [told(allowed=False, address=each) for each in ("a/b@example.it", "a b@example.it")]
    results = await apply(mailman.config(news), *bad, told(allowed=False))
    assert [type(result) for result in results] == [Reject, Reject, Applied]
    assert mailman.is_banned(news, ANNA)


async def test_check_names_the_list_and_the_password(mailman: Post) -> None:
    """A list that is not there, marks that --fix makes, a wrong password; nothing is written."""
    news = mailman.new_list()
    sink = Mailman(mailman.config(news, lists={news: "*", "gone@example.it": "red"}), "post")
    local, _, host = news.partition("@")
    missing = f"list {local}-noli@{host}, which marks our bans, is missing"
    found = [(problem.what, problem.fixable) for problem in await sink.check()]
    gone = ("config.lists: there is no list gone@example.it", False)
    assert found == [(missing, True), gone]
    assert await sink.fix() == [f"was mended: {missing}"]
    assert [(problem.what, problem.fixable) for problem in await sink.check()] == [gone]
    await sink.aclose()
    stranger = Mailman(mailman.config(news, password="not-the-one"), "post")
    assert [problem.what for problem in await stranger.check()] == ["config.url: http_401"]
    with pytest.raises(Retry, match="http_401"):
        await stranger.apply([told(allowed=False)])
    await stranger.aclose()
