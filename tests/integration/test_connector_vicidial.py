"""VICIdial's lists and hopper, as its dialer sees them, on a real MariaDB with MyISAM tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from connectors.protocol import Applied, Change, Contact, Reject, Result, Subject, Verdict
from connectors.sinks.vicidial import Vicidial
from connectors.testing import CALLS, TEXTS, a_change, a_verdict, new_token
from noli.domain.channel import Kind
from tests.support.vicidial import Dialer, dialer

NUMBER = "3331234567"
RED = (*CALLS[:2], "red")
SYSTEM = "-SYSINT-"


class Vici:
    """A VICIdial's tables and sinks of them."""

    def __init__(self, tables: Dialer) -> None:
        self.ask = tables.ask
        self.url = tables.url

    def sink(self, **over: Any) -> Vicidial:  # noqa: ANN401 - fields of Config
        """A sink of the tables."""
        config = {"url": self.url, "timeout_s": 5, **over}
        return Vicidial(Vicidial.Config.model_validate(config), "dialer")

    async def apply(self, *changes: Change, **over: Any) -> Sequence[Result]:  # noqa: ANN401
        """Make the ledger, apply and close."""
        sink = self.sink(**over)
        try:
            await sink.fix()
            return await sink.apply(changes)
        finally:
            await sink.aclose()

    def system(self) -> list[str]:
        """Numbers on the system list."""
        return [number for (number,) in self.ask("SELECT phone_number FROM vicidial_dnc")]

    def campaign(self) -> list[tuple[Any, ...]]:
        """Rows of the campaigns' list."""
        return self.ask("SELECT phone_number, campaign_id FROM vicidial_campaign_dnc")

    def load(self, column: str, number: str, status: str = "READY") -> None:
        """A lead with that number, in the hopper."""
        self.ask(f"INSERT INTO vicidial_list (phone_code, {column}) VALUES ('39', %s)", number)
        self.ask(
            "INSERT INTO vicidial_hopper (lead_id, campaign_id, status)"
            " VALUES (LAST_INSERT_ID(), 'RED', %s)",
            status,
        )


@pytest.fixture
def vici(mariadb_url: str) -> Iterator[Vici]:
    """Empty tables, and the campaign RED."""
    with dialer(mariadb_url) as tables:
        yield Vici(tables)


async def test_a_denied_number_is_listed_logged_and_unloaded(vici: Vici) -> None:
    """National, without its code; out of the hopper by each column, but not out of a call."""
    for column in ("phone_number", "alt_phone", "address3"):
        vici.load(column, NUMBER)
    vici.load("phone_number", NUMBER, "INCALL")
    vici.load("phone_number", "0612345678")
    assert await vici.apply(a_change(None, 1, a_verdict())) == [Applied()]
    assert vici.system() == [NUMBER]
    log = vici.ask("SELECT phone_number, campaign_id, action, user FROM vicidial_dnc_log")
    assert log == [(NUMBER, SYSTEM, "add", "NOLI")]
    left = vici.ask("SELECT status FROM vicidial_hopper ORDER BY hopper_id")
    assert left == [("INCALL",), ("READY",)]


async def test_a_number_loaded_after_it_was_listed_is_found_and_unloaded(vici: Vici) -> None:
    """A hopper run that had looked before: read back as allowed, and the same change mends it."""
    token, red = new_token(), {"RED": "red"}
    change = a_change(token, 1, a_verdict(allowed=True), a_verdict(RED))
    await vici.apply(change, campaigns=red)
    await vici.apply(
        other := a_change(None, 1, a_verdict(), contact=Contact(Kind.PHONE, "+390612345678"))
    )
    sink = vici.sink(campaigns=red)
    try:
        for number in (NUMBER, "0612345678"):
            vici.load("alt_phone", number)
        subjects = [Subject(each.token, each.contact) for each in (change, other)]
        held = await sink.read_back(subjects)
        assert (held[token].allowed[RED], held[other.token].allowed[CALLS]) == (True, True)
        await sink.apply([change, other])
        held = await sink.read_back(subjects)
        assert (held[token].allowed[RED], held[other.token].allowed[CALLS]) == (False, False)
    finally:
        await sink.aclose()
    assert vici.ask("SELECT COUNT(*) FROM vicidial_hopper") == [(0,)]


async def test_an_allowance_takes_off_only_our_row(vici: Vici) -> None:
    """A number that somebody else listed, before or after us, stays listed."""
    token = new_token()
    await vici.apply(a_change(token, 1, a_verdict()))
    await vici.apply(a_change(token, 2, a_verdict(allowed=True)))
    assert vici.system() == []
    vici.ask("INSERT INTO vicidial_dnc VALUES (%s)", NUMBER)
    await vici.apply(a_change(token, 3, a_verdict()))
    await vici.apply(a_change(token, 4, a_verdict(allowed=True)))
    assert vici.system() == [NUMBER]
    vici.ask("DELETE FROM vicidial_dnc")
    await vici.apply(a_change(token, 5, a_verdict()))
    vici.ask("INSERT INTO vicidial_dnc_log VALUES (%s, %s, 'add', NOW(), '6666')", NUMBER, SYSTEM)
    await vici.apply(a_change(token, 6, a_verdict(allowed=True)))
    assert vici.system() == [NUMBER]


