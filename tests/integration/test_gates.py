"""An event posted to the intake, obeyed on the wire: a call, a message and a mail are refused."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from tests.support import blackbox
from tests.support.blackbox import Client, Contact, Stack, consent, objection, until
from tests.support.kamailio import Proxy
from tests.support.kannel import KEY, OWN, Gateway
from tests.support.postfix import MailServer
from tests.support.world import SECONDS, manifest

pytestmark = pytest.mark.timeout(240)
DECLINED, REFUSED = 603, 554
TAKEN, DELIVERED = 200, 250


@pytest.fixture(scope="module")
def company(
    tmp_path_factory: pytest.TempPathFactory,
    kamailio_proxy: Proxy,
    kannel_gateway: Gateway,
    postfix_server: MailServer,
) -> Iterator[Stack]:
    """A stack with an application in front of each of the three."""
    tmp = tmp_path_factory.mktemp("gates")
    configs = {
        "kamailio": (kamailio_proxy.config(), "operator_call"),
        "kannel": (kannel_gateway.config(file=tmp / "list.txt"), "sms"),
        "postfix": (postfix_server.config(), "email"),
    }
    often = {"recent_seconds": 1}
    for name, (config, channel) in configs.items():
        manifest(tmp / "apps", name, name, shown(config), channels=[channel], reconcile=often)
    with blackbox.up(tmp / "data", tmp / "apps") as found:
        yield found


@pytest.fixture
def client(company: Stack) -> Iterator[Client]:
    """A sender of events."""
    with company.client() as found:
        yield found


def shown(config: Any) -> dict[str, Any]:  # noqa: ANN401 - Config of any sink
    """A `config` block as somebody writes it, secrets in clear."""
    found = config.model_dump(mode="json", exclude_defaults=True)
    for name, value in config:
        if hasattr(value, "get_secret_value"):
            found[name] = value.get_secret_value()
    return dict(found)


def obeyed(client: Client, contact: Contact, channel: str, passes: Callable[[], bool]) -> float:
    """Refused, allowed after a consent, refused after an objection: seconds that this took."""
    assert not passes()
    client.send(consent(contact, channel))
    until(passes, f"a consent to {channel}", SECONDS)
    client.send(objection(contact))
    accepted = time.monotonic()
    until(lambda: not passes(), f"an objection to {channel}", SECONDS)
    return time.monotonic() - accepted


def tell(capsys: pytest.CaptureFixture[str], what: str, took: float) -> None:
    """Print what was measured; a busy machine is no failure."""
    with capsys.disabled():
        print(f"\naccepted objection to {what}: {took * 1000:.0f} ms")  # noqa: T201


def number() -> str:
    """One that no other test uses."""
    return f"+39347{uuid.uuid4().int % 10**7:07d}"


@pytest.mark.rule("OBJECT")
def test_a_call_is_declined_once_the_number_objected(
    client: Client, kamailio_proxy: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the accepted event to a 603 that SIPp got, well within seconds."""
    who = number()
    statuses: list[int] = []

    def passes() -> bool:
        statuses.append(kamailio_proxy.call(who))
        return statuses[-1] == TAKEN

    took = obeyed(client, ("phone", who), "operator_call", passes)
    assert set(statuses) == {TAKEN, DECLINED}
    assert statuses[-1] == DECLINED
    tell(capsys, "603 on the wire", took)


@pytest.mark.rule("OBJECT")
def test_a_message_is_refused_once_the_number_objected(
    client: Client, kannel_gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the accepted event to Kannel's 403, well within seconds."""
    who = number()
    took = obeyed(client, ("phone", who), "sms", lambda: kannel_gateway.send(who))
    tell(capsys, "Kannel's 403", took)


@pytest.mark.rule("OBJECT")
def test_a_mail_is_refused_once_the_address_objected(
    client: Client, postfix_server: MailServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the accepted event to Postfix's 554, well within seconds; other mail is delivered."""
    who = f"{uuid.uuid4().hex}@example.it"
    statuses: list[int] = []

    def passes() -> bool:
        statuses.append(postfix_server.rcpt(who))
        return statuses[-1] == DELIVERED

    took = obeyed(client, ("email", who), "email", passes)
    assert set(statuses) == {DELIVERED, REFUSED}
    assert postfix_server.deliver(who) == REFUSED
    assert postfix_server.deliver(who, marketing=False) == DELIVERED
    tell(capsys, "554 at RCPT TO", took)


def test_a_connector_that_starts_anew_serves_its_list_at_once(
    company: Stack, kannel_gateway: Gateway
) -> None:
    """Nothing has to change first: a Kannel that starts meanwhile finds its list."""
    where = f"http://127.0.0.1:{kannel_gateway.at['list']}/{KEY}"

    def served() -> bool:
        try:
            return httpx2.get(where).text.splitlines()[:1] == [OWN]
        except httpx2.HTTPError:
            return False

    until(served, "the list, before", SECONDS)
    pid = company.pid("connectors-kannel")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: company.pid("connectors-kannel") not in {pid, None}, "a new process", SECONDS)
    until(served, "the list, after", SECONDS)


def test_a_proxy_that_restarted_declines_until_it_is_filled_again(
    client: Client, kamailio_proxy: Proxy
) -> None:
    """Its memory is empty; the connector notices, and tells it everybody once more."""
    who = number()
    client.send(consent(("phone", who), "operator_call"))
    until(lambda: kamailio_proxy.call(who) == TAKEN, "a consent", SECONDS)
    kamailio_proxy.stop()
    kamailio_proxy.start()
    assert kamailio_proxy.call(who) == DECLINED
    until(lambda: kamailio_proxy.call(who) == TAKEN, "a table that is filled again", 30)
