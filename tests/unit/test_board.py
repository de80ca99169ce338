"""What a board knows and says: every doubt ends in "not aligned"."""

from __future__ import annotations

import json
from typing import Any

import pytest

from noli.board import documents
from noli.board.hub import KEPT, Hub
from noli.board.known import OVERALL, Known
from noli.board.lags import POINTS, STEP_MS, Lags
from noli.board.news import TOPICS, read
from noli.board.standing import Overall, State, overall, standing, standings
from noli.wire.apps import Verb
from schemas.codec import topic_catalogue
from schemas.names import ALIGNMENT, BEACON_KEY, CAMPAIGNS, QUARANTINE
from tests.support.board import (
    CODEC,
    NOW,
    Log,
    alignment,
    attempt,
    campaign,
    canary,
    held,
    known,
    two,
    wrong,
)
from tests.support.neutral import neutral


def state(record: dict[str, Any] | None, now: int = NOW) -> State:
    """Of an application of which that was said."""
    log = Log()
    log.act("crm")
    return standing(known(log).apps["crm"], record, now).state


def whole(log: Log, now: int = NOW) -> Overall:
    """All applications of a log."""
    found = known(log)
    return overall(found, standings(found, now), now)


@pytest.mark.rule("ALL-ALIGNED")
@pytest.mark.parametrize(
    "over, expected",
    [
        ({}, State.ALIGNED),
        ({"as_of": NOW - 9_999}, State.ALIGNED),
        ({"as_of": NOW - 10_000}, State.BEHIND),
        ({"as_of": NOW - 10_000, "held_by": [held("parties")]}, State.HELD),
        ({"held_by": [held("parties")]}, State.ALIGNED),
        ({"held_by": [held("wrong", count=3)]}, State.HELD),
        ({"held_by": [held("unreadable")]}, State.HELD),
        ({"held_by": [held("quarantine")]}, State.HELD),
        ({"held_by": [held("dead")]}, State.SILENT),
        ({"held_by": [held("not_reported")], "as_of": None}, State.SILENT),
        ({"held_by": [held("paused")]}, State.PAUSED),
        ({"as_of": None}, State.UNKNOWN),
        ({"held_by": [held("partition_unknown")], "as_of": None}, State.UNKNOWN),
        ({"at": NOW - 10_001, "as_of": NOW - 5_000}, State.SILENT),
        ({"as_of": NOW + 2_001}, State.SILENT),
        ({"at": NOW + 2_001, "as_of": NOW}, State.SILENT),
    ],
)  # fmt: skip
def test_an_application_is_aligned_only_where_nothing_speaks_against_it(
    over: dict[str, Any], expected: State
) -> None:
    """Young, nothing grave, said lately, by a clock like ours; else the state says why not."""
    assert state({**alignment("crm"), **over}) is expected


@pytest.mark.rule("ALL-ALIGNED")
def test_a_registered_application_without_a_record_is_there_and_not_aligned() -> None:
    """Its times are null, and all together are aligned as of nobody knows when."""
    log = two()
    log.act("new")
    found = known(log)
    body = documents.alignment(whole(log), standings(found, NOW), NOW)
    assert [app["app"] for app in body["apps"]] == ["crm", "dialer", "new"]
    new = body["apps"][2]
    assert (new["state"], new["aligned"], new["aligned_as_of"]) == ("unknown", False, None)
    assert new["held_by"] == [{"why": "unknown", "since": None, "count": 1, "detail": None}]
    assert (body["aligned"], body["aligned_as_of"], body["lag_seconds"]) == (False, None, None)


@pytest.mark.rule("ALL-ALIGNED")
def test_a_removed_application_is_gone_and_holds_nobody() -> None:
    """Also where its last record stands; added again it is there at once."""
    log = two()
    log.act("dialer", Verb.REMOVED)
    log.align(alignment("dialer", as_of=None))
    assert [one.app.name for one in standings(known(log), NOW)] == ["crm"]
    assert whole(log).aligned
    log.act("dialer")
    assert not whole(log).aligned


