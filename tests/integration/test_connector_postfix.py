"""Mail through a real Postfix, and the table behind its marketing port."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from connectors.protocol import Applied, Change, Contact, Reject, Result, Subject
from connectors.sinks.postfix import Postfix
from connectors.testing import MAILS, a_change, a_verdict, new_token
from noli.domain.channel import Kind
from tests.support.postfix import MailServer, mail_server

DELIVERED, REFUSED, DEFERRED = 250, 554, 451


@pytest.fixture
def own_server() -> Iterator[MailServer]:
    """A Postfix for a test that breaks it."""
    with mail_server() as found:
        yield found


def address(value: str) -> Contact:
    """An address, normalised."""
    return Contact(Kind.EMAIL, value)


async def apply(server: MailServer, *changes: Change, **over: Any) -> Sequence[Result]:  # noqa: ANN401
    """What a sink of the table answers."""
    return await Postfix(server.config(**over), "mail").apply(changes)


def allowed(value: str, token: str | None = None, version: int = 1) -> Change:
    """Marketing mail to the address is allowed."""
    return a_change(token, version, a_verdict(MAILS, allowed=True), contact=address(value))


@pytest.mark.rule("OBJECT")
async def test_marketing_is_delivered_until_the_recipient_objects(
    postfix_server: MailServer,
) -> None:
    """In the mailbox, then refused at RCPT TO; other mail is delivered before and after."""
    who, token = "anna@example.it", new_token()
    assert postfix_server.deliver(who) == REFUSED
    assert await apply(postfix_server, allowed(who, token)) == [Applied()]
    assert postfix_server.deliver(who) == DELIVERED
    objected = a_change(token, 2, a_verdict(MAILS), contact=address(who))
    assert await apply(postfix_server, objected) == [Applied()]
    assert postfix_server.deliver(who) == REFUSED
    assert postfix_server.deliver(who, marketing=False) == DELIVERED


async def test_only_that_address_is_opened(postfix_server: MailServer) -> None:
    """In any case of letters; no address beside it, not one with an extension either."""
    await apply(postfix_server, allowed("bruno@example.it"))
    open_ones = ("bruno@example.it", "Bruno@Example.IT")
    shut_ones = ("bruno+shop@example.it", "runo@example.it", "bruno@mail.example.it", "bruno@b.it")
    assert [postfix_server.rcpt(who) for who in open_ones] == [DELIVERED] * 2
    assert [postfix_server.rcpt(who) for who in shut_ones] == [REFUSED] * 4


async def test_an_allowance_that_ended_is_none(postfix_server: MailServer) -> None:
    """The table knows no time: what has ended goes out of it."""
    token, who = new_token(), "carla@example.it"
    await apply(postfix_server, allowed(who, token))
    ended = a_change(token, 2, a_verdict(MAILS, allowed=True, until=1), contact=address(who))
    assert await apply(postfix_server, ended) == [Applied()]
    assert postfix_server.rcpt(who) == REFUSED


async def test_a_denial_in_the_same_batch_wins(postfix_server: MailServer) -> None:
    """One address under two tokens: one denial is enough, whichever comes first."""
    who = "dora@example.it"
    denied = a_change(None, 1, a_verdict(MAILS), contact=address(who))
    for batch in ((denied, allowed(who)), (allowed(who), denied)):
        await apply(postfix_server, *batch)
        assert postfix_server.rcpt(who) == REFUSED


async def test_one_that_a_table_cannot_hold_holds_no_other_back(
    postfix_server: MailServer,
) -> None:
    """What would be a comment or two lines is refused alone, and stays refused."""
    comment, lines, good = (
        allowed("#e@example.it"),
        allowed("e@example.it OK\nf@example.it"),
        allowed("g@example.it"),
    )
    first, second, third = await apply(postfix_server, comment, lines, good)
    assert isinstance(first, Reject)
    assert isinstance(second, Reject)
    assert third == Applied()
    shut_ones = ("#e@example.it", "e@example.it", "f@example.it")
    assert [postfix_server.rcpt(who) for who in shut_ones] == [REFUSED] * 3


async def test_without_the_table_mail_is_deferred(own_server: MailServer) -> None:
    """451, so it waits; --fix and a reload let it be refused, and a change be seen."""
    own_server.table.with_name("noli.lmdb").unlink()
    assert own_server.rcpt("anna@example.it") == DEFERRED
    assert own_server.rcpt("anna@example.it", marketing=False) == DELIVERED
    target = Postfix(own_server.config(), "mail")
    (problem,) = await target.check()
    assert (problem.what, problem.fixable) == ("config.table: map_missing", True)
    assert await target.fix() == ["was mended: config.table: map_missing"]
    own_server.postfix("reload")
    assert await target.check() == []
    made = own_server.table.with_name("noli.lmdb").stat()
    assert stat.S_IMODE(made.st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert own_server.rcpt("anna@example.it") == REFUSED
    await target.apply([allowed("anna@example.it")])
    assert own_server.rcpt("anna@example.it") == DELIVERED


async def test_an_address_that_an_administrator_opened_is_read_back(
    postfix_server: MailServer,
) -> None:
    """What Postfix permits is what is held."""
    change = a_change(None, 1, a_verdict(MAILS), contact=address("hugo@example.it"))
    await apply(postfix_server, change)
    postfix_server.postmap("-i", "-r", said="hugo@example.it OK\n")
    target = Postfix(postfix_server.config(), "mail")
    held = await target.read_back([Subject(change.token, change.contact)])
    assert held[change.token].allowed == {MAILS: True}


async def test_check_names_what_makes_postfix_overlook_the_table(
    postfix_server: MailServer, tmp_path: Path
) -> None:
    """No restriction asks it; or one does, that takes `a+x@` for `a@`."""
    settings = Path(postfix_server.root / "etc")
    for name, drop in (("deaf", "smtpd_recipient_restrictions"), ("loose", "-o recipient_delim")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.cf").write_text((settings / "main.cf").read_text())
        lines = (settings / "master.cf").read_text().splitlines(keepends=True)
        kept = [line for line in lines if drop not in line]
        (tmp_path / name / "master.cf").write_text("".join(kept))
    said = {
        name: await Postfix(postfix_server.config(config_dir=tmp_path / name), "mail").check()
        for name in ("deaf", "loose")
    }
    assert [problem.what for problem in said["deaf"]] == ["config.table: no restriction asks it"]
    (loose,) = said["loose"]
    assert "recipient_delimiter" in loose.what


async def test_check_knows_a_machine_without_postfix(
    postfix_server: MailServer, tmp_path: Path
) -> None:
    """And says where the connector has to run."""
    (problem,) = await Postfix(postfix_server.config(commands=tmp_path), "mail").check()
    assert problem.what == "config.table: no_postfix_here"


def test_a_table_is_named_as_main_cf_does() -> None:
    """A path with .lmdb, or a relative one, would be another table."""
    for path in ("noli", "/etc/postfix/noli.lmdb"):
        with pytest.raises(ValueError, match="absolute path without"):
            Postfix.Config.model_validate({"table": path})
