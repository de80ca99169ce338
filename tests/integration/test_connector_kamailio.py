"""Calls through a real Kamailio, placed by SIPp, and the table behind them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.protocol import Applied, Contact, Reject, Retry, Subject, Verdict
from connectors.served import Served
from connectors.sinks.kamailio import Kamailio
from connectors.testing import CALLS, TEXTS, a_change, a_verdict, new_token
from noli.cli.stack import ports
from noli.domain.channel import Kind
from tests.support.kamailio import EXAMPLE, Proxy, kamailio
from tests.support.servers import installed
from tests.support.sinks import applied

TAKEN, DECLINED = 200, 603
RED = (*CALLS[:2], "red")


def sink(proxy: Proxy, **over: Any) -> Kamailio:  # noqa: ANN401 - fields of Config
    """A sink of the table."""
    return Kamailio(proxy.config(**over), "proxy")


def phone(value: str) -> Contact:
    """A number, normalised."""
    return Contact(Kind.PHONE, value)


@pytest.fixture
def own_proxy() -> Iterator[Proxy]:
    """A proxy for tests that stop it."""
    with kamailio() as found:
        yield found


async def test_a_number_nobody_told_of_is_declined(kamailio_proxy: Proxy) -> None:
    """Not in the table: 603, whoever it is."""
    assert kamailio_proxy.call("+393470000001") == DECLINED


@pytest.mark.rule("OBJECT")
async def test_an_allowed_number_is_called_until_it_objects(kamailio_proxy: Proxy) -> None:
    """200 of the callee, then 603 of the proxy, in every way the number may be written."""
    contact, token = phone("+393470000002"), new_token()
    written = ("+393470000002", "00393470000002", "3470000002")
    change = a_change(token, 1, a_verdict(allowed=True), contact=contact)
    await applied(sink(kamailio_proxy), [change])
    assert [kamailio_proxy.call(number) for number in written] == [TAKEN] * 3
    await applied(sink(kamailio_proxy), [a_change(token, 2, a_verdict(), contact=contact)])
    assert [kamailio_proxy.call(number) for number in written] == [DECLINED] * 3
    assert "393470000002" not in kamailio_proxy.table()


async def test_a_landline_keeps_its_zero(kamailio_proxy: Proxy) -> None:
    """+39 06 … is another number than +39 6 …, and is called as 06 … or +39 06 …."""
    change = a_change(None, 1, a_verdict(allowed=True), contact=phone("+390612345678"))
    await applied(sink(kamailio_proxy), [change])
    assert kamailio_proxy.call("0612345678") == TAKEN
    assert kamailio_proxy.call("+390612345678") == TAKEN
    assert kamailio_proxy.call("+39612345678") == DECLINED
    assert kamailio_proxy.call("612345678") == DECLINED


async def test_an_allowance_ends_by_itself(kamailio_proxy: Proxy) -> None:
    """Past its `until` the number is declined, with nobody telling the proxy."""
    contact = phone("+393470000003")
    change = a_change(None, 1, a_verdict(allowed=True, until=1_000), contact=contact)
    assert await _applied(kamailio_proxy, change) == [Applied()]
    assert kamailio_proxy.table()["393470000003"] == 1
    assert kamailio_proxy.call(contact.value) == DECLINED


async def test_a_brand_that_is_denied_denies_the_number(kamailio_proxy: Proxy) -> None:
    """A proxy for all brands is rounded to denial and says so; one of that brand is exact."""
    contact, token = phone("+393470000004"), new_token()
    verdicts = a_verdict(CALLS, allowed=True), a_verdict(RED)
    change = a_change(token, 1, *verdicts, contact=contact)
    assert await _applied(kamailio_proxy, change) == [Applied("rounded_to_number")]
    assert kamailio_proxy.call(contact.value) == DECLINED
    assert await _applied(kamailio_proxy, change, brand="blue") == [Applied()]
    assert kamailio_proxy.call(contact.value) == TAKEN
    assert await _applied(kamailio_proxy, change, brand="red") == [Applied()]
    assert kamailio_proxy.call(contact.value) == DECLINED


async def test_what_it_does_not_serve_opens_nothing(kamailio_proxy: Proxy) -> None:
    """Texts that are allowed, or a call that an operator need not place, are no call."""
    contact = phone("+393470000005")
    change = a_change(None, 1, a_verdict(TEXTS, allowed=True), contact=contact)
    assert await _applied(kamailio_proxy, change) == [Applied()]
    bound = Verdict(*CALLS, True, (), ("something_newer",))
    change = a_change(None, 1, bound, contact=contact)
    assert await _applied(kamailio_proxy, change) == [Applied()]
    assert kamailio_proxy.call(contact.value) == DECLINED


async def test_a_restart_refuses_until_it_is_told_again(own_proxy: Proxy) -> None:
    """An empty table declines, read-back says so, and the same change fills it."""
    contact = phone("+393470000006")
    change = a_change(None, 1, a_verdict(allowed=True), contact=contact)
    target = sink(own_proxy)
    await target.apply([change])
    assert own_proxy.call(contact.value) == TAKEN
    own_proxy.stop()
    with pytest.raises(Retry):
        await target.apply([change])
    own_proxy.start()
    assert own_proxy.call(contact.value) == DECLINED
    held = await target.read_back([Subject(change.token, contact)])
    assert held[change.token].allowed == {CALLS: False}
    assert await target.apply([change]) == [Applied()]
    assert own_proxy.call(contact.value) == TAKEN
    await target.aclose()


async def test_one_that_is_no_number_holds_no_other_back(kamailio_proxy: Proxy) -> None:
    """It is refused alone."""
    good, bad = (a_change(contact=phone(value)) for value in ("+393470000007", "anonymous"))
    first, second = await _applied(kamailio_proxy, bad, good)
    assert isinstance(first, Reject)
    assert second == Applied()


@pytest.mark.parametrize(
    "over, expected",
    [
        ({"secret": "another-secret"}, "config.url: secret_refused"),
        ({"table": "gone"}, "config.table: there is no htable gone"),
        ({"table": "kept"}, "config.table: a restart brings old allowances back (dbtable)"),
        ({"table": "short"}, "config.table: its entries expire by themselves (expire)"),
    ],
)
async def test_check_names_what_is_wrong(
    kamailio_proxy: Proxy, over: dict[str, str], expected: str
) -> None:
    """Secret, table, and a table that is not just memory."""
    target = sink(kamailio_proxy, **over)
    found = await target.check()
    await target.aclose()
    assert [problem.what for problem in found] == [expected]


def test_kamailio_does_not_start_without_a_secret_of_its_own(tmp_path: Path) -> None:
    """The example's placeholder is none."""
    program = installed("kamailio", "kamailio")
    config = tmp_path / "kamailio.cfg"
    config.write_text(f'include_file "{EXAMPLE}"\nrequest_route {{ exit; }}\n')
    said = subprocess.run(
        [program, "-c", "-f", str(config)], capture_output=True, text=True, check=False
    )
    assert said.returncode != 0
    assert "noli.cfg, line 21" in said.stderr


