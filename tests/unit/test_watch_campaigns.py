"""Calls of campaigns counted: each once, over the ratio or not, holds confirmed never too early."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noli.domain import times
from noli.domain.campaigns import KEPT_DAYS, NONE, Counts, day_of, is_over
from noli.runtime.part import Record
from noli.wire.campaigns import Campaign, call_counts, campaign_key, campaign_record, read_campaign
from streams.watch import tally as tallies
from streams.watch.campaigns import CampaignBook, Known
from streams.watch.tally import Tally
from tests.support.step import CODEC

NOON = times.parse("2026-11-28T11:00:00Z")
TODAY = day_of(NOON)
TOKEN = b"\x01" + b"k" * 16


def call(offset: int = 0, **over: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of the contract
    """A silent call of `spring`, cut in time, with comfort noise."""
    return {
        "controller": "acme", "campaign": "spring", "outcome": "silent", "answered_at": NOON,
        "accepted": NOON, "decided": NOON, "token": TOKEN, "fact_id": b"f" * 16,
        "cut_after_ms": 2_000, "comfort_noise": True, "lane": "noli.objections", "partition": 0,
        "offset": offset, "item": 0, "counts": True, **over,
    }  # fmt: skip


def attended(offset: int, **over: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """A call that an operator spoke on."""
    said = {"outcome": "attended", "lane": "noli.grants", "cut_after_ms": None}
    return call(offset, **said, **over)


def new() -> Tally:
    """A campaign of no call."""
    return Tally(Campaign("acme", "spring"))


def again(tally: Tally, now: int = NOON) -> Tally:
    """As the next watcher has it: by way of the record's bytes."""
    value = CODEC.encode("noli.Campaign", campaign_record(tally.record(now), "watch-0"))
    return Tally(read_campaign(CODEC.decode(value)[1]))


@pytest.mark.rule("SILENT-RATIO")
def test_a_repeat_is_known_by_its_place() -> None:
    """Of each lane and partition, and of the items of a load; also by the next watcher."""
    tally = new()
    places: list[dict[str, Any]] = [
        call(5), call(6), call(5, partition=1), call(5, lane="noli.bulk"),
        call(5, lane="noli.bulk", item=1), call(0, lane="noli.parties", token=None),
    ]  # fmt: skip
    for each in places:
        assert tally.take(each).silent == 1
    heir = again(tally)
    for each in places:
        assert tally.take(each) == heir.take(each) == NONE
    assert heir.take(call(7)).silent == 1
    assert heir.record(NOON).whole.silent == 7


@given(st.integers(0, 2**32))
def test_whatever_is_read_again_the_counts_are_those_of_the_calls(seed: int) -> None:
    """Crashes at random between reading and publishing: exactly as if each was read once."""
    chance = Random(seed)
    ends = {("noli.objections", 0): 0, ("noli.grants", 0): 0, ("noli.grants", 1): 0}
    log: list[dict[str, Any]] = []
    for _ in range(60):
        place = chance.choice([*ends])
        ends[place] += chance.randint(1, 3)
        what = call if place[0] == "noli.objections" else attended
        said: dict[str, Any] = {
            "lane": place[0], "partition": place[1],
            "cut_after_ms": chance.choice([None, 1, 4_000]),
            "comfort_noise": chance.choice([None, True, False]),
            "answered_at": NOON - chance.randint(0, 3) * times.DAY,
        }  # fmt: skip
        log.append({**what(ends[place]), **said})
    tally, published, kept, at = new(), new(), 0, 0
    while at < len(log):
        if not chance.randrange(15):  # killed: taken up as published, and some is read again
            tally, at = again(published), max(0, kept - chance.randint(0, 10))
        tally.take(log[at])
        at += 1
        if not chance.randrange(3) and at > kept:
            published, kept = again(tally), at
    whole = NONE
    for each in log:
        whole = whole.plus(call_counts(each))
    found = tally.record(NOON)
    assert found.whole == whole
    summed = NONE
    for counts in found.days.values():
        summed = summed.plus(counts)
    assert summed == whole


@pytest.mark.rule("SILENT-RATIO")
def test_over_is_told_and_lifted_by_the_numbers() -> None:
    """With the moment since when; the fourth silent call in few, the 134th attended one."""
    tally = new()
    for n in range(3):
        tally.take(call(n))
    assert not tally.judged(NOON)
    tally.take(call(3))
    assert tally.judged(NOON + 1)
    found = tally.record(NOON + 1)
    assert (found.over, found.over_since) == (True, NOON + 1)
    for n in range(133):
        tally.take(attended(n))
    assert not tally.judged(NOON + 2)
    assert tally.over
    tally.take(attended(133))
    assert tally.judged(NOON + 3)
    assert (tally.record(NOON + 3).over, tally.record(NOON + 3).over_since) == (False, None)


