"""What the calls of one campaign come to, call by call. Pure. SILENT-RATIO, SILENT-HOLD.

The same calls, in the order of each place, give the same counts, however often some are read again:
the last call counted of each place is part of what is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from noli.domain.campaigns import CALLS, KEPT_DAYS, NONE, Counts, day_of, is_over
from noli.wire.alignment import OVERALL, Aligned
from noli.wire.apps import App, State
from noli.wire.campaigns import Campaign, Pending, call_counts

#: Holds told apart while they wait; beyond, those of a day wait for the last of them.
_PENDING_MOST: Final = 1_000
#: Before the first call of a place.
_NOWHERE: Final = (-1, -1)

_CHANNELS: Final = frozenset(channel.value for channel in CALLS)


class Tally:
    """One campaign. `changed`: there is something that its last record does not say."""

    def __init__(self, known: Campaign) -> None:
        self.controller = known.controller
        self.campaign = known.campaign
        self.changed = False
        self.over = known.over
        self._since = known.over_since
        self._whole = known.whole
        self._days = dict(known.days)
        self._pending = list(known.pending)
        self._origins = dict(known.origins)

    @property
    def pending(self) -> int:
        """Holds that wait for confirmation."""
        return sum(each.holds for each in self._pending)

    def take(self, datum: Mapping[str, Any]) -> Counts:
        """Count a call; what it added, nothing where it was counted before."""
        place = datum["lane"], datum["partition"]
        at = datum["offset"], datum["item"]
        if at <= self._origins.get(place, _NOWHERE):
            return NONE
        self._origins[place] = at
        one = call_counts(datum)
        day = day_of(datum["answered_at"])
        self._add(day, one)
        if one.holds_due:
            self._pending.append(Pending(day, datum["decided"], 1))
            if len(self._pending) > _PENDING_MOST:
                self._pending = _merged(self._pending)
        return one

    def doubt(self, now: int) -> Counts:
        """A call that nobody can read: a silent one, of today."""
        one = Counts(silent=1, cut_unrecorded=1, noise_unrecorded=1)
        self._add(day_of(now), one)
        return one

    def confirm(self, as_of: int | None) -> None:
        """Every application of calls holds what was decided before `as_of` (ms; None: unknown)."""
        if as_of is None or not self._pending:
            return
        waiting = []
        for each in self._pending:
            if each.decided < as_of:
                self._add(each.day, Counts(holds_confirmed=each.holds))
            else:
                waiting.append(each)
        self._pending = waiting

    def begin_anew(self) -> None:
        """No call of the log that comes now was counted."""
        self._origins.clear()
        self.changed = True

    def judged(self, now: int) -> bool:
        """Decide whether it is over its ratio at `now` (ms); whether that is news."""
        today = day_of(now)
        # A clock ahead of ours may have begun the next day.
        days = [counts for day, counts in self._days.items() if day >= today]
        over = any(is_over(self._whole, counts) for counts in (*days, NONE))
        if over == self.over:
            return False
        self.over, self._since, self.changed = over, now if over else None, True
        return True

    def record(self, now: int) -> Campaign:
        """As it stands at `now` (ms); days older than two years are in the whole only."""
        oldest = day_of(now) - KEPT_DAYS
        for day in [day for day in self._days if day < oldest]:
            del self._days[day]
        return Campaign(
            self.controller,
            self.campaign,
            now,
            self._whole,
            self.over,
            self._since,
            dict(self._days),
            tuple(self._pending),
            dict(self._origins),
        )

    def _add(self, day: int, one: Counts) -> None:
        self._whole = self._whole.plus(one)
        self._days[day] = self._days.get(day, NONE).plus(one)
        self.changed = True


def confirmed_as_of(
    controller: str, apps: Mapping[str, App], aligned: Mapping[str, Aligned]
) -> int | None:
    """Before when every application of calls of a controller holds what was decided (ms).

    None: not known of one, or there is none. One that was paused has to hold it too, and so has one
    that nobody announced: it may call.
    """
    as_ofs = [
        aligned[name].as_of if name in aligned else None
        for name in _serving(controller, apps, aligned)
    ]
    known = [as_of for as_of in as_ofs if as_of is not None]
    return min(known) if known and len(known) == len(as_ofs) else None


def _serving(controller: str, apps: Mapping[str, App], aligned: Iterable[str]) -> Iterable[str]:
    """Applications to which holds on calls of a controller matter."""
    for name in {*apps, *aligned} - {OVERALL}:
        app = apps.get(name)
        if app is None or app.face is None:
            if app is None or app.state is not State.REMOVED:
                yield name
        elif (
            app.state is not State.REMOVED
            and controller in app.face.controllers
            and not _CHANNELS.isdisjoint(app.face.channels)
        ):
            yield name


def _merged(pending: Iterable[Pending]) -> list[Pending]:
    """Of each day one, which waits for its last: later than it might be, never too early."""
    days: dict[int, Pending] = {}
    for each in pending:
        known = days.get(each.day, Pending(each.day, 0, 0))
        days[each.day] = Pending(
            each.day, max(known.decided, each.decided), known.holds + each.holds
        )
    return [days[day] for day in sorted(days)]