@pytest.mark.rule("ALL-ALIGNED")
def test_all_together_are_as_fresh_as_the_worst_of_them_and_as_the_watcher_says() -> None:
    """The oldest of all, the watcher's own number included; null where one is not known."""
    log = two()
    assert (whole(log).as_of, whole(log).aligned) == (NOW - 2_000, True)
    log.align(alignment("crm", as_of=NOW - 7_000))
    assert (whole(log).as_of, whole(log).aligned) == (NOW - 7_000, True)
    log.align(alignment(OVERALL, as_of=NOW - 8_000, held_by=[held("quarantine", NOW - 8_000)]))
    assert whole(log).as_of == NOW - 8_000
    assert [hold.why for hold in whole(log).holds] == ["quarantine"]
    log.align(alignment("crm", as_of=None))
    assert (whole(log).as_of, whole(log).aligned) == (None, False)


@pytest.mark.rule("ALL-ALIGNED")
def test_a_silent_watcher_leaves_nothing_aligned() -> None:
    """Ten seconds after its last word everybody is silent; before any word too."""
    log = two()
    assert whole(log, NOW + 9_999).silent is False
    later = NOW + 10_001
    assert (whole(log, later).silent, whole(log, later).aligned) == (True, False)
    assert {one.state for one in standings(known(log), later)} == {State.SILENT}
    empty = whole(Log())
    assert (empty.silent, empty.aligned, empty.as_of, empty.said_at) == (True, False, None, None)


@pytest.mark.rule("ALL-ALIGNED")
def test_a_watcher_that_was_replaced_is_not_heard() -> None:
    """A record that accounts for less than the one before it, or an earlier one, is passed over."""
    log = two()
    origin = {"partition": 0, "offset": 9, "needed": None}
    log.align(alignment("crm", NOW + 1_000, as_of=NOW - 90_000, origin=origin))
    late = alignment("crm", NOW + 2_000, origin={**origin, "offset": 8})
    log.align(late)
    assert standings(known(log), NOW + 2_000)[0].as_of == NOW - 90_000
    log.align({**late, "origin": origin})
    assert standings(known(log), NOW + 2_000)[0].as_of == NOW


def test_an_application_that_nobody_announced_is_there_once_it_is_heard_of() -> None:
    """As the watcher has it: it counts like any other, and has no sink to be shown."""
    log = two()
    log.align(alignment("stray", as_of=None, held_by=[held("not_reported")]))
    stray = standings(known(log), NOW)[2]
    assert (stray.app.name, stray.state, documents.app(stray)["sink"]) == (
        "stray",
        State.SILENT,
        None,
    )
    assert whole(log).as_of is None


def test_a_paused_application_is_paused_whatever_the_watcher_says() -> None:
    """What somebody ordered counts from the order on."""
    log = two()
    log.act("crm", Verb.PAUSED)
    crm, dialer = standings(known(log), NOW)
    assert (crm.state, crm.aligned, dialer.state) == (State.PAUSED, False, State.ALIGNED)


def test_a_record_that_nobody_can_read_makes_its_application_unknown() -> None:
    """Not the record before it: it may have taken everything back. A deleted key is forgotten."""
    log = two()
    log.append(ALIGNMENT, "crm", b"\0rubbish")
    assert standings(known(log), NOW)[0].state is State.UNKNOWN
    assert whole(log).aligned is False
    log.append(ALIGNMENT, "crm", None)
    assert standings(known(log), NOW)[0].state is State.UNKNOWN
    log.align(alignment("crm"))
    assert whole(log).aligned


def test_the_quarantine_is_counted_until_it_is_resolved_and_tells_of_nobody() -> None:
    """In whatever order the two are read; what cannot be read waits too."""
    log = Log()
    for age in (90_000, 60_000):
        log.quarantine(NOW - age)
    assert documents.quarantine(known(log)) == {
        "count": 2, "oldest": "2026-11-28T14:01:54Z", "topics": ["noli.grants"],
    }  # fmt: skip
    log.resolve(0)
    assert documents.quarantine(known(log))["oldest"] == "2026-11-28T14:02:24Z"
    log.append(QUARANTINE, "", b"\0rubbish")
    assert documents.quarantine(known(log))["count"] == 2
    backwards = Log()
    backwards.records = [*reversed(log.records)]
    assert documents.quarantine(known(backwards))["count"] == 2
    assert "333" not in repr(known(log).quarantine)


