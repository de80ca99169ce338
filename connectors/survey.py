"""A backfill, verify or repair of an application, partition by partition.

A snapshot of the newest decisions, while the runner goes on with what is new: a contact the log has
news of since the survey began is skipped, for the runner says the newer word (the watermark method
of DBLog, with the log's own offset as the mark). Nothing is missed, and nothing goes back in time.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from connectors import drift
from connectors.backoff import pause_s
from connectors.counting import mismatched
from connectors.drift import Cause
from connectors.protocol import Change, Held, Retry, Sink, Subject
from connectors.runner import APPLY_TIMEOUT_S, Runner
from connectors.snapshot import Source, View
from noli.runtime.apps import Desk
from noli.runtime.clock import now_ms, steady
from noli.runtime.failpoints import Failpoint, failpoint
from noli.runtime.logging import get_logger
from noli.runtime.metrics import delivery
from noli.wire.apps import Job, Part, Verb

#: How often progress is told, in seconds.
_TELL_S: Final = 5.0
#: Batches of contacts that wait at once: the rest of the target's time belongs to what is new.
_BATCHES: Final = 2
#: The end of a token is as good as chance, and the same in every run.
_CHANCE_DIGITS: Final = 8
#: In place of causes, where the target tells nobody what it holds.
UNREADABLE: Final = "cannot_be_read_back"


class Found(NamedTuple):
    """A contact the application holds wrongly."""

    change: Change
    held: Held | None
    cause: Cause

    @property
    def endangers(self) -> bool:
        """Whether somebody may be contacted who must not be: there is something to take away."""
        return self.cause in drift.DANGEROUS and drift.repair(self.change, self.held) is not None


@dataclass(frozen=True, slots=True)
class Office:
    """What a survey works with. `open_sink`: one of its own, beside the runner's."""

    app: str
    worker: str
    runner: Runner
    view: View
    desk: Desk
    open_sink: Callable[[], Sink]
    #: Set when the process is to stop.
    closing: asyncio.Event
    #: Tokens of the contacts that the application is known to hold wrongly; blocks.
    wrong: Callable[[], Collection[str]] = tuple


async def look(sink: Sink, changes: Sequence[Change]) -> list[Found]:
    """Read contacts back; those held wrongly. Raises `Retry`."""
    subjects = [Subject(change.token, change.contact) for change in changes]
    try:
        async with asyncio.timeout(APPLY_TIMEOUT_S):
            held = await sink.read_back(subjects)
    except TimeoutError:
        raise Retry("hung") from None
    of_all, now = sink.traits.every_brand, now_ms()
    causes = [drift.cause(c, held.get(c.token), now, every_brand=of_all) for c in changes]
    return [
        Found(change, held.get(change.token), cause)
        for change, cause in zip(changes, causes, strict=True)
        if cause is not None
    ]


