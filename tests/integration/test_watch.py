"""A watcher on a real broker: as of when each application is aligned, and what holds it back."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest

from noli.cli import lag, quarantine
from noli.wire.alignment import OVERALL, Aligned
from noli.wire.apps import Verb
from tests.support.stack import Stack
from tests.support.watched import Watched


@pytest.fixture(scope="module")
def watched(own_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The catalogue's own topics, a watcher on them, and whoever reports to it."""
    with Watched(own_stack, tmp_path_factory.mktemp("watched")) as found:
        yield found


def test_an_application_that_reports_is_aligned_as_of_its_beacons(watched: Watched) -> None:
    """Everything known and fresh: as of the oldest partition's beacon, and nothing holds it."""
    watched.act("calm", Verb.ADDED)
    as_of, found = watched.aligned("calm")
    assert found.as_of == as_of - 2_000  # what persons said, a second before that
    watched.act("calm", Verb.REMOVED)


def test_what_is_not_known_is_not_claimed(watched: Watched) -> None:
    """A partition that never reported: no time at all; and none of all applications together."""
    watched.act("partial", Verb.ADDED)
    watched.report("partial", partitions=range(7))
    found = watched.until("partial", lambda one: bool(one.points))
    assert found.as_of is None
    assert "partition_unknown" in {hold.why for hold in found.held_by}
    assert watched.until(OVERALL, lambda one: "partial" in told(one)).as_of is None
    watched.act("partial", Verb.REMOVED)


def test_a_removed_application_holds_nobody_back(watched: Watched) -> None:
    """Registered and silent it holds the number of all; removed it does not."""
    watched.act("silent", Verb.ADDED)
    watched.until(OVERALL, lambda one: one.as_of is None and "silent" in told(one))
    watched.act("silent", Verb.REMOVED)
    watched.until(OVERALL, lambda one: "silent" not in told(one))


def test_a_connector_that_says_no_more_is_dead(watched: Watched) -> None:
    """Ten seconds after its last word the application is held as dead, and its time stands.

    Nobody ever registered it; it holds the number of all together none the less.
    """
    watched.report("dying", ago_ms=9_000)
    before = watched.until("dying", lambda one: one.as_of is not None)
    after = watched.until("dying", lambda one: "dead" in {hold.why for hold in one.held_by})
    assert after.as_of == before.as_of
    assert (watched.until(OVERALL, lambda one: "dying" in told(one)).as_of or 0) <= (
        after.as_of or 0
    )
    watched.act("dying", Verb.REMOVED)


def test_a_false_confirmation_takes_the_time_back(watched: Watched) -> None:
    """Confirmed, then read back and found otherwise: not aligned past that verdict, until verified.

    A watcher that is killed meanwhile knows it still.
    """
    watched.act("liar", Verb.ADDED)
    accepted = watched.report("liar")
    watched.receipt("liar", "applied", accepted)
    watched.until("liar", lambda one: one.as_of is not None)
    watched.report("liar", later_ms=5_000)
    watched.until("liar", lambda one: (one.as_of or 0) > accepted - 5_000)
    watched.receipt("liar", "drifted", accepted - 60_000)
    watched.until("liar", lambda one: one.as_of == accepted - 60_000)
    watched.receipt("liar", "applied", accepted - 60_000)
    watched.restart(signal.SIGKILL)
    watched.report("liar")
    found = watched.until("liar", lambda one: one.watcher == watched.name and one.at > accepted)
    assert found.as_of == accepted - 60_000
    assert [(one.outcome, one.accepted) for one in found.wrong] == [("drifted", accepted - 60_000)]
    watched.receipt("liar", "verified", accepted - 60_000)
    watched.until("liar", lambda one: (one.as_of or 0) > accepted - 60_000 and not one.wrong)
    watched.act("liar", Verb.REMOVED)


def test_a_quarantined_record_holds_everybody_until_somebody_has_dealt_with_it(
    watched: Watched,
) -> None:
    """Back to when the log took it; listed without the contact, shown with it, resolved by name."""
    watched.act("held", Verb.ADDED)
    as_of = watched.report("held")
    watched.until("held", lambda one: one.as_of == as_of - 2_000)
    watched.quarantine(as_of - 60_000, "+39 333 1234567")
    watched.until("held", lambda one: one.as_of == as_of - 60_000)
    assert "quarantine" in {hold.why for hold in watched.until(OVERALL, lambda _: True).held_by}
    listed = watched.noli(quarantine.app, "list", "--json")
    (found,) = json.loads(listed.output)
    assert listed.exit_code == 1
    assert "1234567" not in listed.output
    assert "1234567" in watched.noli(quarantine.app, "show", found["id"]).output
    assert watched.noli(quarantine.app, "resolve", found["id"], "--note", " ").exit_code != 0
    done = watched.noli(quarantine.app, "resolve", found["id"], "--note", "sent again, corrected")
    assert done.exit_code == 0, done.output
    watched.until("held", lambda one: one.as_of == as_of - 2_000)
    assert watched.noli(quarantine.app, "list").exit_code == 0
    every = json.loads(watched.noli(quarantine.app, "list", "--all", "--json").output)
    assert [one["note"] for one in every] == ["sent again, corrected"]
    watched.act("held", Verb.REMOVED)


def test_lag_says_how_far_behind_and_until_when(watched: Watched) -> None:
    """Seconds, records, the pace and what holds it; exit code 1 while all are not aligned."""
    watched.act("slow", Verb.ADDED)
    watched.report("slow", pending=7, last_error="http_503", failures=2, next_try=1)
    found = watched.until("slow", lambda one: one.pending == 7)
    told = watched.noli(lag.app, "--json")
    rows = {row["app"]: row for row in json.loads(told.output)}
    assert rows["slow"]["as_of"] == found.as_of
    assert (rows["slow"]["pending"], rows["slow"]["last_error"]) == (7, "http_503")
    assert rows["slow"]["lag_seconds"] > 1
    assert list(rows)[-1] == OVERALL
    assert told.exit_code == (0 if rows[OVERALL]["aligned"] else 1)
    assert "slow" in watched.noli(lag.app).output
    watched.act("slow", Verb.REMOVED)


def told(overall: Aligned) -> str:
    """The names of those that hold the number of all."""
    return " ".join(hold.detail or "" for hold in overall.held_by)