def test_a_page_of_an_application_shows_all_but_whose_verdicts_are_wrong() -> None:
    """Attempts, partitions, the canary, the curve; of wrong verdicts no token."""
    log = two()
    over: dict[str, Any] = {
        "attempts": [attempt(), attempt("retried", reason="http_503")], "wrong": [wrong()],
        "wrong_more": 2, "last_error": "http_503", "next_try": NOW + 12_000,
    }  # fmt: skip
    log.align(alignment("crm", **over))
    log.probe(canary("crm"))
    found = known(log)
    curve = found.lags.curve("crm", NOW)
    page = documents.app_page(standings(found, NOW)[0], found.canaries["crm"], curve, NOW)
    assert page["last_attempt"]["reason"] == "http_503"
    assert [each["outcome"] for each in page["attempts"]] == ["applied", "retried"]
    assert page["partitions"] == [{"partition": 0, "frontier": 7, "as_of": "2026-11-28T14:03:22Z"}]
    assert (page["wrong"], page["wrong_changes"][0]["outcome"]) == (3, "drifted")
    assert page["canary"]["last_ms"] == 180
    assert (len(page["lags"]), page["lags"][-1]) == (POINTS, None)
    assert "token" not in json.dumps(page)


def test_a_campaign_tells_its_ratio() -> None:
    """Silent calls in 100 that went well, as the law counts; none where nothing was answered."""
    assert documents.campaign_document(campaign("x", attended=200, silent=9))["ratio"] == 4.5
    assert documents.campaign_document(campaign("x", attended=10, silent=4))["ratio"] == 4.0
    assert documents.campaign_document(campaign("x", attended=0, silent=0))["ratio"] is None


def test_the_beacon_of_the_campaigns_is_no_campaign() -> None:
    """It says how far calls are counted, once a second; readable or not, no campaign is shown."""
    log = Log()
    log.count(campaign("winter"))
    beacon = {"partition": 0, "as_of": NOW, "at": NOW, "read": 7, "watcher": "watch-0"}
    for value in (CODEC.encode("noli.CampaignBeacon", beacon), b"of a newer build"):
        log.append(CAMPAIGNS, "beacon", value)
        assert known(log).campaigns.keys() == {"acme\x1fwinter"}


@pytest.mark.parametrize(
    "topic, record",
    [(name, each) for name in TOPICS for each in topic_catalogue()["topics"][name]["records"]],
)
def test_the_board_takes_whatever_its_topics_carry(topic: str, record: str) -> None:
    """No record of the catalogue ends the process, also one that a board does not show."""
    log, found = Log(), Known()
    key = BEACON_KEY.decode() if record.endswith("Beacon") else "key"
    log.append(topic, key, CODEC.encode(record, neutral(record)))
    found.take(read(log.records, CODEC, 0))
    hub = Hub(found)
    hub.tick(NOW)
    ((name, board),) = events(hub.whole())
    assert (name, "key" in board["campaigns"]) == ("board", record == "noli.Campaign")


def test_only_the_newest_record_of_a_key_is_told_but_for_the_curve() -> None:
    """Before the curve one is enough, then one a step, lately each; acts are told each."""
    log = Log()
    log.act("crm")
    log.act("crm", Verb.PAUSED)
    for second in range(12):
        log.align(alignment("crm", NOW + second * 1_000))
    told = read(log.records, CODEC, NOW + 3_600_000)
    assert [each.name for each in told] == ["noli.AppAction"] * 2 + ["noli.Alignment"]
    assert told[-1].offset == 11
    after = read(log.records, CODEC, NOW + 100_000)
    assert [each.offset for each in after] == [0, 1, 0, 5, 10, 11]
    assert len(read(log.records, CODEC, NOW + 20_000)) == 2 + 12


