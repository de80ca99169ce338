"""What the receipts and reports of one application come to. Pure.

Records go in by the order of the log. What a connector says of its frontier stays true whatever it
says later, so the furthest word counts; that an application holds a contact wrongly stays true
until somebody has looked again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any, Final, NamedTuple

from noli.wire.alignment import DEAD_MS, Aligned, Attempt, Point, Wrong

#: Of the wrong verdicts so many are named in a record, the oldest.
NAMED_MOST: Final = 1_000
#: Attempts kept, over all connectors of the application.
_ATTEMPTS: Final = 20
#: The application answered for the change, and nobody has found otherwise.
_CONFIRMED: Final = frozenset({"applied", "verified"})
#: These neither confirm nor deny that the newest verdict stands there: the newest word does.
_SILENT: Final = frozenset({"received", "superseded"})
_DRIFTED: Final = "drifted"
_VERIFIED: Final = "verified"


class Said(NamedTuple):
    """What one connector said last of how the application fares. Times in ms."""

    at: int
    paused: bool
    pending: int
    oldest_pending: int | None
    failures: int
    unreadable: int
    last_error: str | None
    next_try: int | None


@dataclass(slots=True)
class Account:
    """One application, as far as `noli.receipts` was read."""

    app: str
    points: dict[int, Point] = field(default_factory=dict)
    #: By token. Whom the application is known not to hold as decided.
    wrong: dict[bytes, Wrong] = field(default_factory=dict)
    #: By connector process, of those heard within `DEAD_MS` of the newest.
    said: dict[str, Said] = field(default_factory=dict)
    attempts: deque[Attempt] = field(default_factory=lambda: deque(maxlen=_ATTEMPTS))
    #: Of the last report, ms.
    reported_at: int | None = None

    @classmethod
    def restored(cls, known: Aligned) -> Account:
        """As a watcher published it."""
        account = cls(known.app, {point.partition: point for point in known.points})
        account.wrong = {one.token: one for one in known.wrong}
        account.attempts.extend(known.attempts)
        account.reported_at = known.reported_at
        if known.reported_at is not None:
            found = {name: getattr(known, name) for name in Said._fields if name != "at"}
            account.said[""] = Said(known.reported_at, **found)
        return account

    def take(self, offset: int, record: str, datum: Mapping[str, Any]) -> None:
        """One more record of this application: its place, full name and decoded value."""
        if record == "noli.Report":
            self._report(datum)
        elif record == "noli.Receipt":
            self._move(Point(datum["partition"], datum["frontier"], datum["as_of"]))
            for change in datum["changes"]:
                self._settle(offset, datum["partition"], change)

    def named(self) -> list[Wrong]:
        """Whom it holds wrongly, the oldest first; a thousand at most."""
        return nsmallest(NAMED_MOST, self.wrong.values(), key=lambda one: (one.accepted, one.token))

    def needed(self) -> int | None:
        """Where to begin to read for what is not `named`; None: all is."""
        if len(self.wrong) <= NAMED_MOST:
            return None
        named = {one.token for one in self.named()}
        return min(one.found for token, one in self.wrong.items() if token not in named)

    def forget_points(self) -> None:
        """It was added again: what is there now is what its next connector says."""
        self.points.clear()
        self.said.clear()
        self.reported_at = None

    def _report(self, datum: Mapping[str, Any]) -> None:
        for point in datum["points"]:
            self._move(Point(**point))
        self.said.pop("", None)
        self.said[datum["worker"]] = Said(**{name: datum[name] for name in Said._fields})
        self.reported_at = max(self.reported_at or 0, datum["at"])
        for worker in [w for w, said in self.said.items() if said.at < self.reported_at - DEAD_MS]:
            del self.said[worker]  # its partitions are another one's by now
        self.attempts.extend(Attempt(**attempt) for attempt in datum["attempts"])

    def _move(self, to: Point) -> None:
        known = self.points.get(to.partition)
        if known is None or (to.as_of or 0) > (known.as_of or 0):
            self.points[to.partition] = to
        elif to.frontier > known.frontier:
            self.points[to.partition] = known._replace(frontier=to.frontier)

    def _settle(self, offset: int, partition: int, change: Mapping[str, Any]) -> None:
        token, version, outcome = change["token"], change["version"], change["outcome"]
        known = self.wrong.get(token)
        if outcome in _SILENT:
            return
        if outcome in _CONFIRMED:
            if known is not None and _clears(known, version, outcome):
                del self.wrong[token]
            return
        # rejected, drifted, and whatever a newer connector calls otherwise
        since, why = change["accepted"], change["reason"]
        found = Wrong(partition, token, version, offset, since, outcome, why)
        self.wrong[token] = found if known is None else _worse(known, found)


def _worse(known: Wrong, found: Wrong) -> Wrong:
    """Both together: the newer version, since the older of the two, drifted if either has."""
    newest = found if found.version >= known.version else known
    if known.version == found.version and known.outcome == _DRIFTED:
        newest = known
    accepted, first = min(known.accepted, found.accepted), min(known.found, found.found)
    return newest._replace(accepted=accepted, found=first)


def _clears(wrong: Wrong, version: int, outcome: str) -> bool:
    """Whether a confirmation settles what was wrong.

    An application that did not hold what it had confirmed is not believed when it confirms the
    same again: somebody must have read it back.
    """
    if version > wrong.version:
        return True
    return version == wrong.version and (outcome == _VERIFIED or wrong.outcome != _DRIFTED)
