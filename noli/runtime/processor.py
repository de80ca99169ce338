"""The one loop of a stream worker: it owns membership, offsets, time and delivery.

    poll one lane → step each record → facts delivered → states delivered → decisions delivered
    → stored → committed

in this order, so a crash repeats work and never skips it; the fold being a join, repeated work
changes nothing. Whatever is unexpected ends the process: an offset is never committed past a
failure. Steps are plain functions over `Part`; they know no Kafka.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from noli.runtime.beacons import Beacons
from noli.runtime.chores import Sweep, chores
from noli.runtime.clock import now_ms, steady
from noli.runtime.failpoints import Failpoint, failpoint
from noli.runtime.lanes import Lanes
from noli.runtime.logging import get_logger
from noli.runtime.metrics import loop, stages
from noli.runtime.outputs import Outputs
from noli.runtime.part import Part, Record
from noli.runtime.repair import Repairs
from noli.runtime.restore import StateLost, Taken, Takeover
from noli.runtime.trail import Owes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from confluent_kafka import Message

    from noli.runtime.part import Step, Topology
    from noli.runtime.process import Stop
    from noli.runtime.settings import Settings
    from schemas.codec import Codec

#: Seconds between commits: a crash repeats at most this much input.
_COMMIT_EVERY_S: Final = 0.2
#: Lane records behind which the worker calls itself not ready.
_READY_LAG: Final = 10_000
#: Seconds a turn of a following lane may go on before the lead lane is looked at again. So long an
#: objection waits, for the record begun (a chunk of a load: 2 to 12 ms), and for the delivery.
_TURN_S: Final = 0.03
#: Contacts decided again at once in a takeover: where nothing was ever committed they are all.
_TOLD_AT_ONCE: Final = 5_000
#: Seconds between looks at what is due; moments are kept to the second.
_CHORES_EVERY_S: Final = 0.25


_MS_PER_S: Final = 1000


class Processor:
    """Runs a step over the lanes of a topology until asked to stop."""

    def __init__(self, settings: Settings, topology: Topology, codec: Codec, step: Step) -> None:
        self._topology = topology
        self._step = step
        self._log = get_logger()
        self._outputs = Outputs(settings)
        self._takeover = Takeover(settings, codec, self._outputs, topology)
        self._lanes = Lanes(settings, topology, lambda number: self._parts[number].mark())
        self._beacons = Beacons(settings, codec, self._outputs, self._lanes, topology)
        self._repairs = Repairs(settings, self._outputs, topology.decisions)
        self._parts: dict[int, Part] = {}
        self._log_seconds = stages.STAGE_SECONDS.labels("log")
        self._process_seconds = stages.STAGE_SECONDS.labels("process")
        #: Owned partitions in the order in which their chores come next.
        self._rota: deque[int] = deque()
        self._commit_at = 0.0
        self._chores_at = 0.0
        self._assigned = False

    def run(self, stop: Stop) -> None:
        """The loop. Returns after a graceful stop: committed, flushed, closed."""
        self.join()
        while not stop.requested:
            self.turn()
        self.close()

    def join(self) -> None:
        """Become a member of the group."""
        self._lanes.join()

    def turn(self) -> None:
        """Once around: what the group gave or took, one batch, what is due, beacons, commit."""
        self._take_over()
        messages = self._lanes.poll()
        self._hand_over()
        if messages:
            self._batch(messages)
        if steady() >= self._chores_at:
            self._chores()
        self._tick()

    def close(self) -> None:
        """Commit, flush, leave."""
        self._lanes.close()
        for part in self._parts.values():
            part.store.close()

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """Ready once what the group gave is restored and the lag is under the bound."""
        lag = self._beacons.lag
        parts = list(self._parts.values())
        ours = self._assigned and not self._lanes.gained and not any(p.folding for p in parts)
        ok = ours and lag is not None and lag <= _READY_LAG
        return ok, {"partitions": len(parts), "lag": lag}

    def _hand_over(self) -> None:
        """What a poll took from us is written no more: somebody else may have claimed it."""
        for number in self._lanes.lost:
            self._give_up(number)
        self._lanes.lost.clear()

    def _take_over(self) -> None:
        gained = set(self._lanes.gained)
        if not gained:
            return
        for number in gained & set(self._parts):
            self._give_up(number)
        marks = {number: self._lanes.remembered.get(number, []) for number in gained}
        for number, taken in self._taken(marks).items():
            part = Part(number, taken.epoch, self._topology, taken.store, self._outputs)
            part.owes, part.told = taken.owes, taken.topic
            self._step.opened(part)
            if part.owes and not part.folding:
                part.sweeps.append(Sweep(None))
            self._parts[number] = part
            self._write_over(part, taken.late, taken.version)
            self._publish(part, taken.owed - taken.late)
            self._rota.append(number)
            self._lanes.start(number, whole=part.folding)
        self._assigned = True
        loop.OWNED_PARTITIONS.set(len(self._parts))

    def _taken(self, marks: Mapping[int, Sequence[str]]) -> dict[int, Taken]:
        """Raises `StateLost`, once the input is set back: the next start folds all of it again."""
        try:
            return self._takeover.take(marks, self._lanes.done(marks))
        except StateLost as lost:
            self._lanes.set_back(lost.partitions)
            raise

    def _give_up(self, number: int) -> None:
        part = self._parts.pop(number, None)
        if part is not None:
            self._rota.remove(number)
            self._outputs.disown(number)
            self._beacons.forget(number)
            loop.SOURCE_END.remove(self._topology.decisions, str(number))
            part.store.close()
        loop.OWNED_PARTITIONS.set(len(self._parts))

    def _write_over(self, part: Part, keys: Collection[bytes], version: int) -> None:
        """Our own value behind what others wrote late, above every version they gave."""
        part.floor = max(part.floor, version)
        if not keys:
            return
        self._log.warning("partition.repaired", partition=part.number, keys=len(keys))
        failpoint(Failpoint.PROCESSOR_REPAIR)
        for key in keys:
            self._step.restate(key, part)
        self._settle({part.number})

    def _publish(self, part: Part, keys: Collection[bytes]) -> None:
        """Decide again what a former owner saved and perhaps never told (docs/adr/0016)."""
        left = iter(keys)
        while some := list(islice(left, _TOLD_AT_ONCE)):
            for key in some:
                self._step.restate(key, part)
            self._settle({part.number})

    def _batch(self, messages: list[Message]) -> None:
        touched: set[int] = set()
        topic = messages[0].topic() or ""
        began = steady()
        end = math.inf if topic == self._topology.lanes[0] else began + _TURN_S
        if topic not in self._topology.chunked:  # for a load nobody waits
            waited = now_ms() - messages[0].timestamp()[1]
            self._log_seconds.observe(max(0, waited) / _MS_PER_S)
        for done, message in enumerate(messages):
            if steady() >= end:
                self._lanes.give_back(topic, messages[done:])
                messages = messages[:done]
                break
            record = Record(
                topic,
                message.partition() or 0,
                message.offset() or 0,
                message.key(),
                message.value(),
                message.timestamp()[1],
            )
            self._step.process(record, self._parts[record.partition])
            failpoint(Failpoint.PROCESSOR_STEPPED)
            touched.add(record.partition)
        self._settle(touched)
        if topic not in self._topology.chunked:
            self._process_seconds.observe(steady() - began)
        for message in messages:
            self._lanes.position[topic, message.partition() or 0] = (message.offset() or 0) + 1
        loop.RECORDS_PROCESSED.labels(topic).inc(len(messages))

    def _settle(self, touched: set[int]) -> None:
        if not touched:
            return
        failpoint(Failpoint.PROCESSOR_OUTPUTS_SENT)
        self._outputs.deliver()
        failpoint(Failpoint.PROCESSOR_OUTPUTS_DELIVERED)
        for number in touched:
            self._parts[number].send_states()
        failpoint(Failpoint.PROCESSOR_STATES_SENT)
        self._outputs.deliver()
        failpoint(Failpoint.PROCESSOR_STATES_DELIVERED)
        for number in touched:
            self._parts[number].send_decisions()
        failpoint(Failpoint.PROCESSOR_DECISIONS_SENT)
        self._outputs.deliver()
        failpoint(Failpoint.PROCESSOR_DECISIONS_DELIVERED)
        for number in touched:
            self._parts[number].stored()
        failpoint(Failpoint.PROCESSOR_STORED)

    def _chores(self) -> None:
        """One slice of one partition, in turn; a backlog is gone on with at once.

        Of one only: slices of all partitions together would keep an objection waiting. Nor before
        what denies is read: a moment that has come may allow.
        """
        for _ in range(len(self._rota)):
            number = self._rota[0]
            self._rota.rotate(-1)
            if number in self._lanes.waiting:
                continue
            self._folded(self._parts[number])
            if chores(self._parts[number], self._step):
                failpoint(Failpoint.PROCESSOR_CHORES)
                self._settle({number})
                self._chores_at = 0.0
                return
        self._chores_at = steady() + _CHORES_EVERY_S

    def _folded(self, part: Part) -> None:
        """Once all that the lanes held at the takeover is folded, all of it is told."""
        if part.folding and self._lanes.caught_up(part.number):
            part.owes = Owes.GRANTS
            part.sweeps.append(Sweep(None))
            self._log.info("partition.folded", partition=part.number)

    def _tell(self) -> None:
        """What is held, and where it ends."""
        loop.STATE_ENTRIES.set(sum(part.store.entries() for part in self._parts.values()))
        loop.OWING_PARTITIONS.set(sum(bool(part.owes) for part in self._parts.values()))
        topic = self._topology.decisions
        for number in self._parts if topic else ():
            end = self._outputs.next_offset(topic, number)
            loop.SOURCE_END.labels(topic, number).set(end)

    def _tick(self) -> None:
        for foreign in self._repairs.look():
            part = self._parts.get(foreign.gap.partition)
            if part is not None:
                self._write_over(part, foreign.keys, foreign.version)
                self._outputs.mended(foreign.gap)
        untold = [n for n, part in self._parts.items() if part.owes is Owes.EVERYTHING]
        self._beacons.tick({number: part.epoch for number, part in self._parts.items()}, untold)
        if steady() >= self._commit_at:
            self._lanes.commit()
            self._tell()
            self._commit_at = steady() + _COMMIT_EVERY_S
