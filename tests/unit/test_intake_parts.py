"""The intake's small parts: envelope, limiter, routing, recent answers."""

from __future__ import annotations

import asyncio
import json

import pytest

from noli.domain import events
from noli.domain.token import token
from noli.intake import envelope
from noli.intake.recent import REMEMBERED_MS, Appended, Mark, Recent
from noli.intake.routing import Router
from noli.runtime.limiter import Limiter
from noli.runtime.problem import Problem
from schemas.names import CONTROL, GRANTS, OBJECTIONS, PARTIES
from tests.support.intake import (
    ABSENT,
    CONTROL_PARTITIONS,
    PARTY_PARTITIONS,
    PEPPER,
    consent,
    event,
)

ROUTER = Router(PEPPER, CONTROL_PARTITIONS, PARTY_PARTITIONS)
DENIALS = (
    event(),
    event("consent.withdrawn"),
    event("erasure.requested"),
    event("call.silent"),
    event("register.listed", data={"register": "phone"}),
)
GRANTED = (
    consent(),
    event("directory.status", data={"listed": True}),
    event("register.delisted", data={"register": "phone"}),
    event("call.attended"),
)


@pytest.mark.parametrize("raw", DENIALS, ids=lambda raw: raw["type"])
def test_what_can_only_deny_takes_the_objections_lane(raw: dict[str, object]) -> None:
    """Denials go to their own topic, keyed by the contact's token."""
    fact = events.parse(raw, 0)
    assert fact.contact is not None
    [record] = [each for each in ROUTER.records(fact, b"v") if each.topic != PARTIES]
    assert record.topic == OBJECTIONS
    assert record.key == token(PEPPER, "acme", fact.contact)
    assert record.partition is None


@pytest.mark.parametrize("raw", GRANTED, ids=lambda raw: raw["type"])
def test_everything_else_of_a_contact_takes_the_grants_lane(raw: dict[str, object]) -> None:
    """What may allow never queues among objections."""
    [record] = ROUTER.records(events.parse(raw, 0), b"v")
    assert record.topic == GRANTS


def test_a_fact_of_a_person_is_keyed_by_the_person() -> None:
    """An objection of a party without a contact goes to the parties, keyed by its text."""
    fact = events.parse(event(data={"contact": ABSENT, "party": "crm:42"}), 0)
    [record] = ROUTER.records(fact, b"v")
    assert (record.topic, record.key) == (PARTIES, b"crm:42")


def test_a_link_of_party_and_contact_goes_to_the_parties_only() -> None:
    """A link is the parties' business, although it names a contact."""
    fact = events.parse(event("party.linked", data={"party": "crm:42"}), 0)
    [record] = ROUTER.records(fact, b"v")
    assert (record.topic, record.key) == (PARTIES, b"crm:42")


@pytest.mark.rule("PARTY")
def test_a_denial_of_party_and_contact_reaches_both() -> None:
    """An objection naming both goes both ways; a consent naming both stays with its contact."""
    both = {"party": "crm:42"}
    denial = ROUTER.records(events.parse(event(data=both), 0), b"v")
    grant = ROUTER.records(events.parse(consent(data=both), 0), b"v")
    assert [record.topic for record in denial] == [OBJECTIONS, PARTIES]
    assert [record.topic for record in grant] == [GRANTS]


def test_a_revoked_source_goes_to_every_partition() -> None:
    """One copy per partition of the control topic, none keyed."""
    raw = event("source.revoked", data={"contact": ABSENT, "source_id": "list-9"})
    records = list(ROUTER.records(events.parse(raw, 0), b"v"))
    assert [(record.topic, record.partition, record.key) for record in records] == [
        (CONTROL, partition, None) for partition in range(CONTROL_PARTITIONS)
    ]


@pytest.mark.rule("ERASED")
def test_an_erasure_reaches_every_partition_that_may_know_the_contact() -> None:
    """Its own lane, and a copy per partition of the parties, whose links name contacts."""
    first, *others = ROUTER.records(events.parse(event("erasure.requested"), 0), b"v")
    assert (first.topic, first.partition) == (OBJECTIONS, None)
    assert [(record.topic, record.partition, record.key) for record in others] == [
        (PARTIES, partition, first.key) for partition in range(PARTY_PARTITIONS)
    ]


