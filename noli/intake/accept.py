"""From posted events to records the broker acknowledged: the write side without its HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from noli import wire
from noli.domain import details
from noli.domain.canary import is_canary
from noli.domain.facts import Fact
from noli.intake import posted
from noli.intake.posted import Refusal, Understood
from noli.intake.recent import Appended, Mark, Recent
from noli.intake.routing import Router
from noli.runtime import clock
from noli.runtime.failpoints import Failpoint, failpoint
from noli.runtime.kafka import NotDurable, Outgoing, Placed
from noli.runtime.logging import get_logger
from noli.runtime.metrics import intake as metrics
from noli.runtime.metrics import stages
from noli.runtime.metrics.exposition import at_zero
from schemas.codec import Codec
from schemas.names import OBJECTIONS, QUARANTINE

log = get_logger()

#: Records under way at once; more would only wait in memory for a broker that does not keep up.
IN_FLIGHT_MAX: Final = 50_000

#: Events worked on before others get their turn, about 2 ms: a click does not wait for a batch.
STRETCH: Final = 50

#: Longest contact text that is denied as received; a longer one only goes to the human.
_AS_RECEIVED_MAX: Final = 320

#: Doors that an event comes through; values of a metric's `source`.
API: Final = "events"
ONE_CLICK: Final = "one_click"
#: The prober's, who alone may grant something for a canary. Whichever door a canary takes, it is
#: told apart.
CANARY: Final = "canary"

#: Partition and offset in the quarantine record of what never stood in the log.
_NOWHERE: Final = -1


class Sink(Protocol):
    """Where records become durable: `noli.runtime.kafka.Acked`."""

    async def send_many(self, records: Sequence[Outgoing]) -> list[Placed]:
        """Append all; their places in order. Raises `NotDurable`."""


class Taken(NamedTuple):
    """An event that is durable. `accepted` in ms; `quarantined`: a human must read its contact."""

    position: int
    id: str
    accepted: int
    place: Placed
    quarantined: bool


class Outcome(NamedTuple):
    """What became of a post, each list in the order of the events."""

    taken: Sequence[Taken]
    refused: Sequence[Refusal]


class Intake:
    """Reads, routes and appends events; one per process."""

    def __init__(
        self,
        sink: Sink,
        codec: Codec,
        router: Router,
        recent: Recent,
        now_ms: Callable[[], int] = clock.now_ms,
    ) -> None:
        self._sink = sink
        self._codec = codec
        self._router = router
        self._recent = recent
        self._now_ms = now_ms
        for kind in details.READERS:
            at_zero(metrics.ACCEPTED, kind, last=(API, ONE_CLICK, CANARY))
        self._in_flight = 0
        #: Whether a stop cut short some request that still waited for the log.
        self.abandoned = False

    async def take(self, raws: Sequence[object], door: str = API) -> Outcome:
        """Store the events of one post, or, where any is refused, only the denials among them.

        Raises `NotDurable` when the log does not confirm: nothing is promised then, and the same
        post may be sent again.
        """
        began = clock.steady()
        accepted = self._now_ms()
        understood, refused = await self._read(raws, accepted, door)
        for refusal in refused:
            metrics.REJECTED.labels(refusal.type, _reason(refusal)).inc()
        try:
            marks = await self._store(understood, accepted, door)
        except NotDurable:
            metrics.DURATION.labels("failed").observe(clock.steady() - began)
            raise
        elapsed = clock.steady() - began
        metrics.DURATION.labels("refused" if refused else "accepted").observe(elapsed)
        stages.STAGE_SECONDS.labels("intake").observe(elapsed)
        failpoint(Failpoint.INTAKE_BEFORE_REPLY)
        taken = [_taken(entry, mark) for entry, mark in zip(understood, marks, strict=True)]
        return Outcome(taken, refused)

    async def _read(
        self, raws: Sequence[object], accepted: int, door: str
    ) -> tuple[list[Understood], list[Refusal]]:
        """The events to store and those refused. Where there is one refused, only denials stay."""
        understood: list[Understood] = []
        refused: list[Refusal] = []
        canary = door == CANARY
        async for first in _stretches(len(raws)):
            stretch = raws[first : first + STRETCH]
            found, wrong = posted.read(stretch, accepted, first, canary=canary)
            understood += found
            refused += wrong
        if refused:
            understood = [entry for entry in understood if entry.fact.denies]
        return understood, refused

    async def _store(
        self, understood: Sequence[Understood], accepted: int, door: str
    ) -> list[Mark]:
        """Append what was not answered lately; the settled mark of each event."""
        append = Appended(accepted, asyncio.get_running_loop().create_future())
        marks: list[Mark] = []
        try:
            fresh, records = await self._marked(understood, append, marks)
            append.places.set_result(await self._deliver(records) if records else [])
        except BaseException as error:
            self._unmark(understood, append, error)
            raise
        for earlier in {id(mark.append): mark.append for mark in marks}.values():
            # Shielded: whoever is cut short here must not cut short the one who appends.
            await asyncio.shield(earlier.places)
        for entry in fresh:
            if entry.held is not None:
                _alarm(entry)
        through = Counter(
            (entry.type, CANARY if is_canary(entry.fact.contact) else door) for entry in fresh
        )
        for labels, count in through.items():
            metrics.ACCEPTED.labels(*labels).inc(count)
        before = (e.type for e, m in zip(understood, marks, strict=True) if m.append is not append)
        for kind, count in Counter(before).items():
            metrics.REPEATED.labels(kind).inc(count)
        return marks

    async def _marked(
        self, understood: Sequence[Understood], append: Appended, marks: list[Mark]
    ) -> tuple[list[Understood], list[Outgoing]]:
        """Fill `marks` with one mark per event; what is new, and its records."""
        fresh: list[Understood] = []
        records: list[Outgoing] = []
        async for first in _stretches(len(understood)):
            for entry in understood[first : first + STRETCH]:
                key = entry.fact.fact_id
                mark = self._recent.find(key, append.accepted)
                if mark is None:
                    mark = Mark(append, len(records))
                    records.extend(self._records(entry))
                    self._recent.remember(key, mark)
                    fresh.append(entry)
                marks.append(mark)
        return fresh, records

    def _unmark(
        self, understood: Sequence[Understood], append: Appended, error: BaseException
    ) -> None:
        for entry in understood:
            self._recent.forget(entry.fact.fact_id, append)
        failure = error
        if not isinstance(error, NotDurable):
            # This request was cancelled or hit a bug: whoever repeats it meanwhile may try again.
            failure = NotDurable("the append was given up", indeterminate=True)
        append.places.set_exception(failure)
        append.places.exception()  # seen, even if nobody else waits for it

    async def _deliver(self, records: Sequence[Outgoing]) -> list[Placed]:
        if self._in_flight + len(records) > IN_FLIGHT_MAX:
            raise NotDurable("too many records under way", indeterminate=False)
        failpoint(Failpoint.INTAKE_BEFORE_PRODUCE)
        self._in_flight += len(records)
        try:
            return await self._sink.send_many(records)
        except asyncio.CancelledError:
            self.abandoned = True
            raise
        finally:
            self._in_flight -= len(records)

    def _records(self, entry: Understood) -> Iterator[Outgoing]:
        fact = entry.fact
        if entry.held is not None:
            yield Outgoing(QUARANTINE, None, self._quarantine(fact, entry.held))
            if fact.contact is None or not 0 < len(fact.contact.value) <= _AS_RECEIVED_MAX:
                return
            # The same unreadable text may stand in an application's list: it is denied there.
        yield from self._router.records(
            fact, self._codec.encode("noli.Intent", wire.fact_to_intent(fact))
        )

    def _quarantine(self, fact: Fact, held: bytes) -> bytes:
        contact = fact.contact and {"kind": fact.contact.kind.value, "value": fact.contact.value}
        datum = {
            "topic": OBJECTIONS,
            "partition": _NOWHERE,
            "offset": _NOWHERE,
            "key": None,
            "value": held,
            "reason": "a denial whose contact cannot be read",
            "at": fact.accepted,
            "contact": contact,
            "controller": fact.controller,
        }
        return self._codec.encode("noli.Quarantine", datum)


async def _stretches(count: int) -> AsyncIterator[int]:
    """Where each stretch of `count` items begins; whoever waits for the loop runs in between."""
    for first in range(0, count, STRETCH):
        if first:
            await asyncio.sleep(0)
        yield first


def _reason(refusal: Refusal) -> str:
    """The field that is wrong: one of ours, for a refusal names none of the sender's."""
    return refusal.field.removeprefix("data.") or "event"


def _taken(entry: Understood, mark: Mark) -> Taken:
    return Taken(
        entry.position,
        entry.fact.id,
        mark.append.accepted,
        mark.append.places.result()[mark.first],
        entry.held is not None,
    )


def _alarm(entry: Understood) -> None:
    stages.QUARANTINED.labels("unreadable_contact").inc()
    log.warning(
        "contact_unreadable",
        type=entry.type,
        fact_id=entry.fact.fact_id.hex(),
        remedy="read it in noli.quarantine and post the objection again with a contact that parses",
    )
