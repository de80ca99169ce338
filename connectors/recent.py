"""What an application confirmed last, read back every few seconds: is it as good as its word?

What is found dangerous is written down as drifted first; then all of the application is read back
and repaired. Who is known to be held wrongly is looked at each time, until found right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from connectors import drift
from connectors.counting import mismatched
from connectors.drift import Cause
from connectors.protocol import Change, Retry, Sink
from connectors.runner import Runner
from connectors.survey import Found, look
from noli.runtime.clock import steady
from noli.runtime.logging import get_logger
from noli.wire.apps import Verb

#: Asks for a job, with its reason; nothing is asked for while one goes on.
Order = Callable[[Verb, str], Awaitable[None]]


class Recent:
    """One application's; `every_s` 0: never."""

    def __init__(self, app: str, runner: Runner, every_s: float, order: Order) -> None:
        self._app = app
        self._runner = runner
        self._every_s = every_s
        self._order = order
        self._looks_at = steady() + every_s
        self._verified: dict[str, int] = {}
        self._log = get_logger().bind(app=app)

    async def look(self, sink: Sink, *, busy: bool) -> None:
        """Read back what is due. `busy`: a job goes on, which will find the rest."""
        if not self._every_s or steady() < self._looks_at or self._runner.again.held:
            return
        self._looks_at = steady() + self._every_s
        asked = self._asked()
        if not asked:
            return
        try:
            found = await look(sink, list(asked.values()))
        except Retry as error:  # it does not answer; the runner says so where it matters
            self._log.warning("recent.unread", reason=error.reason)
            return
        current = {id(change) for change in self._asked().values()}
        wrong = [one for one in found if id(one.change) in current and not self._is_told(one)]
        odd = {one.change.token for one in found}
        right = [c for t, c in asked.items() if id(c) in current and t not in odd]
        await self._say_verified(right, wrong)
        await self._heal(wrong, busy=busy, volatile=sink.traits.volatile)

    def _asked(self) -> dict[str, Change]:
        """By token: what was confirmed last, and what is in doubt, unless news waits."""
        again = self._runner.again
        doubted = {c.token: c for c in self._runner.witness.doubted() if not again.is_waiting(c)}
        return doubted | {change.token: change for change in again.recent()}

    async def _say_verified(self, right: list[Change], wrong: list[Found]) -> None:
        """Once for each version; and where it denies more than it must, who was in doubt is not."""
        witness = self._runner.witness
        harmless = [one.change for one in wrong if not one.endangers]
        news = [c for c in right if witness.doubts(c) or self._verified.get(c.token) != c.version]
        await witness.verified([*news, *(c for c in harmless if witness.doubts(c))])
        self._verified = {change.token: change.version for change in right}

    async def _heal(self, wrong: list[Found], *, busy: bool, volatile: bool) -> None:
        causes = Counter(one.cause.value for one in wrong)
        mismatched(self._app, causes)
        witness = self._runner.witness
        known = [one for one in wrong if one.endangers and witness.doubts(one.change)]
        fresh = [one for one in wrong if one.endangers and not witness.doubts(one.change)]
        await witness.drifted((one.change, one.cause.value) for one in fresh)
        for one in known:  # all was read back because of it already: now this one is mended again
            if (change := drift.repair(one.change, one.held)) is not None:
                self._runner.again.offer(change, recent=True)
        if fresh:
            self._log.error("application.drifted", **causes)
        if fresh and not busy:
            reasons = sorted({one.cause.value for one in fresh})
            await self._order(Verb.REPAIR, "recent: " + ", ".join(reasons))
        elif volatile and Cause.DENIED.value in causes and not busy:
            # Nobody there says no of their own: it has forgotten, and whoever may be called is not.
            await self._order(Verb.BACKFILL, "recent: forgotten")

    def _is_told(self, found: Found) -> bool:
        """Whether it is no drift: the application said when it took it that it denies more."""
        return found.cause is Cause.DENIED and self._runner.again.is_rounded(found.change)
