"""SILENT-RATIO at the gate: what bars the calls of a campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from noli.domain.campaigns import CALLS, in_order
from noli.domain.reason import Reason
from noli.replica.encoding import Damaged
from noli.replica.ratios import name_of

if TYPE_CHECKING:
    from noli.replica.gate import Answer
    from noli.replica.ratios import Ratios

OVER: Final = Reason.CAMPAIGN_SILENT_RATIO.value
DOUBT: Final = Reason.STALE_REPLICA.value

#: A question's part: who asks, by which channel, for a call of which campaign.
Called = tuple[str, str, str | None]


class Bars:
    """Asks the copy, whose ratios `read` gives; `fresh` tells whether a moment (ms) is, at now."""

    def __init__(
        self,
        read: Callable[[], Ratios],
        fresh: Callable[[int | None, int], bool],
        report: Callable[[str, str], None],
    ) -> None:
        self._read = read
        self._fresh = fresh
        self._report = report

    def applied(
        self, answers: Iterable[Answer], called: Iterable[Called], now: int
    ) -> list[Answer]:
        """Answers after what bars the campaigns that the questions name; all of one look.

        Where the copy does not say, or not freshly, the answer is STALE_REPLICA beside its own
        reasons: every doubt is denied.
        """
        known: dict[tuple[str, str | None], str | None] = {}
        barred: dict[tuple[Answer, str], Answer] = {}
        done = []
        for answer, (controller, channel, campaign) in zip(answers, called, strict=True):
            if not campaign or channel not in CALLS:
                done.append(answer)
                continue
            key = (controller, campaign)
            why = known[key] if key in known else known.setdefault(key, self._why(*key, now))
            if why is not None:
                found = barred.get((answer, why))
                answer = found or barred.setdefault((answer, why), _barred(answer, why))  # noqa: PLW2901
            done.append(answer)
        return done

    def as_of(self) -> int | None:
        """Every call taken before it is counted (ms); None where the copy does not know."""
        try:
            return self._read().as_of
        except Damaged:
            return None

    def _why(self, controller: str, campaign: str, now: int) -> str | None:
        """What bars the campaign's calls; None where nothing does."""
        try:
            ratios = self._read()
            name = name_of(controller, campaign)
        except (Damaged, AttributeError, TypeError) as error:  # the last two: not a text
            known = isinstance(error, Damaged)
            self._report("gate.campaigns", str(error) if known else type(error).__name__)
            return DOUBT
        if not self._fresh(ratios.as_of, now):
            self._report("gate.campaigns", "what is known of campaigns is older than the lease")
            return DOUBT
        return OVER if name in ratios.over else None


def _barred(answer: Answer, why: str) -> Answer:
    """The answer, denied for one reason more."""
    return answer._replace(
        allowed=False,
        basis=None,
        reasons=in_order((*answer.reasons, why)),
        conditions=() if answer.allowed else answer.conditions,
        until=None,
    )
