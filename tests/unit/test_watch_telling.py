"""What the watcher tells Prometheus, and of whom no more."""

from __future__ import annotations

from noli.runtime.metrics.exposition import REGISTRY
from noli.wire.alignment import OVERALL, Aligned, Origin, Point
from noli.wire.apps import App, State
from streams.watch.alignment import Quarantined, World
from streams.watch.parties import Parties
from streams.watch.telling import Telling

APP = "told-crm"
PLACE = {"app": APP, "topic": "noli.decisions", "partition": "3"}


def value(name: str, **labels: str) -> float | None:
    """A sample of this process."""
    return REGISTRY.get_sample_value(name, labels)


def aligned(app: str, as_of: int | None) -> Aligned:
    """An application as published."""
    return Aligned(app, 0, "watch-0", Origin(0, 0), as_of, points=(Point(3, 42, as_of),))


def world(state: State, records: int = 0) -> World:
    """One application, and a quarantine."""
    return World(8, {APP: App(APP, state)}, Quarantined(records, None), Parties(8))


def test_watermark_frontier_and_quarantine_are_told() -> None:
    """In seconds; what is not known is 0, which no rule takes for aligned."""
    telling = Telling()
    telling.tell({APP: aligned(APP, 5_500), OVERALL: aligned(OVERALL, 4_000)},
                 world(State.RUNNING, 2))  # fmt: skip
    assert value("noli_app_watermark_timestamp_seconds", app=APP) == 5.5
    assert value("noli_aligned_watermark_timestamp_seconds") == 4
    assert value("noli_app_frontier_offset", **PLACE) == 42
    assert value("noli_quarantined_events") == 2
    telling.tell({APP: aligned(APP, None), OVERALL: aligned(OVERALL, None)}, world(State.PAUSED))
    assert value("noli_app_watermark_timestamp_seconds", app=APP) == 0
    assert value("noli_aligned_watermark_timestamp_seconds") == 0
    assert value("noli_quarantined_events") == 0


def test_an_application_that_was_removed_is_told_of_no_more() -> None:
    """Its watermark would page for ever."""
    telling = Telling()
    telling.tell({APP: aligned(APP, 5_500)}, world(State.RUNNING))
    telling.tell({APP: aligned(APP, 5_500)}, world(State.REMOVED))
    assert value("noli_app_watermark_timestamp_seconds", app=APP) is None
    assert value("noli_app_frontier_offset", **PLACE) is None
