"""How far behind each application is, and until when; from what the watcher published."""

from __future__ import annotations

import io

from rich.console import Console

from noli.cli.lag import Look, lags, table
from noli.wire.alignment import OVERALL, Aligned, Hold, Origin, Point
from noli.wire.apps import App, State

NOW = 1_000_000


def published(app: str, as_of: int | None, *holds: str, pending: int = 0) -> Aligned:
    """One application on two partitions, at 90 and 40."""
    held = tuple(Hold(why, None, 1, None) for why in holds)
    points = (Point(0, 90, as_of), Point(1, 40, as_of))
    return Aligned(app, NOW, "watch-0", Origin(0, 1), as_of, held, points, pending)


def look(*found: Aligned, **apps: State) -> Look:
    """Decisions end at 100 and 100; everybody moves by 10 records a second."""
    registered = {name: App(name, state) for name, state in apps.items()}
    paces = {one.app: 10.0 for one in found}
    return Look({one.app: one for one in found}, registered, {0: 100, 1: 100}, paces, NOW)


def test_seconds_records_and_the_time_until_it_is_through() -> None:
    """Records between the frontier and the end, at the pace of the last half minute."""
    slow = published("slow", NOW - 60_000, pending=7)
    (one, _) = lags(look(slow, slow=State.RUNNING))
    assert (one.lag_seconds, one.records, one.pending) == (60.0, 70, 7)
    assert (one.records_a_second, one.eta_seconds) == (10.0, 7.0)
    assert not one.aligned


def test_what_is_held_is_not_aligned_however_fresh() -> None:
    """Seconds old and held back: the reasons are named; nothing known is no number."""
    fresh, held = published("fresh", NOW - 3_000), published("held", NOW - 3_000, "wrong", "dead")
    found = look(fresh, held, fresh=State.RUNNING, held=State.RUNNING, silent=State.RUNNING)
    rows = {one.app: one for one in lags(found)}
    assert rows["fresh"].aligned
    assert (rows["held"].aligned, rows["held"].held_by) == (False, ("wrong", "dead"))
    silent = rows["silent"]
    assert (silent.as_of, silent.records, silent.held_by) == (None, None, ("not_reported",))


def test_the_furthest_behind_comes_first_and_all_together_last() -> None:
    """Who was removed is not shown; who was never registered is."""
    found = look(
        published("b", NOW - 1_000), published("a", NOW - 9_000), published("gone", NOW),
        published("stray", NOW - 5_000), published(OVERALL, NOW - 9_000),
        a=State.RUNNING, b=State.RUNNING, gone=State.REMOVED, mute=State.PAUSED,
    )  # fmt: skip
    rows = lags(found)
    assert [one.app for one in rows] == ["mute", "a", "stray", "b", OVERALL]
    assert rows[-1].records is None


def test_the_table_says_it_in_words() -> None:
    """Not known, and how long ago; until when; the reasons without underscores."""
    held = published("held", None, "partition_unknown")
    slow = published("slow", NOW - 125_000)
    out = io.StringIO()
    Console(file=out, width=160).print(table(lags(look(held, slow))))
    text = out.getvalue()
    assert "not known" in text
    assert "partition unknown" in text
    assert "2 min 05 s ago" in text
    assert "7 s" in text
    assert "all together" in text
