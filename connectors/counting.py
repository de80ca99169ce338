"""What an application's process tells Prometheus of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from connectors.backoff import Pace
from connectors.drift import Cause
from connectors.protocol import Change, Reject, Result, Retry
from connectors.receipts import Settled
from connectors.waiting import takes_away
from noli.domain.canary import is_canary
from noli.runtime import violations
from noli.runtime.clock import now_ms, steady
from noli.runtime.metrics import delivery, stages
from noli.runtime.metrics.process import Invariant

_S: Final = 1_000.0  # ms in a second
#: Reasons of a `Retry` that mean silence.
_SILENCE: Final = frozenset({"hung", "timeout"})


class Counts:
    """The metrics of one application."""

    def __init__(self, app: str) -> None:
        self._app = app
        delivery.begin(app)
        self._deliver = stages.STAGE_SECONDS.labels("deliver").observe
        self._apply = stages.STAGE_SECONDS.labels("apply").observe

    def read(self, decided_at: int) -> None:
        """A decision that stood in the log since `decided_at` (ms) was read, and is news."""
        self._deliver(max(0, now_ms() - decided_at) / _S)

    def failed(self, retry: Retry) -> None:
        """The application took nothing of a batch."""
        outcome = "retry"
        if retry.reason in _SILENCE:
            outcome = "timeout"
        elif retry.after is not None:
            outcome = "throttled"
        delivery.ATTEMPTS.labels(self._app, outcome).inc()

    def answered(self, results: Sequence[Result], began: float) -> None:
        """The application answered for a batch that was offered at `began` (steady clock)."""
        self._apply(steady() - began)
        outcome = "ok"
        if any(isinstance(result, Retry) for result in results):
            outcome = "partial"
        elif any(isinstance(result, Reject) for result in results):
            outcome = "rejected"
        delivery.ATTEMPTS.labels(self._app, outcome).inc()

    def settled(self, settled: Iterable[Settled], at: int, *, news_from: int) -> None:
        """Receipts of what was confirmed at a moment (ms); older offsets are nobody's delay."""
        for one in settled:
            delivery.CHANGES.labels(self._app, one.outcome).inc()
            delivery.CHANGES.labels(self._app, "superseded").inc(len(one.entry.past))
            change = one.entry.change
            if one.outcome == "applied" and change.offset >= news_from and not one.entry.again:
                delay = max(0, at - change.accepted) / _S
                delivery.PROPAGATION_SECONDS.labels(self._app, *_kind(change)).observe(delay)

    def stands(self, pending: int, unreadable: int, as_of: int | None, *, held: bool) -> None:
        """Stock was taken."""
        delivery.PENDING.labels(self._app).set(pending)
        delivery.HELD.labels(self._app).set(held)
        delivery.UNREADABLE.labels(self._app).set(unreadable)
        delivery.CONFIRMED_AS_OF.labels(self._app).set((as_of or 0) / _S)

    def paced(self, pace: Pace, flying: int) -> None:
        """How the application is tried."""
        delivery.FAILURES.labels(self._app).set(pace.failures)
        state, next_try = delivery.CLOSED, 0.0
        if pace.failures:
            state = delivery.HALF_OPEN if flying else delivery.OPEN
            next_try = now_ms() / _S + max(0.0, pace.opens - steady())
        delivery.CIRCUIT.labels(self._app).set(state)
        delivery.NEXT_TRY.labels(self._app).set(next_try)

    def waits_since(self, accepted: int | None) -> None:
        """Acceptance (ms) of the oldest change that is not confirmed."""
        delivery.OLDEST_PENDING.labels(self._app).set((accepted or 0) / _S)


def mismatched(app: str, causes: Mapping[str, int]) -> None:
    """Contacts an application holds wrongly were found, by cause."""
    for cause, count in causes.items():
        delivery.MISMATCHES.labels(app, cause).inc(count)
    if unknown := causes.get(Cause.NEWER, 0):
        violations.note(Invariant.UNKNOWN_VERSION, unknown)


def _kind(change: Change) -> tuple[str, str]:
    """What a change does, and whether it is a canary's: labels of the propagation."""
    kind = "objection" if takes_away(change.verdicts) else "other"
    return kind, "true" if is_canary(change.contact) else "false"
