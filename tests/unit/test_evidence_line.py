"""The line of a contact: when verdicts changed, and when applications confirmed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import pytest

from noli import wire
from noli.domain import facts
from noli.domain.contact import normalise
from noli.domain.facts import Fact
from noli.domain.times import DAY
from noli.evidence import deliveries, turns
from noli.evidence.deliveries import SOON_MS, Deliveries, Span, merged, spans
from noli.evidence.history import LANES, collect
from noli.evidence.turns import Turn, Turns
from noli.runtime.part import Record
from schemas.codec import RECORDS, Codec
from schemas.names import CONTROL, RECEIPTS
from tests.support.law import ACME, PHONE, consent, fact, objection, on
from tests.support.neutral import neutral

KEY: Final = b"\x01" + b"k" * 16
OTHER: Final = b"\x01" + b"o" * 16
CODEC: Final = Codec({name: number for number, name in enumerate(RECORDS, 1)})


def line(*found: Fact, until: float = 100) -> Turns:
    """The turns of facts, each at its own offset."""
    records = []
    for number, each in enumerate(found):
        topic, key = LANES[0] if each.denies else LANES[1], KEY
        if isinstance(each.detail, facts.SourceRevoked):
            topic, key = CONTROL, b""
        value = CODEC.encode("noli.Intent", wire.fact_to_intent(each))
        records.append(Record(topic, 3, number, key or None, value, each.accepted))
    return turns.turns(ACME, normalise(**PHONE), collect(records, CODEC, KEY), on(until))


def about(found: Turns, channel: str, purpose: str = "marketing") -> list[Turn]:
    """The turns of one pair."""
    return [turn for turn in found.found if channel in turn.channels and purpose in turn.purposes]


@pytest.mark.rule("EVIDENCE")
def test_a_verdict_turns_with_the_fact_that_turned_it() -> None:
    """Allowed from the consent's acceptance, denied from the objection's; others never were."""
    found = line(consent(1), objection(5, accepted=6))
    allowed, denied = about(found, "sms")
    assert (allowed.at, allowed.verdict.allowed, allowed.places) == (
        on(1),
        True,
        ("noli.grants:3:0",),
    )
    assert (denied.at, denied.verdict.allowed) == (on(6), False)
    assert denied.places == ("noli.objections:3:1",)
    assert denied.verdict.reasons == ("OBJECTED",)
    assert [(turn.was, turn.verdict.allowed) for turn in about(found, "fax")] == [(False, False)]


@pytest.mark.rule("EVIDENCE")
def test_a_verdict_that_turns_by_itself_says_so() -> None:
    """A register check lapses after 15 days: denied from then on, without any fact."""
    check = fact("register.verified", 1, register="phone")
    found = line(consent(1), check)
    allowed, lapsed = about(found, "operator_call")
    assert allowed.verdict.allowed
    assert (lapsed.places, lapsed.verdict.reasons) == ((), ("REGISTER_CHECK_STALE",))
    assert lapsed.at == on(16) + 1
    assert len(about(line(consent(1), check, until=15), "operator_call")) == 1


@pytest.mark.rule("SOURCE-REVOKED")
def test_a_revoked_source_turns_what_rested_on_it() -> None:
    """From the revocation's acceptance; one of another source turns nothing."""
    given = consent(1, source_id="fair")
    revoked = fact("source.revoked", 3, source_id="fair", contact=None)
    other = fact("source.revoked", 2, source_id="list", contact=None)
    _, denied = about(line(given, other, revoked), "sms")
    assert (denied.at, denied.verdict.reasons) == (on(3), ("SOURCE_UNLAWFUL",))
    assert denied.places == ("noli.control:3:2",)


@pytest.mark.rule("EVIDENCE")
def test_what_changes_nothing_is_no_turn() -> None:
    """A second consent or objection; nothing of an unknown contact; nothing of the future."""
    assert len(about(line(consent(1), consent(2)), "sms")) == 1
    assert len(about(line(objection(1), objection(2)), "sms")) == 1
    assert line().found == ()
    assert line(consent(5), until=4).found == ()