@pytest.mark.parametrize(
    "media", ["application/json", "application/cloudevents+json; charset=utf-8"]
)
def test_one_object_is_one_event(media: str) -> None:
    """A single event is told from a batch of one."""
    assert envelope.decode(b'{"id":"1"}', {"content-type": media}) == ([{"id": "1"}], True)
    assert envelope.decode(b'[{"id":"1"}]', {"content-type": media}) == ([{"id": "1"}], False)


def test_binary_mode_takes_attributes_from_headers() -> None:
    """`ce-` headers, percent-encoded, become attributes and the body becomes the data."""
    headers = {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "7%20b",
        "ce-type": "t",
        "host": "x",
    }
    post = envelope.decode(b'{"controller":"acme"}', headers)
    assert post.single
    assert post.events == [
        {"specversion": "1.0", "id": "7 b", "type": "t", "data": {"controller": "acme"}}
    ]


@pytest.mark.parametrize(
    "body, media, status",
    [
        (b"{", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b'{"id":"1"}', "application/cloudevents-batch+json", 400),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (json.dumps([{}] * 1001).encode(), "application/json", 413),
    ],
)
def test_bodies_that_are_no_events_are_refused(body: bytes, media: str, status: int) -> None:
    """Each wrong body gets the status that says what is wrong with it."""
    with pytest.raises(Problem) as caught:
        envelope.decode(body, {"content-type": media})
    assert caught.value.status == status
    assert caught.value.detail


def test_a_caller_over_its_rate_waits_and_others_do_not() -> None:
    """The limiter tells the seconds to wait, per caller, and refills with time."""
    limiter = Limiter(rate=10, burst=20)
    assert limiter.spend("a", 20, now=0.0) == 0
    assert limiter.spend("a", 5, now=0.0) == pytest.approx(0.5)
    assert limiter.spend("b", 5, now=0.0) == 0
    assert limiter.spend("a", 5, now=0.5) == 0
    assert limiter.spend("a", 1, now=0.5) > 0


def test_a_post_larger_than_the_burst_passes_once_the_bucket_is_full() -> None:
    """No batch is refused for ever: it runs into debt that later ones wait for."""
    limiter = Limiter(rate=10, burst=20)
    assert limiter.spend("a", 100, now=0.0) == 0
    assert limiter.spend("a", 1, now=0.0) == pytest.approx(8.1)


async def test_recent_answers_are_bounded_and_the_used_ones_stay() -> None:
    """The least recently used mark goes first."""
    append = Appended(0, asyncio.get_running_loop().create_future())
    recent = Recent(2)
    recent.remember(b"a", Mark(append, 0))
    recent.remember(b"b", Mark(append, 1))
    assert recent.find(b"a", 0) is not None
    recent.remember(b"c", Mark(append, 2))
    assert recent.find(b"b", 0) is None
    assert recent.find(b"a", 0) == Mark(append, 0)
    recent.forget(b"a", append)
    assert recent.find(b"a", 0) is None


@pytest.mark.rule("OBJECT")
async def test_answers_are_forgotten_after_a_while() -> None:
    """What is posted again much later is a new fact: it may object to a consent in between."""
    append = Appended(1_000, asyncio.get_running_loop().create_future())
    recent = Recent(2)
    recent.remember(b"a", Mark(append, 0))
    assert recent.find(b"a", 1_000 + REMEMBERED_MS) is not None
    assert recent.find(b"a", 1_001 + REMEMBERED_MS) is None


async def test_a_failed_append_forgets_its_own_marks_only() -> None:
    """A later append of the same event keeps its mark when the earlier one fails."""
    loop = asyncio.get_running_loop()
    early, late = Appended(0, loop.create_future()), Appended(9, loop.create_future())
    recent = Recent(2)
    recent.remember(b"a", Mark(late, 0))
    recent.forget(b"a", early)
    assert recent.find(b"a", 0) == Mark(late, 0)