@pytest.mark.parametrize("secret", ["short", 'quo"te-in-it', "with a space"])
def test_a_secret_must_need_no_quoting(kamailio_proxy: Proxy, secret: str) -> None:
    """It stands in a header and in a configuration."""
    with pytest.raises(ValueError, match="8 or more letters") as caught:
        kamailio_proxy.config(secret=secret)
    assert secret not in str(caught.value)


async def test_what_is_no_kamailio_is_asked_again(kamailio_proxy: Proxy) -> None:
    """Some other HTTP server confirms nothing."""
    where = f"127.0.0.1:{ports.choose(['other'])['other']}"
    other = Served(where, "/", bytes)
    await other.open()
    target = sink(kamailio_proxy, url=f"http://{where}/")
    with pytest.raises(Retry, match="http_404_is_no_json_rpc"):
        await target.apply([a_change()])
    assert [p.what for p in await target.check()] == ["config.url: http_404_is_no_json_rpc"]
    await target.aclose()
    await other.aclose()


async def _applied(proxy: Proxy, *changes: Any, **over: Any) -> Any:  # noqa: ANN401
    target = sink(proxy, **over)
    try:
        return await target.apply(changes)
    finally:
        await target.aclose()


@pytest.mark.rule("OBJECT")
async def test_a_proxy_that_hears_nothing_declines_everybody(own_proxy: Proxy) -> None:
    """The lease: half a minute after what the connector vouched for, nobody is called."""
    contact, now_s = phone("+393470000009"), int(time.time())
    target = sink(own_proxy)
    await target.apply([a_change(None, 1, a_verdict(allowed=True), contact=contact)])
    for age_s, answer in ((0, TAKEN), (60, DECLINED), (5, TAKEN)):
        await target.renew((now_s - age_s) * 1000)
        assert own_proxy.call(contact.value) == answer
    own_proxy.command("htable.delete", "noli", "as_of")
    assert own_proxy.call(contact.value) == DECLINED
    await target.aclose()