@pytest.mark.rule("EVIDENCE")
def test_a_brand_turns_apart() -> None:
    """An objection to one brand denies that brand and all brands asked at once, not another one."""
    found = line(consent(1), objection(2, brands=["vino"]))
    turned = [turn for turn in about(found, "sms") if turn.at == on(2)]
    assert {(turn.brand, turn.verdict.allowed) for turn in turned} == {
        ("*", False),
        ("vino", False),
    }


def test_too_many_moments_are_cut_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones are told, and that some are missing."""
    monkeypatch.setattr(turns, "MOMENTS_MAX", 2)
    found = line(consent(1), objection(2), consent(3), objection(4))
    assert (found.whole, [turn.at for turn in about(found, "sms")]) == (False, [on(1), on(2)])


def receipt(app: str, at: int, *changes: tuple[bytes, str], offset: int = 0) -> Record:
    """A receipt of contacts and outcomes."""
    told = [
        {"token": key, "version": 7, "offset": 1, "accepted": at - 100, "outcome": outcome,
         "reason": None}
        for key, outcome in changes
    ]  # fmt: skip
    datum = neutral("noli.Receipt", app=app, at=at, changes=told)
    return Record(RECEIPTS, 0, offset, app.encode(), CODEC.encode("noli.Receipt", datum), at)


class Topic:
    """Records, read by span; each span says what it was asked for."""

    def __init__(self, *records: Record) -> None:
        self._records = records
        self.asked: list[Span] = []

    def read(self, since: int, until: int, /) -> Iterator[list[Record]]:
        """In two batches."""
        self.asked.append(Span(since, until))
        yield []
        yield [record for record in self._records if since <= record.at <= until]


def read(topic: Topic, wanted: Iterable[Span], late: Any = lambda: False) -> Deliveries:  # noqa: ANN401
    """The deliveries to `KEY`."""
    return deliveries.read(topic, CODEC, KEY, [*wanted], late)


@pytest.mark.rule("ALL-ALIGNED", "EVIDENCE")
def test_what_applications_confirmed_of_a_contact_is_found_and_nothing_else() -> None:
    """Each with its outcome and place, in order; other contacts, reports and rubbish are passed."""
    report = CODEC.encode("noli.Report", neutral("noli.Report", worker=KEY.decode("latin-1")))
    topic = Topic(
        receipt("dialer", 900, (KEY, "drifted"), offset=2),
        receipt("crm", 500, (OTHER, "applied"), (KEY, "applied")),
        Record(RECEIPTS, 0, 3, b"crm", report, 600),
        Record(RECEIPTS, 0, 4, b"crm", b"\0rubbish" + KEY, 600),
        receipt("crm", 600, (OTHER, "applied"), offset=5),
    )
    found = read(topic, [Span(0, 1_000)])
    assert [(each.app, each.outcome, each.at, each.place) for each in found.found] == [
        ("crm", "applied", 500, "noli.receipts:0:0"),
        ("dialer", "drifted", 900, "noli.receipts:0:2"),
    ]
    assert found.searched == (Span(0, 1_000),)


@pytest.mark.rule("EVIDENCE")
def test_a_search_that_runs_late_tells_what_it_searched() -> None:
    """What was found until then, and only spans that were read whole."""
    topic = Topic(receipt("crm", 500, (KEY, "applied")), receipt("crm", 1_500, (KEY, "verified")))
    turns_left = iter([False, False, True])
    found = read(topic, [Span(0, 1_000), Span(1_001, 2_000)], lambda: next(turns_left))
    assert [each.at for each in found.found] == [500]
    assert found.searched == (Span(0, 1_000),)


def test_the_likeliest_spans_are_searched_first_and_all_in_the_end() -> None:
    """Right after each moment, the newest first; then what lies between; without a gap."""
    first, last, now = DAY, 10 * DAY, 20 * DAY
    wanted = spans([first, last, last + 60_000], first, now)
    assert [span.since for span in wanted[:2]] == [last - 5_000, first - 5_000]
    assert wanted[0].until == last + 60_000 + SOON_MS
    assert merged(wanted) == [Span(first - 5_000, now)]
    assert spans([now], now, now) == [Span(now - 5_000, now)]
