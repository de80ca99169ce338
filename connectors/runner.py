"""The one loop behind every application: read, offer, confirm, commit. Sinks know nothing of it.

A change is committed only after the target confirmed it and its receipt is in the log, so a crash
anywhere repeats it, which the version makes harmless. Nothing is ever dropped or given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import Message

from connectors.again import Again
from connectors.backoff import Pace, pause_s
from connectors.counting import Counts
from connectors.frontier import aligned_as_of
from connectors.inlet import Gained, Inlet, Lost
from connectors.lens import Lens
from connectors.protocol import Change, Reject, Result, Retry, Sink
from connectors.receipts import Receipts, Settled, Standing
from connectors.report import Attempts, health, report
from connectors.tracks import Track
from connectors.waiting import Entry, Waiting
from connectors.witness import Witness
from noli.runtime import violations
from noli.runtime.clock import now_ms, steady
from noli.runtime.failpoints import Failpoint, failpoint
from noli.runtime.logging import get_logger
from noli.runtime.metrics.process import Invariant
from schemas.codec import Codec, UnreadableError

#: A sink that has not answered by then hangs, whatever timeout it keeps itself, in seconds.
APPLY_TIMEOUT_S: Final = 90.0
#: How often an idle application's alignment is told and its offsets committed, in seconds: as often
#: as beacons come.
CONFIRM_S: Final = 1.0
#: Records open at once; beyond, reading pauses. Bounds memory while a target is down for long.
MOST_OPEN: Final = 50_000
#: What a stop grants to a batch in flight, in seconds, of the 2 s a process has.
GRACE_S: Final = 0.7
#: And to a batch that was cancelled, to close its connections.
_CANCEL_S: Final = 0.3

_NO_CONTACT: Final = "contact_unknown_to_target"


class BrokenSink(Exception):
    """A sink that does not keep its contract: the process ends rather than guess."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one batch came to, by partition. `at`: when the target confirmed, ms."""

    at: int
    settled: dict[int, list[Settled]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class Parts:
    """What a runner works with."""

    app: str
    sink: Sink
    lens: Lens
    inlet: Inlet
    receipts: Receipts
    codec: Codec
    #: Contacts a second, at most; None: as many as the application takes.
    rate: float | None = None


class Runner:
    """Serves one application until told to stop."""

    def __init__(self, parts: Parts) -> None:
        self._p = parts
        self._log = get_logger().bind(app=parts.app)
        self._counts = Counts(parts.app)
        self._tracks: dict[int, Track] = {}
        self._attempts = Attempts()
        self._committed: dict[int, int] = {}
        #: More is open than we keep in memory: reading pauses until half of it is settled.
        self._full = False
        self._waiting = Waiting()
        self._pace = Pace(parts.sink.traits.batch, random.uniform, parts.rate)
        self._wake = asyncio.Event()
        #: Where a backfill, a read-back or a pause comes in.
        self.again = Again(self._tracks, self._waiting, self._wake)
        #: Where what was read back comes in.
        self.witness = Witness(parts.receipts, self._tracks)
        self._answered: list[Answered] = []
        self._has_answers = asyncio.Event()
        self._closing = asyncio.Event()
        self._last_error: str | None = None
        self._status: tuple[bool, Mapping[str, object]] = (False, {"app": parts.app})

    async def run(self, stop: asyncio.Event) -> None:
        """Return once `stop` is set and what was in flight is settled; raise what broke it."""
        works = range(self._p.sink.traits.in_flight)
        loops = [self._read(), self._receipt_often(), self._confirm_often()]
        tasks = [asyncio.create_task(loop) for loop in (*loops, *(self._work() for _ in works))]
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            self._closing.set()
            self._wake.set()
            self._has_answers.set()
            await asyncio.wait(tasks, timeout=GRACE_S, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in (*tasks, stopped):
                task.cancel()
            ended, _ = await asyncio.wait([*tasks, stopped], timeout=_CANCEL_S)
        for task in ended:
            if not task.cancelled():
                task.result()
        with contextlib.suppress(TimeoutError):  # uncommitted is repeated, which is harmless
            async with asyncio.timeout(_CANCEL_S):
                await self._receipt()
                await self._confirm()

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """Whether it reads its decisions, and how its application fares. For any thread.

        A target that is down makes nobody unready: the application is not aligned, and says so.
        """
        return self._status

    # --- read -------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while not self._closing.is_set():
            for happened in await self._p.inlet.read():
                match happened:
                    case Gained():
                        self._tracks[happened.partition] = Track.start(happened)
                    case Lost():
                        self._tracks.pop(happened.partition, None)
                        self._committed.pop(happened.partition, None)
                        self._waiting.drop(happened.partition)
                        self.again.lost(happened.partition)
                        self.witness.lost(happened.partition)
                        self.again.news()
                    case _:
                        self._take(happened)
            open_now = sum(track.frontier.open for track in self._tracks.values())
            if open_now >= MOST_OPEN:
                self._full = True
            elif open_now <= MOST_OPEN // 2:
                self._full = False
            self._p.inlet.pause(paused=self._full)
            self._look()
            self._wake.set()

    def _take(self, message: Message) -> None:
        track = self._tracks.get(message.partition() or 0)
        if track is None:
            return
        try:
            taken = track.take(message, self._p.codec, self._p.lens)
        except UnreadableError as error:
            place = f"{message.topic()}[{message.partition()}]"
            self._log.error(
                "decision.unreadable", place=place, offset=message.offset(), why=str(error)
            )
            return
        if taken.change is not None:
            self._waiting.add(taken.change, taken.replaced)
            failpoint(Failpoint.CONNECTORS_AFTER_READ)
            if taken.change.offset >= track.backfill_until:
                self._counts.read(message.timestamp()[1])

    def _look(self) -> None:
        """Take stock, for metrics and /readyz."""
        app, failures, pending = self._p.app, self._pace.failures, len(self._waiting)
        as_of = aligned_as_of({p: t.frontier for p, t in self._tracks.items()})
        unreadable = self._unreadable()
        self._counts.stands(pending, unreadable, as_of, held=self.again.held)
        self._counts.paced(self._pace, self._waiting.flying)
        self._status = (
            bool(self._tracks) and self._p.inlet.connected,
            {
                "app": app,
                "held": self.again.held,
                "partitions": len(self._tracks),
                "pending": pending,
                "aligned_as_of": as_of,
                "failures": failures,
                "last_error": self._last_error if failures else None,
                "unreadable": unreadable,
            },
        )

    def _unreadable(self) -> int:
        return sum(len(at) for t in self._tracks.values() for at in t.unreadable.values())

    # --- offer ------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while (entries := await self._next()) is not None:
            results = await self._offer(entries)
            if results is not None:
                self._settle(entries, results)
            self._look()
            self._wake.set()

    async def _next(self) -> list[Entry] | None:
        """The next batch, as soon as there is one and the target may be asked; None: stop."""
        while not self._closing.is_set():
            now = steady()
            wait: float | None = None
            if self._may_offer():
                wait = self._pace.opens - now
                if wait <= 0:
                    if entries := self._waiting.take(self._pace.limit, now):
                        return entries
                    alarm = self._waiting.next_alarm()
                    wait = None if alarm is None else max(0.0, alarm - now)
            self._wake.clear()
            with contextlib.suppress(TimeoutError):  # a timer that ran out
                async with asyncio.timeout(wait):
                    await self._wake.wait()
        return None

    def _may_offer(self) -> bool:
        if self.again.held:
            return False
        if self._pace.failures and self._waiting.flying:
            return False  # one probe at a time
        # What the log holds already is read first: the newest verdict of a contact replaces older
        # ones, so nobody's old grant is sent again ahead of a newer objection.
        catching_up = any(track.catching_up for track in self._tracks.values())
        return not catching_up or self._full

    async def _offer(self, entries: list[Entry]) -> Sequence[Result] | None:
        """Ask the target; its answers, or None where it took nothing."""
        changes = [entry.change for entry in entries]
        began = steady()
        self._pace.offered(len(entries), began)
        try:
            async with asyncio.timeout(APPLY_TIMEOUT_S):
                failpoint(Failpoint.CONNECTORS_BEFORE_APPLY)
                results = await self._apply(changes)
                failpoint(Failpoint.CONNECTORS_AFTER_APPLY)
        except Retry as retry:
            self._put_back(entries, retry, began)
            return None
        except TimeoutError:
            self._put_back(entries, Retry("hung"), began)
            return None
        except Reject as reject:
            results = [reject] * len(changes)
        if len(results) != len(changes):
            violations.note(Invariant.BROKEN_SINK)
            raise BrokenSink(f"{len(results)} results for {len(changes)} changes")
        self._pace.succeeded()
        self._counts.answered(results, began)
        self._attempts.answered(results, began)
        return results

    async def _apply(self, changes: list[Change]) -> Sequence[Result]:
        """The sink's answers; what the target could not even name is not offered to it."""
        if not self._p.sink.traits.needs_contact:
            return await self._p.sink.apply(changes)
        named = [change for change in changes if change.contact is not None]
        answers = iter(await self._p.sink.apply(named) if named else ())
        return [Reject(_NO_CONTACT) if c.contact is None else next(answers) for c in changes]

    def _put_back(self, entries: list[Entry], retry: Retry, began: float) -> None:
        """The target took nothing: everything waits again, and the target is given time."""
        now = steady()
        self._pace.failed(len(entries), now, retry.after)
        self._last_error = retry.reason
        if len(entries) == 1:
            self._put_off(entries[0], retry, now)  # perhaps it is this one: let others go first
        else:
            for entry in entries:
                self._waiting.back(entry)
        self._counts.failed(retry)
        self._attempts.failed(retry, len(entries), began)
        self._log.warning(
            "application.retry",
            reason=retry.reason,
            failures=self._pace.failures,
            pause_s=round(self._pace.opens - now, 3),
            contacts=len(entries),
        )

    def _put_off(self, entry: Entry, retry: Retry, now: float) -> None:
        entry.attempts += 1
        self._waiting.back(entry, now + pause_s(entry.attempts, random.uniform, retry.after))

    # --- confirm ----------------------------------------------------------------------------------

    def _settle(self, entries: list[Entry], results: Sequence[Result]) -> None:
        """What the target answered for goes to the receipts; the rest waits again."""
        now = steady()
        batch = Answered(at=now_ms())
        for entry, result in zip(entries, results, strict=True):
            match result:
                case Retry():
                    self._put_off(entry, result, now)
                    continue
                case Reject():
                    settled = Settled(entry, "rejected", result.reason)
                case _:
                    settled = Settled(entry, "applied", result.note)
                    self.again.applied(entry.change, rounded=result.note is not None)
                    self.witness.applied(entry.change)
            self._waiting.done(entry)
            batch.settled[entry.change.partition].append(settled)
        self._answered.append(batch)
        self._has_answers.set()
        self.again.news()

    async def _receipt_often(self) -> None:
        while not self._closing.is_set():
            await self._has_answers.wait()
            self._has_answers.clear()
            await self._receipt()

    async def _receipt(self) -> None:
        """Write the receipts of what was answered meanwhile; only then its offsets are settled.

        Beside the next batch, not before it: a target that answers in 5 ms need not wait for ours.
        """
        answered, self._answered = self._answered, []
        ours: dict[int, tuple[Track, set[int]]] = {}
        standings: list[tuple[Standing, int]] = []
        for batch in answered:
            for partition, settled in batch.settled.items():
                track = self._tracks.get(partition)
                if track is None:
                    continue  # taken away meanwhile: its next owner repeats and receipts it
                _, offsets = ours.setdefault(partition, (track, set()))
                offsets.update(*(one.entry.offsets() for one in settled))
                point = track.frontier.point(offsets)
                standings.append((Standing(partition, point, settled), batch.at))
                self._counts.settled(settled, batch.at, news_from=track.backfill_until)
        if ours:
            failpoint(Failpoint.CONNECTORS_BEFORE_RECEIPT)
        await self._p.receipts.write(standings)
        if ours:
            failpoint(Failpoint.CONNECTORS_AFTER_RECEIPT)
        for track, offsets in ours.values():
            track.frontier.settle(offsets)

    async def _confirm_often(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):  # a timer that ran out
                async with asyncio.timeout(CONFIRM_S):
                    await self._closing.wait()
            await self._confirm()
            self._counts.waits_since(self._waiting.oldest())

    async def _confirm(self) -> None:
        """Tell how far the application is and how it fares; commit what is settled."""
        points = {partition: track.frontier.point() for partition, track in self._tracks.items()}
        standing = health(self._waiting, self._pace, self._last_error)
        told = standing._replace(paused=self.again.held, unreadable=self._unreadable())
        await self._p.receipts.tell(report(points, told, self._attempts.take()))
        marks = {partition: track.mark() for partition, track in self._tracks.items()}
        moved = {p: mark for p, mark in marks.items() if mark[0] != self._committed.get(p)}
        if not moved:
            return
        failpoint(Failpoint.CONNECTORS_BEFORE_COMMIT)
        if await self._p.inlet.commit(moved):
            failpoint(Failpoint.CONNECTORS_AFTER_COMMIT)
            self._committed |= {partition: offset for partition, (offset, _) in moved.items()}
