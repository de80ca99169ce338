"""SILENT-RATIO: what the calls of a campaign come to, and when there are too many silent ones.

The reading, and why it is the strict one: docs/adr/0017-silent-ratio.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from noli.domain import times
from noli.domain.channel import Channel
from noli.domain.facts import CallAttended, CallSilent, Fact
from noli.domain.reason import Reason
from noli.domain.verdict import Verdict

#: SILENT-RATIO (Garante, 20 Feb 2014, n. 83): silent calls allowed in so many that went well.
SILENT_MOST: Final = 3
IN_CALLS: Final = 100
#: Milliseconds after the answer in which a silent call must be cut.
CUT_WITHIN_MS: Final = 3_000
#: Statistics are kept for two years at least; in days.
KEPT_DAYS: Final = 2 * 365 + 1

#: What a campaign over its ratio may not do, whatever the purpose.
CALLS: Final = frozenset({Channel.OPERATOR_CALL, Channel.AUTOMATED_CALL})

#: Hours remembered; calls come in the order of days.
_HOURS: Final = 256

_ORDER: Final = {reason: number for number, reason in enumerate(Reason)}


class Counts(NamedTuple):
    """Calls by what became of them; each breach and each thing untold is of one call.

    `holds_due`: contacts that may not be called for 5 days; `holds_confirmed`: those of which every
    application of calls has confirmed it.
    """

    attended: int = 0
    silent: int = 0
    late_cuts: int = 0
    no_comfort_noise: int = 0
    cut_unrecorded: int = 0
    noise_unrecorded: int = 0
    holds_due: int = 0
    holds_confirmed: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(*map(int.__add__, self, other))

    @property
    def answered(self) -> int:
        """Calls that somebody answered."""
        return self.attended + self.silent


NONE: Final = Counts()


def counted(*, silent: bool, cut_after_ms: int | None, comfort_noise: bool | None) -> Counts:
    """One answered call. What nobody recorded is no breach, and is told apart.

    Who waited in silence is a breach on every call; a sender leaves it out where nobody waited.
    """
    return Counts(
        attended=not silent,
        silent=silent,
        late_cuts=silent and cut_after_ms is not None and cut_after_ms > CUT_WITHIN_MS,
        no_comfort_noise=comfort_noise is False,
        cut_unrecorded=silent and cut_after_ms is None,
        noise_unrecorded=silent and comfort_noise is None,
    )


def ratio(counts: Counts) -> float:
    """SILENT-RATIO: silent calls in 100 that went well.

    A call that went well is one an operator spoke on. The first hundred counts as a hundred.
    """
    return counts.silent * IN_CALLS / max(IN_CALLS, counts.attended)


def exceeded(counts: Counts) -> bool:
    """SILENT-RATIO: more than 3 silent calls in 100 that went well, in one window."""
    return counts.silent * IN_CALLS > SILENT_MOST * max(IN_CALLS, counts.attended)


def is_over(whole: Counts, today: Counts) -> bool:
    """Whether the campaign must stop: as a whole, or by what it did today."""
    return exceeded(whole) or exceeded(today)


def answered_at(fact: Fact) -> int:
    """When a call was answered, ms: as told, else when its event happened; never from the future.

    Raises TypeError for a fact that is no call.
    """
    detail = fact.detail
    if not isinstance(detail, CallSilent | CallAttended):
        raise TypeError(f"{type(detail).__name__} is no call")
    told = fact.time if detail.answered_at is None else detail.answered_at
    return min(told, fact.accepted)


def day_of(ms: int) -> int:
    """The day of a moment, by the clocks of Italy, in days since 1970-01-01."""
    return (ms + _ahead(ms // times.HOUR)) // times.DAY


@lru_cache(_HOURS)
def _ahead(hour: int) -> int:
    """How far Italian clocks are ahead of UTC in an hour since 1970, ms: one, in summer two.

    Directive 2000/84/EC: from 01:00 UTC of the last Sunday of March to that of October.
    """
    ms = hour * times.HOUR
    year = date.fromordinal(_EPOCH + ms // times.DAY).year
    summer = _last_sunday(year, 3) <= ms < _last_sunday(year, 10)
    return (1 + summer) * times.HOUR


_EPOCH: Final = date(1970, 1, 1).toordinal()
_WEEK: Final = 7


def _last_sunday(year: int, month: int) -> int:
    """01:00 UTC of the last Sunday of a month of 31 days, ms."""
    last = date(year, month, 31).toordinal()
    return (last - last % _WEEK - _EPOCH) * times.DAY + times.HOUR


def with_ratio(reasons: Iterable[str]) -> tuple[str, ...]:
    """`reasons` and CAMPAIGN_SILENT_RATIO, in the order of the law."""
    return in_order({*reasons, Reason.CAMPAIGN_SILENT_RATIO.value})


def in_order(reasons: Iterable[str]) -> tuple[str, ...]:
    """Codes in the order of the law; those of a newer build last."""
    return tuple(sorted({str(each) for each in reasons}, key=_place))


def _place(reason: str) -> tuple[int, str]:
    try:
        return _ORDER[Reason(reason)], reason
    except ValueError:
        return len(_ORDER), reason


def barred(verdict: Verdict, channel: Channel) -> Verdict:
    """The verdict for a call of a campaign over its ratio; on other channels the verdict itself."""
    if channel not in CALLS:
        return verdict
    return replace(
        verdict,
        allowed=False,
        basis=None,
        reasons=tuple(Reason(each) for each in with_ratio(verdict.reasons)),
        conditions=() if verdict.allowed else verdict.conditions,
        until=None,
    )


#: Facts by the campaign they were calls of: (controller, campaign).
Calls = Mapping[tuple[str, str], list[Fact]]


def calls_of(known: Iterable[Fact]) -> Calls:
    """The calls among facts, of which none stands twice; one without a campaign is nobody's."""
    found: dict[tuple[str, str], list[Fact]] = {}
    for fact in known:
        detail = fact.detail
        if isinstance(detail, CallSilent | CallAttended) and (detail.campaign or "").strip():
            name = (detail.campaign or "").strip()
            found.setdefault((fact.controller, name), []).append(fact)
    return found


def over_at(calls: Iterable[Fact], at: int) -> bool:
    """Whether a campaign with these calls is over its ratio at a moment (ms)."""
    whole = today = NONE
    day = day_of(at)
    for fact in calls:
        if fact.accepted > at:
            continue
        one = of_fact(fact)
        whole = whole.plus(one)
        if day_of(answered_at(fact)) == day:
            today = today.plus(one)
    return is_over(whole, today)


def of_fact(fact: Fact) -> Counts:
    """What one call adds. Raises TypeError for a fact that is no call."""
    detail = fact.detail
    if not isinstance(detail, CallSilent | CallAttended):
        raise TypeError(f"{type(detail).__name__} is no call")
    return counted(
        silent=isinstance(detail, CallSilent),
        cut_after_ms=detail.cut_after_ms,
        comfort_noise=detail.comfort_noise,
    )