class Survey:
    """One job on one partition."""

    def __init__(self, office: Office, job: Job, partition: int) -> None:
        self._o = office
        self._job = job
        self._partition = partition
        self._again = office.runner.again
        self._log = get_logger().bind(app=office.app, job=job.verb.value, partition=partition)
        self._passed = self._total = self._contacts = self._written = 0
        self._drift: Counter[str] = Counter()
        self._told_at = steady()
        self._out: set[str] = set()
        #: Tokens that were held wrongly, as far as anybody knew when the survey began.
        self._known: Collection[str] = ()

    async def run(self) -> None:
        """Carry it out; told as done unless the partition is lost meanwhile."""
        if not self._again.watch(self._partition):
            return
        self._log.info("survey.begun", sample=self._job.sample)
        try:
            async with AsyncExitStack() as stack:
                sink = self._o.open_sink()
                stack.push_async_callback(sink.aclose)
                if self._job.verb is not Verb.BACKFILL and sink.traits.read_back != "exact":
                    self._drift[UNREADABLE] = 1
                    await self._tell(done=True)
                    return
                self._known = await asyncio.to_thread(self._o.wrong)
                source = Source(self._o.view, self._partition, self._heard)
                stack.push_async_callback(source.aclose)
                await self._go(source, sink)
        finally:
            self._again.unwatch(self._partition)

    async def _go(self, source: Source, sink: Sink) -> None:
        size = sink.traits.batch
        while batch := await source.take(size):
            if not self._again.watched(self._partition):
                return
            chosen = [change for change in batch if self._is_chosen(change)]
            self._contacts += len(chosen)
            for change in chosen if self._job.verb is Verb.BACKFILL else ():
                await self._offer(change, size)
            if self._job.verb is not Verb.BACKFILL and chosen:
                await self._compare(sink, chosen)
            failpoint(Failpoint.CONNECTORS_SURVEY_CHUNK)
            if steady() - self._told_at >= _TELL_S:
                await self._tell(done=False)
        self._out = await self._again.settle(self._out, 0)
        if self._again.watched(self._partition):
            self._passed = self._total
            await self._tell(done=True)
            self._log.info(
                "survey.done", contacts=self._contacts, written=self._written, **self._drift
            )

    async def _compare(self, sink: Sink, changes: Sequence[Change]) -> None:
        """Read back; say what was found wrong, and what was and is right now; then mend it."""
        found = [one for one in await self._look(sink, changes) if self._counts(one)]
        mismatched(self._o.app, Counter(one.cause for one in found))
        wrong = [one for one in found if one.endangers]
        await self._testify(changes, wrong)
        if self._job.verb is not Verb.REPAIR or not wrong:
            return
        for one in wrong:
            change = drift.repair(one.change, one.held)
            if change is not None:
                await self._offer(change, sink.traits.batch)
        self._out = await self._again.settle(self._out, 0)
        again = [one.change for one in wrong]
        left = [one for one in await self._look(sink, again) if one.endangers]
        await self._testify(again, [one for one in left if not self._again.is_news(one.change)])

    def _counts(self, found: Found) -> bool:
        """Whether it is drift, and not a contact the runner has news of; it is counted then."""
        if self._again.is_news(found.change):
            return False
        self._drift[found.cause] += 1
        return True

    async def _testify(self, changes: Sequence[Change], wrong: Sequence[Found]) -> None:
        """Who is held wrongly, and of the others who was known to be."""
        witness = self._o.runner.witness
        await witness.drifted((one.change, one.cause.value) for one in wrong)
        bad = {one.change.token for one in wrong}
        right = [c for c in changes if c.token not in bad and not self._again.is_news(c)]
        await witness.verified([c for c in right if witness.doubts(c) or c.token in self._known])

    async def _look(self, sink: Sink, changes: Sequence[Change]) -> list[Found]:
        """However long the target takes to answer."""
        for failures in itertools.count(1):
            try:
                return await look(sink, changes)
            except Retry as error:
                pause = pause_s(failures, random.uniform, error.after)
                self._log.warning("survey.retry", reason=error.reason, pause_s=round(pause, 3))
                with suppress(TimeoutError):  # the pause is over
                    async with asyncio.timeout(pause):
                        await self._o.closing.wait()
        raise AssertionError  # `count` has no end

    async def _offer(self, change: Change, batch: int) -> None:
        if len(self._out) >= _BATCHES * batch:
            self._out = await self._again.settle(self._out, batch)
        if self._again.offer(change):
            self._out.add(change.token)
            self._written += 1
            delivery.AGAIN.labels(self._o.app, self._job.verb.value).inc()

    def _is_chosen(self, change: Change) -> bool:
        chance = int(change.token[-_CHANCE_DIGITS:], 16) / 16**_CHANCE_DIGITS
        return chance < self._job.sample

    def _heard(self, passed: int, total: int) -> None:
        self._passed, self._total = passed, total

    async def _tell(self, *, done: bool) -> None:
        self._told_at = steady()
        counts = (self._passed, self._total, self._contacts, self._written)
        part = Part(*counts, dict(self._drift), done=done, at=now_ms())
        await self._o.desk.progress(
            self._o.app, self._job.id, self._o.worker, self._partition, part
        )
