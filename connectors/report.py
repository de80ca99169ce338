"""What a connector says of its application once a second: how far it is, what waits, what failed.

One `noli.Report` for all its partitions, in place of a receipt for each of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from connectors.backoff import Pace
from connectors.frontier import Point
from connectors.protocol import Reject, Result, Retry
from connectors.waiting import Waiting
from noli.runtime.clock import now_ms, steady

#: Attempts in one report; of a burst the newest are told.
_MOST: Final = 20
_MS_PER_S: Final = 1_000


#: What became of a batch: all answered for, some put off, nothing taken.
Tried = Literal["applied", "partial", "retried"]


class Attempt(NamedTuple):
    """One batch offered. `at`: when it was answered, ms; `ms`: how long that took.

    `reason`: a short code, where not all was taken.
    """

    at: int
    contacts: int
    outcome: Tried
    reason: str | None
    ms: int


class Attempts:
    """Those since the last report, the newest last; of a burst the newest are kept."""

    def __init__(self) -> None:
        self._kept: deque[Attempt] = deque(maxlen=_MOST)

    def answered(self, results: Sequence[Result], began: float) -> None:
        """The application answered for a batch that was offered at `began` (steady clock)."""
        reasons = [each.reason for each in results if isinstance(each, Retry | Reject)]
        whole = not any(isinstance(each, Retry) for each in results)
        self._add("applied" if whole else "partial", len(results), next(iter(reasons), None), began)

    def failed(self, retry: Retry, contacts: int, began: float) -> None:
        """It took nothing."""
        self._add("retried", contacts, retry.reason, began)

    def take(self) -> list[Attempt]:
        """What there is; it is not told twice."""
        taken = list(self._kept)
        self._kept.clear()
        return taken

    def _add(self, outcome: Tried, contacts: int, reason: str | None, began: float) -> None:
        took = round((steady() - began) * _MS_PER_S)
        self._kept.append(Attempt(now_ms(), contacts, outcome, reason, took))


class Health(NamedTuple):
    """How an application fares, beside how far it is. Times in ms; the fields of the contract."""

    paused: bool
    pending: int
    oldest_pending: int | None
    failures: int
    unreadable: int
    last_error: str | None
    next_try: int | None


def health(waiting: Waiting, pace: Pace, last_error: str | None) -> Health:
    """What the queue and the pace say; `last_error` counts while there are failures."""
    failures = pace.failures
    pause = round(max(0.0, pace.opens - steady()) * _MS_PER_S)
    return Health(
        paused=False,
        pending=len(waiting),
        oldest_pending=waiting.oldest(),
        failures=failures,
        unreadable=0,
        last_error=last_error if failures else None,
        next_try=now_ms() + pause if failures else None,
    )


def report(
    points: Mapping[int, Point], standing: Health, attempts: Sequence[Attempt]
) -> dict[str, Any]:
    """A `noli.Report` of this moment, but for who says it."""
    return {
        "at": now_ms(),
        "points": [
            {"partition": partition, "frontier": point.offset, "as_of": point.as_of}
            for partition, point in sorted(points.items())
        ],
        "attempts": [attempt._asdict() for attempt in attempts],
        **standing._asdict(),
    }