@pytest.mark.rule("SILENT-RATIO")
def test_a_bad_day_ends_at_midnight_by_italian_clocks() -> None:
    """Where the whole is within the rule; no call has to come for it."""
    tally = new()
    for n in range(1_000):
        tally.take(attended(n, answered_at=NOON - times.DAY))
    for n in range(4):
        tally.take(call(n))
    assert tally.judged(NOON)
    assert not tally.judged(times.parse("2026-11-28T22:59:59Z"))
    assert tally.over
    tally.changed = False
    assert tally.judged(times.parse("2026-11-28T23:00:00Z"))
    assert (tally.over, tally.changed) == (False, True)


def test_a_day_that_a_clock_ahead_began_counts() -> None:
    """The strictest of today and whatever comes after it."""
    tally = new()
    for n in range(1_000):
        tally.take(attended(n, answered_at=NOON - times.DAY))
    for n in range(4):
        tally.take(call(n, answered_at=NOON + times.DAY))
    assert tally.judged(NOON)
    assert is_over(NONE, tally.record(NOON).days[TODAY + 1])


def test_days_are_kept_for_two_years() -> None:
    """Older ones are in the whole only; nothing of the whole is ever forgotten."""
    tally = new()
    tally.take(call(0, answered_at=NOON - KEPT_DAYS * times.DAY))
    tally.take(call(1, answered_at=NOON - (KEPT_DAYS + 1) * times.DAY))
    found = tally.record(NOON)
    assert [*found.days] == [TODAY - KEPT_DAYS]
    assert found.whole.silent == 2


@pytest.mark.rule("SILENT-HOLD")
def test_a_hold_is_confirmed_once_all_are_aligned_after_it_was_decided() -> None:
    """Not at that very moment, and never while it is not known; in the day of its call."""
    tally = new()
    tally.take(call(0, decided=NOON))
    tally.take(call(1, decided=NOON + 10, answered_at=NOON - times.DAY))
    tally.take(attended(0))
    assert tally.pending == 2
    tally.confirm(None)
    tally.confirm(NOON)
    assert tally.pending == 2
    tally.confirm(NOON + 1)
    found = tally.record(NOON)
    assert (found.whole.holds_due, found.whole.holds_confirmed, tally.pending) == (2, 1, 1)
    assert found.days[TODAY].holds_confirmed == 1
    heir = again(tally)
    heir.confirm(NOON + 11)
    assert heir.record(NOON).days[TODAY - 1].holds_confirmed == 1
    heir.changed = False
    heir.confirm(NOON + 99)
    assert (heir.pending, heir.changed) == (0, False)


