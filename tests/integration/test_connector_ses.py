"""The SES sink with Amazon's own client, against moto, and against a server that refuses."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from pydantic import ValidationError

from connectors.protocol import Applied, Change, Contact, Reject, Result, Retry, Subject
from connectors.sinks import ses as sink_of_ses
from connectors.sinks.ses import Ses
from connectors.testing import MAILS, a_change, a_verdict
from noli.domain.channel import Kind
from noli.runtime.clock import steady
from tests.support.servers import PASSWORD
from tests.support.ses import KEY, REGION, Account
from tests.support.stubborn import Says, stubborn

ANNA = "Anna.Rossi+news@example.it"
RED, BLUE = ((*MAILS[:2], brand) for brand in ("red", "blue"))
TOPICS = {"red-news": "red", "blue-news": "blue"}


def told(*allowed: tuple[tuple[str, str, str], bool]) -> Change:
    """What holds for Anna."""
    said = [a_verdict(pair, allowed=yes) for pair, yes in allowed]
    return a_change(None, 1, *said, contact=Contact(Kind.EMAIL, ANNA))


async def apply(config: Ses.Config, *changes: Change) -> Sequence[Result]:
    """Apply and close."""
    sink = Ses(config, "shop")
    try:
        return await sink.apply(changes)
    finally:
        await sink.aclose()


async def test_an_address_is_unsubscribed_from_all_and_let_back(ses: Account) -> None:
    """Also where the list never had it; nothing of ours is left once it may be written to."""
    news = ses.new_list()
    assert await apply(ses.config(news), told((MAILS, False))) == [Applied()]
    assert (ses.contact(news, ANNA) or {})["UnsubscribeAll"] is True
    await apply(ses.config(news), told((MAILS, True)))
    assert ses.contact(news, ANNA) == {
        "UnsubscribeAll": False, "TopicPreferences": [], "AttributesData": "{}",
    }  # fmt: skip


async def test_who_unsubscribed_at_ses_stays_so(ses: Account) -> None:
    """What the person did there is not ours to undo; nor is what stands in somebody's own text."""
    news = ses.new_list()
    ses.put(news, ANNA, UnsubscribeAll=True, AttributesData='{"name": "Anna"}')
    await apply(ses.config(news), told((MAILS, False)))
    await apply(ses.config(news), told((MAILS, True)))
    assert ses.contact(news, ANNA) == {
        "UnsubscribeAll": True, "TopicPreferences": [], "AttributesData": '{"name": "Anna"}',
    }  # fmt: skip
    other = ses.new_list()
    ses.put(other, ANNA, UnsubscribeAll=False, AttributesData="likes roses")
    await apply(ses.config(other), told((MAILS, False)))
    await apply(ses.config(other), told((MAILS, True)))
    kept = ses.contact(other, ANNA) or {}
    assert (kept["UnsubscribeAll"], kept["AttributesData"]) == (True, "likes roses")


async def test_a_topic_of_a_brand_hears_of_its_brand_only(ses: Account) -> None:
    """Its preference goes back to what it was; those of other topics are always sent again."""
    news = ses.new_list([*TOPICS, "invoices"])
    mine = [
        {"TopicName": "invoices", "SubscriptionStatus": "OPT_OUT"},
        {"TopicName": "red-news", "SubscriptionStatus": "OPT_IN"},
    ]
    ses.put(news, ANNA, TopicPreferences=mine)
    config = ses.config(news, topics=TOPICS)
    await apply(config, told((MAILS, True), (RED, False), (BLUE, False)))
    topics = (ses.contact(news, ANNA) or {})["TopicPreferences"]
    assert {topic["TopicName"]: topic["SubscriptionStatus"] for topic in topics} == {
        "invoices": "OPT_OUT", "red-news": "OPT_OUT", "blue-news": "OPT_OUT",
    }  # fmt: skip
    await apply(config, told((MAILS, True), (RED, True), (BLUE, False)))
    sink = Ses(config, "shop")
    held = await sink.read_back([Subject("t", Contact(Kind.EMAIL, ANNA))])
    await sink.aclose()
    assert held["t"].allowed == {RED: True, BLUE: False}
    await apply(config, told((MAILS, True)))
    assert (ses.contact(news, ANNA) or {})["TopicPreferences"] == mine


async def test_check_names_the_list_and_the_topic(ses: Account) -> None:
    """A list that is not there, a topic it has not; SES's own code says what else is wrong."""
    news = ses.new_list(["red-news"])
    found = []
    for config in (ses.config("gone"), ses.config(news, topics=TOPICS)):
        sink = Ses(config, "shop")
        found.append([problem.what for problem in await sink.check()])
        await sink.aclose()
    assert found == [
        ["config.contact_list: ses_NotFoundException"],
        ["config.topics: the list has no topic blue-news"],
    ]


@contextmanager
def refusing(status: int, code: str) -> Iterator[str]:
    """A server that says nothing but this, as SES says it."""
    body = json.dumps({"message": f"{ANNA} is refused"}).encode()
    with stubborn(Says(status, {"x-amzn-ErrorType": code}, body)) as (url, _):
        yield url


@pytest.mark.parametrize(
    "status,code,after",
    [
        (429, "TooManyRequestsException", 1.0),
        (500, "ConcurrentModificationException", None),
        (403, "AccessDeniedException", None),
    ],
)
async def test_what_ses_refuses_is_asked_again(
    ses: Account, status: int, code: str, after: float | None
) -> None:
    """With the pause it wants; its words, which quote the address, are not passed on."""
    with refusing(status, code) as url, pytest.raises(Retry) as caught:
        await apply(ses.config("news", endpoint_url=url), told((MAILS, False)))
    assert (caught.value.reason, caught.value.after) == (f"ses_{code}", after)
    assert caught.value.__cause__ is None


async def test_what_ses_can_never_take_is_rejected(ses: Account) -> None:
    """A bad request is about the address; half a character is no address."""
    with refusing(400, "BadRequestException") as url:
        config = ses.config("news", endpoint_url=url)
        assert [type(one) for one in await apply(config, told((MAILS, False)))] == [Reject]
    half = a_change(contact=Contact(Kind.EMAIL, "\ud800@example.it"))
    assert [type(one) for one in await apply(ses.config("news"), half)] == [Reject]


async def test_requests_keep_their_distance(ses: Account) -> None:
    """SES grants few requests a second: two new contacts are four requests, 50 ms apart."""
    other = told((MAILS, False))._replace(contact=Contact(Kind.EMAIL, "b@example.it"))
    config = ses.config(ses.new_list(), requests_per_s=20)
    begin = steady()
    await apply(config, told((MAILS, False)), other)
    assert steady() - begin >= 3 * 0.05


async def test_nothing_personal_is_logged(ses: Account, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, where Amazon's client writes requests out: no address, no key, no secret."""
    caplog.set_level(logging.DEBUG)
    await apply(ses.config(ses.new_list()), told((MAILS, False)))
    assert [word for word in ("Anna", "anna", PASSWORD, KEY) if word in caplog.text] == []


def test_without_boto3_the_manifest_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named; nothing is imported before."""
    monkeypatch.setattr(sink_of_ses, "find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"pip install 'noli\[ses\]'"):
        Ses.Config.model_validate({"region": REGION, "contact_list": "news"})
