"""A webhook application that can be asked what it holds is held to its word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors import drift
from connectors.drift import Cause
from connectors.protocol import Held, Retry, Subject, Verdict
from connectors.sinks.webhook import Webhook
from connectors.testing import NOW_MS, a_change
from tests.support.bad_app import HELD, LIES, SECRET, BadApp, bad_app

DENIED = Verdict("sms", "marketing", "*", False, ("OBJECTED",))
PAIR = DENIED[:3]


@pytest.fixture
def app() -> Iterator[BadApp]:
    """An application on a loopback port."""
    with bad_app() as found:
        yield found


def webhook(url: str, read_back_url: str | None) -> Webhook:
    """A webhook that asks there."""
    config = {"url": url, "secret": SECRET, "allow_private_addresses": True}
    config["read_back_url"] = read_back_url
    return Webhook(Webhook.Config.model_validate(config), "crm")


async def test_what_it_holds_is_asked_and_told(app: BadApp) -> None:
    """Signed; by token, version and pairs as they stand there; who is unknown there is absent."""
    sink, change = webhook(app.url, app.url + HELD), a_change(None, 7, DENIED)
    await sink.apply([change])
    asked = [Subject(change.token, change.contact), Subject("02" + "0" * 32, None)]
    assert await sink.read_back(asked) == {change.token: Held(7, {PAIR: False})}
    assert app.complaints == []
    await sink.aclose()


async def test_a_confirmation_that_was_a_lie_is_found(app: BadApp) -> None:
    """2xx and nothing kept: the contact is missing there, however often it was confirmed."""
    app.always(LIES)
    sink, change = webhook(app.url, app.url + HELD), a_change(None, 7, DENIED)
    await sink.apply([change])
    held = await sink.read_back([Subject(change.token, change.contact)])
    assert drift.cause(change, held.get(change.token), NOW_MS) is Cause.MISSING
    await sink.aclose()


async def test_an_allowance_that_has_lapsed_is_none(
    app: BadApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`until` of the answer counts: what it allowed until yesterday it does not allow."""
    verdicts = (
        '{"channel":"sms","purpose":"marketing","allowed":true,"until":"2020-01-01T00:00:00Z"}'
    )
    body = '{"held":[{"token":"' + "01" * 17 + '","verdicts":[' + verdicts + "]}]}"
    monkeypatch.setattr(app, "tell", lambda _raw: body.encode())
    sink = webhook(app.url, app.url + HELD)
    found = await sink.read_back([Subject("01" * 17, None)])
    assert found == {"01" * 17: Held(None, {PAIR: False})}
    await sink.aclose()


@pytest.mark.parametrize(
    "body",
    ["[]", "no json", "{}", '{"held":[{"token":"x"}]}', '{"held":[{"verdicts":[]}]}',
     '{"held":[{"token":"x","verdicts":[{"channel":"sms","purpose":"m","allowed":"perhaps"}]}]}'],
)  # fmt: skip
async def test_an_answer_that_cannot_be_read_proves_nothing(
    app: BadApp, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked again later, with a code that quotes nothing of the answer."""
    monkeypatch.setattr(app, "tell", lambda _raw: body.encode())
    sink = webhook(app.url, app.url + HELD)
    with pytest.raises(Retry) as error:
        await sink.read_back([Subject("01" * 17, None)])
    assert error.value.reason in {"no_json", "no_fields", "read_back_unreadable"}
    await sink.aclose()


async def test_nobody_else_is_believed_to_be_held(
    app: BadApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A contact that was not asked about is passed over."""
    body = b'{"held":[{"token":"02","version":1,"verdicts":[]}]}'
    monkeypatch.setattr(app, "tell", lambda _raw: body)
    sink = webhook(app.url, app.url + HELD)
    assert await sink.read_back([Subject("01" * 17, None)]) == {}
    await sink.aclose()


async def test_it_is_checked_at_both_addresses(app: BadApp) -> None:
    """`check` names the address that is wrong."""
    sink = webhook(app.url, "http://nowhere.invalid/held")
    assert [problem.what for problem in await sink.check()] == [
        "config.read_back_url: nowhere.invalid:80: unresolved"
    ]
    await sink.aclose()


async def test_one_that_cannot_be_asked_says_so(app: BadApp) -> None:
    """Without an address its confirmations are all there is: `traits.read_back` is `none`."""
    sink = webhook(app.url, None)
    assert sink.traits.read_back == "none"
    assert await sink.read_back([Subject("01" * 17, None)]) == {}
    await sink.aclose()