@pytest.mark.rule("SILENT-HOLD")
def test_many_holds_wait_together_and_are_never_confirmed_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An application that is down for a month fills no record: a day waits for its last."""
    monkeypatch.setattr(tallies, "_PENDING_MOST", 3)
    tally = new()
    for n in range(5):
        tally.take(call(n, decided=NOON + n))
    assert tally.pending == 5
    tally.confirm(NOON + 3)
    assert tally.record(NOON).whole.holds_confirmed == 0
    tally.confirm(NOON + 5)
    assert tally.record(NOON).whole.holds_confirmed == 5


def test_a_persons_call_handed_on_makes_a_hold_due_and_counts_not() -> None:
    """It was counted where it was taken."""
    tally = new()
    assert tally.take(call(0, lane="noli.parties", token=None)).silent == 1
    assert tally.take(call(9, counts=False)) == Counts(holds_due=1)
    assert tally.record(NOON).whole.answered == 1


def test_an_outcome_of_a_newer_build_reads_as_silent() -> None:
    """As the contract has it."""
    assert new().take(call(0, outcome="unknown")).silent == 1


class Log:
    """noli.calls, one partition of it, and noli.campaigns as published."""

    def __init__(self) -> None:
        self.calls: list[Record] = []
        self.known = Known()

    def call(self, datum: dict[str, Any]) -> None:
        """Append one."""
        key = campaign_key(datum["controller"], datum["campaign"])
        self.raw(key, CODEC.encode("noli.Call", datum))

    def raw(self, key: bytes | None, value: bytes) -> None:
        """Append whatever."""
        self.calls.append(Record("noli.calls", 0, len(self.calls), key, value, NOON))

    def read(self, since: int) -> list[Record]:
        """From an offset."""
        return self.calls[since:]

    def open(self) -> CampaignBook:
        """As a watcher does that gets the partition."""
        book = CampaignBook(0, CODEC, self.known, lambda: NOON)
        book.catch_up(self.read)
        return book

    def publish(self, book: CampaignBook, as_of: int | None = None, now: int = NOON) -> list[str]:
        """What a watcher writes in a second; names of campaigns."""
        found = book.publishable(lambda _: as_of, now)
        for tally in found:
            tally.changed = False
            value = CODEC.encode("noli.Campaign", campaign_record(tally.record(now), "w"))
            key = campaign_key(tally.controller, tally.campaign)
            self.known.take(0, key, *CODEC.decode(value))
        beacon = {"partition": 0, "as_of": now, "at": now, "read": book.position, "watcher": "w"}
        self.known.take(0, b"beacon", "noli.CampaignBeacon", beacon)
        return [tally.campaign for tally in found]


def test_a_book_is_taken_up_where_it_was_published() -> None:
    """Calls below the beacon are not read again; those above are, and counted once."""
    log = Log()
    for n in range(3):
        log.call(call(n))
    first = log.open()
    assert log.publish(first) == ["spring"]
    assert log.publish(first) == []
    log.call(call(3))
    log.call(call(0, campaign="autumn", partition=2))
    first.catch_up(log.read)  # and dies before it publishes
    heir = log.open()
    assert heir.position == 5
    assert sorted(log.publish(heir)) == ["autumn", "spring"]
    assert {t.campaign: t.record(NOON).whole.silent for t in heir.all()} == {
        "spring": 4, "autumn": 1,
    }  # fmt: skip
    assert [t.campaign for t in heir.all() if t.over] == ["spring"]


def test_what_is_given_twice_or_late_is_passed_over() -> None:
    """By its offset, before its place is looked at."""
    log = Log()
    log.call(call(0))
    book = log.open()
    record = log.calls[0]
    book.take(record.offset, record.value, record.key)
    assert book.all()[0].record(NOON).whole.silent == 1


def test_a_call_that_nobody_can_read_is_a_silent_one_of_its_campaign() -> None:
    """The key says whose; without a key, or under no campaign's, it is only logged."""
    log = Log()
    log.raw(campaign_key("acme", "spring"), b"junk")
    log.raw(None, b"junk")
    log.raw(b"odd", b"junk")
    foreign = CODEC.encode("noli.Claim", {"epoch": 1, "owner": "x", "at": 1})
    log.raw(campaign_key("acme", "autumn"), foreign)
    book = log.open()
    found = {t.campaign: t.record(NOON).whole for t in book.all()}
    one = Counts(silent=1, cut_unrecorded=1, noise_unrecorded=1)
    assert found == {"spring": one, "autumn": one}


def test_holds_are_confirmed_when_published() -> None:
    """By the controller's own applications, asked once each time."""
    log = Log()
    log.call(call(0, decided=NOON))
    book = log.open()
    log.publish(book)
    assert log.publish(book, NOON) == []
    assert log.publish(book, NOON + 1) == ["spring"]
    assert log.open().all()[0].record(NOON).whole.holds_confirmed == 1


def test_a_late_record_of_a_replaced_watcher_is_passed_over() -> None:
    """It counted fewer calls; its beacon only lets some be read again, which are known."""
    log = Log()
    for n in range(4):
        log.call(call(n))
    zombie = log.open()
    late = zombie.all()[0].record(NOON)
    log.call(call(4))
    heir = log.open()
    log.publish(heir)
    key = campaign_key("acme", "spring")
    log.known.take(0, key, "noli.Campaign", campaign_record(late, "z"))
    log.known.take(0, b"beacon", "noli.CampaignBeacon", {"read": 1})
    assert log.open().all()[0].record(NOON).whole.silent == 5


def test_a_log_that_was_replaced_is_counted_on_without_counting_twice() -> None:
    """It ends before our position: what is known stands, and the places begin anew."""
    log = Log()
    for n in range(3):
        log.call(call(n + 10))
    book = log.open()
    log.publish(book)
    book.replaced(1)
    assert book.position == 1
    assert log.publish(book) == ["spring"]
    later = Record("noli.calls", 0, 1, campaign_key("acme", "spring"),
                   CODEC.encode("noli.Call", call(4)), NOON)  # fmt: skip
    book.take(later.offset, later.value, later.key)
    assert book.all()[0].record(NOON).whole.silent == 4
    log.publish(book)
    assert log.known.read(0) == 2


def test_what_somebody_else_wrote_is_written_over() -> None:
    """A record of ours is to stand behind a late one of a watcher that was replaced."""
    log = Log()
    log.call(call(0))
    log.call(call(0, campaign="autumn"))
    book = log.open()
    log.publish(book)
    assert log.publish(book) == []
    book.restate()
    assert sorted(log.publish(book)) == ["autumn", "spring"]
