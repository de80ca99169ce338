"""Bugs that the state machine must find: each is one wrong line, put into the product for a while.

A test for the test: a machine that misses one of these proves little of those it never met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from connectors.tracks import Track
from noli.domain.facts import EVERY_BRAND, Fact, ProfilingPerformed
from noli.domain.rules import denials
from noli.domain.rules.case import Case
from noli.domain.state import Denial
from noli.replica.gate import Gate
from noli.runtime.beacons import Beacons
from noli.runtime.lanes import Lanes
from noli.runtime.outputs import Outputs
from noli.runtime.part import Part
from noli.runtime.processor import Processor
from noli.runtime.repair import Repairs

Plant = AbstractContextManager[object]


def committed_before_delivery() -> Plant:
    """The offset goes first: a crash between the two loses what was read."""
    right = Processor._batch

    def wrong(self: Processor, messages: list[Any]) -> None:
        for message in messages:
            place = (message.topic(), message.partition())
            self._lanes.position[place] = message.offset() + 1
        self._lanes.commit(wait=True)
        right(self, messages)

    return patch.object(Processor, "_batch", wrong)


def tie_for_the_consent() -> Plant:
    """A consent of the very moment of an objection lifts it."""

    def wrong(case: Case, denial: Denial) -> int:
        mask = 0
        for lift in case.lifts:
            named = lift.brand in (EVERY_BRAND, denial.brand)
            if lift.time >= denial.time and lift.accepted >= denial.accepted and named:
                mask |= lift.mask
        return mask

    return patch.object(denials, "lifted", wrong)


def late_evidence_lifts() -> Plant:
    """Only the acceptance counts: an old consent that comes late lifts."""

    def wrong(case: Case, denial: Denial) -> int:
        return sum({lift.mask for lift in case.lifts if lift.accepted > denial.accepted})

    return patch.object(denials, "lifted", wrong)


@contextmanager
def stale_epoch_accepted() -> Iterator[None]:
    """A connector believes a worker that had been replaced."""
    right = Track._taken

    def wrong(self: Track, *record: Any) -> Any:  # noqa: ANN401 - as the right one
        self.epoch = 0
        return right(self, *record)

    with patch.object(Track, "_taken", wrong):
        yield


def state_without_its_decision() -> Plant:
    """The bug of ADR 9: a state says "seen" whose decision was never told, and nobody tells it."""
    return patch.object(Processor, "_publish", lambda *_: None)


@contextmanager
def followers_do_not_wait() -> Iterator[None]:
    """The bug of ADR 18: "read empty" is taken for "read to the end", and a past for the whole."""
    right = Lanes._reached

    def reached(self: Lanes, *which: Any) -> bool:  # noqa: ANN401 - as the right one
        right(self, *which)
        return True

    with patch.object(Lanes, "_reached", reached), patch.object(Part, "folding", False):
        yield


@contextmanager
def decision_before_its_state() -> Iterator[None]:
    """The bug of ADR 16: applications obey what a successor does not know of.

    With that of ADR 18: where what denies is read first, the successor knows it in time.
    """

    def emit(self: Part, topic: str, key: bytes | None, value: bytes) -> None:
        self.outputs.send(topic, self.number, key, value)

    with patch.object(Part, "emit", emit), followers_do_not_wait():
        yield


def delivery_errors_swallowed() -> Plant:
    """What the broker did not confirm is taken for confirmed."""
    return patch.object(Outputs, "_raise_if_failed", lambda _: None)


def beacon_ahead_of_the_position() -> Plant:
    """A beacon is told before what it speaks of is decided."""
    return patch.object(Beacons, "_position", lambda *_: 1 << 60)


def foreign_records_left() -> Plant:
    """Nobody writes over what a paused owner wrote last."""

    def wrong(_: Repairs) -> Mapping[int, set[bytes]]:
        return {}

    return patch.object(Repairs, "look", wrong)


def lease_ignored() -> Plant:
    """A replica that hears nothing goes on answering."""
    return patch.object(Gate, "_fresh", lambda *_: True)


def quarantine_without_suppression() -> Plant:
    """What cannot be read is kept for a human, and its contact goes on as before."""

    def wrong(fact: Fact) -> Fact:
        return replace(fact, detail=ProfilingPerformed(None, None, None))

    from noli import wire  # noqa: PLC0415 - its own name is patched

    right = wire.unreadable_fact
    return patch.object(wire, "unreadable_fact", lambda *record: wrong(right(*record)))


#: Those that are found soonest come first.
PLANTS: Final = (
    committed_before_delivery,
    quarantine_without_suppression,
    followers_do_not_wait,
    beacon_ahead_of_the_position,
    tie_for_the_consent,
    state_without_its_decision,
    decision_before_its_state,
    delivery_errors_swallowed,
    foreign_records_left,
    stale_epoch_accepted,
    late_evidence_lifts,
    lease_ignored,
)