def test_a_curve_holds_the_worst_lag_of_each_step() -> None:
    """A step of which nothing is known is a gap; old steps and gone applications are forgotten."""
    lags = Lags()
    lags.told("crm", NOW - STEP_MS, NOW - STEP_MS - 3_000)
    lags.told("crm", NOW - STEP_MS + 1_000, NOW - STEP_MS)
    lags.told("crm", NOW - 3 * STEP_MS, NOW)
    lags.told("crm", NOW, None)
    assert lags.curve("crm", NOW)[-3:] == [0.0, None, 3.0]
    lags.tick(NOW + POINTS * STEP_MS, {"crm": None})
    assert set(lags.curve("crm", NOW)) == {None}
    lags.tick(NOW, {"crm": NOW - 1_000})
    lags.tick(NOW + STEP_MS, {})
    assert set(lags.curve("crm", NOW + STEP_MS)) == {None}


def events(data: bytes) -> list[tuple[str, Any]]:
    """Name and data of each."""
    found = []
    for each in data.decode().split("\n\n"):
        if each:
            fields = dict(line.split(": ", 1) for line in each.split("\n"))
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_changes_laid_over_a_board_make_the_next_one() -> None:
    """Fields that changed, null for what is gone; nothing at all where nothing changed."""
    log = two()
    log.probe(canary("dialer"))
    log.count(campaign("winter"))
    found = known(log)
    hub = Hub(found)
    hub.tick(NOW)
    ((_, board),) = events(hub.whole())
    here = hub.number
    log.records.clear()
    log.align(alignment("crm", NOW + 1_000, pending=3))
    log.act("dialer", Verb.REMOVED)
    found.take(read(log.records, CODEC, 0))
    hub.tick(NOW + 1_000)
    ((name, change),) = events(hub.since(here) or b"")
    assert name == "change"
    assert change["apps"] == {
        "dialer": None,
        "crm": {
            "aligned_as_of": "2026-11-28T14:03:23Z", "pending": 3,
            "reported_at": "2026-11-28T14:03:24.500Z",
        },
    }  # fmt: skip
    assert change["canaries"] == {"dialer": None}
    assert "campaigns" not in change
    laid = {**board["apps"]["crm"], **change["apps"]["crm"]}
    ((_, after),) = events(hub.whole())
    assert after["apps"] == {"crm": laid}
    assert after["campaigns"]["acme\x1fwinter"]["answered"] == 100
    here = hub.number
    hub.tick(NOW + 1_000)
    assert hub.number == here


def test_a_client_that_comes_back_goes_on_where_it_stood() -> None:
    """By the id it saw last, while that is kept; of another life, or too old: all of it."""
    log = two()
    found = known(log)
    hub = Hub(found)
    hub.tick(NOW)
    place = hub.place
    assert hub.stood(place) == hub.number
    for second in range(1, KEPT + 1):
        found.take(read([log.align(alignment("crm", NOW + second * 1_000))], CODEC, 0))
        hub.tick(NOW + second * 1_000)
    assert hub.stood(place) == 1
    assert len(events(hub.since(1) or b"")) == KEPT
    assert hub.since(0) is None
    for wrong_place in (
        None,
        "",
        "rubbish",
        f"{'0' * 8}.1",
        place.replace(".1", ".-1"),
        f"{place}999",
    ):
        assert hub.stood(wrong_place) is None
    assert Hub(found).stood(place) is None


def test_curves_gain_one_point_a_step() -> None:
    """With the change that comes after the step is over; the same for all together."""
    log = two()
    found = known(log)
    hub = Hub(found)
    hub.tick(NOW)
    ((_, board),) = events(hub.whole())
    assert board["lags"]["curves"].keys() == {"*", "crm", "dialer"}
    assert {len(curve) for curve in board["lags"]["curves"].values()} == {POINTS}
    here = hub.number
    hub.tick(NOW + STEP_MS)
    ((_, change),) = events(hub.since(here) or b"")
    assert change["lags"]["step"] == board["lags"]["step"] + 1
    assert change["lags"]["points"] == {"*": 2.0, "crm": 2.0, "dialer": 2.0}