async def test_a_stale_allowance_takes_nobody_off(vici: Vici) -> None:
    """The version in the ledger keeps a late writer out."""
    token = new_token()
    await vici.apply(a_change(token, 2, a_verdict()))
    await vici.apply(a_change(token, 1, a_verdict(allowed=True)))
    assert vici.system() == [NUMBER]


async def test_a_number_of_two_tokens_needs_both(vici: Vici) -> None:
    """One denial is enough, whichever came last, in one batch too."""
    first, second = new_token(), new_token()
    yes, no = a_verdict(allowed=True), a_verdict()
    await vici.apply(a_change(first, 1, no), a_change(second, 1, yes))
    assert vici.system() == [NUMBER]
    await vici.apply(a_change(second, 2, yes))
    assert vici.system() == [NUMBER]
    await vici.apply(a_change(first, 2, yes))
    assert vici.system() == []


async def test_a_campaign_of_a_brand_has_its_own_list(vici: Vici) -> None:
    """A denied brand is listed for its campaign; a denied `*` for all, which is told."""
    token, red = new_token(), {"RED": "red"}
    change = a_change(token, 1, a_verdict(allowed=True), a_verdict(RED))
    assert await vici.apply(change, campaigns=red) == [Applied()]
    assert (vici.system(), vici.campaign()) == ([], [(NUMBER, "RED")])
    sink = vici.sink(campaigns=red)
    held = await sink.read_back([Subject(token, change.contact)])
    await sink.aclose()
    assert held[token].allowed == {CALLS: True, RED: False}
    coarse = a_change(token, 2, a_verdict(), a_verdict(RED, allowed=True))
    assert await vici.apply(coarse, campaigns=red) == [Applied("rounded_to_number")]
    assert (vici.system(), vici.campaign()) == ([NUMBER], [])


async def test_what_it_cannot_express_is_denied(vici: Vici) -> None:
    """Nothing said of calls, or an allowance that ended, is a denial; a landline keeps its zero."""
    await vici.apply(a_change(None, 1, a_verdict(TEXTS, allowed=True)))
    assert vici.system() == [NUMBER]
    landline = Contact(Kind.PHONE, "+390612345678")
    await vici.apply(a_change(None, 1, a_verdict(allowed=True, until=1), contact=landline))
    assert sorted(vici.system()) == ["0612345678", NUMBER]


async def test_an_erased_contact_stays_listed_and_we_forget_its_number(vici: Vici) -> None:
    """Our tables hold the token only; the list, which only denies, keeps the number for good."""
    token = new_token()
    await vici.apply(a_change(token, 1, a_verdict(allowed=True)))
    erased = a_change(token, 2, Verdict(*CALLS, False, ("ERASED",)), contact=None)
    assert await vici.apply(erased) == [Applied("number_stays_listed")]
    assert vici.system() == [NUMBER]
    assert vici.ask("SELECT phone_number, version FROM noli_vicidial") == [(None, 2)]
    assert vici.ask("SELECT * FROM noli_vicidial_rows") == []
    await vici.apply(a_change(token, 3, a_verdict(allowed=True)))
    assert vici.system() == [NUMBER]


async def test_a_number_it_cannot_hold_is_refused_alone(vici: Vici) -> None:
    """Longer than its column: `Reject`, the others are listed; nothing is cut."""
    good, bad = a_change(), a_change()
    assert bad.contact is not None
    bad = bad._replace(contact=bad.contact._replace(value="+39" + "3" * 19))
    first, second = await vici.apply(bad, good)
    assert isinstance(first, Reject)
    assert (second, vici.system()) == (Applied(), [NUMBER])


async def test_check_names_campaigns_that_look_at_no_list(vici: Vici) -> None:
    """A row on a list does nothing where a campaign has it switched off, or asks another's."""
    await vici.apply(a_change())
    vici.ask("INSERT INTO vicidial_campaigns VALUES ('OFF', 'N', 'N', ''), ('ELSE', 'Y', 'Y', 'X')")
    sink = vici.sink(campaigns={"RED": "red", "OFF": "off", "ELSE": "x", "GONE": "y"})
    found = [(problem.what, problem.fixable) for problem in await sink.check()]
    await sink.aclose()
    assert found == [
        ("campaign OFF ignores the system list: use_internal_dnc=N", False),
        ("campaign OFF ignores its list", False),
        ("campaign ELSE ignores its list", False),
        ("campaign GONE ignores its list", False),
    ]


async def test_check_knows_a_database_that_is_no_vicidial(mariadb_url: str) -> None:
    """The missing tables are named, and --fix makes none of them."""
    sink = Vicidial(Vicidial.Config.model_validate({"url": mariadb_url}), "dialer")
    (problem,) = await sink.check()
    await sink.aclose()
    assert "vicidial_dnc_log" in problem.what
    assert not problem.fixable
