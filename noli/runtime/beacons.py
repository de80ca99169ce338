"""Beacons: how fresh the decisions of a partition are, told on the path of the decisions.

Once a second the ends of the lead lane are asked of the broker at a moment T. When everything
below such an end is processed and delivered, a beacon `as_of` T is appended: every objection the
log took before T stands before it. A worker that lags, or is cut off, sends none, and readers'
leases run out. Of the other lanes `as_of` says nothing: what was loaded in bulk is in force once
its chunks are committed, which the loader waits for.

A processor that publishes no verdicts, only facts for other processors (parties), says the same on
a topic of its own, and when it said so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from noli.runtime import broker
from noli.runtime.clock import now_ms, steady
from noli.runtime.failpoints import Failpoint, failpoint
from noli.runtime.kafka import admin
from noli.runtime.lags import Lags, Look
from noli.runtime.logging import get_logger
from noli.runtime.metrics import loop
from schemas.names import BEACON_KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from concurrent.futures import Future

    from noli.runtime.lanes import Lanes
    from noli.runtime.outputs import Outputs
    from noli.runtime.part import Topology
    from noli.runtime.settings import Settings
    from schemas.codec import Codec

_EVERY_S: Final = 1.0
#: How long the broker may take to tell its ends, in seconds.
_ASK_TIMEOUT_S: Final = 5.0
#: Beyond that limit nobody answers any more, in seconds.
_SILENCE_S: Final = 2 * _ASK_TIMEOUT_S
_MS_PER_S: Final = 1000


class Beacons:
    """Asks, waits for the position, appends. Never blocks the loop."""

    def __init__(
        self, settings: Settings, codec: Codec, outputs: Outputs, lanes: Lanes, topology: Topology
    ) -> None:
        self._codec = codec
        self._outputs = outputs
        self._lanes = lanes
        self._topology = topology
        self._written = topology.claimed
        self._settings = settings
        self._admin = admin(settings)
        self._log = get_logger()
        self._lags = Lags(lanes.group)
        self._next_at = 0.0
        self._asked_at = 0
        self._asked: dict[TopicPartition, Future[Any]] = {}
        #: Per partition: beacons that wait for the position to reach their end, oldest first.
        self._waiting: dict[int, tuple[int, int]] = {}
        #: Records not yet processed over the lanes that somebody waits at, at the last answer; None
        #: before the first. Chunked lanes apart: a load of a day leaves the worker ready.
        self.lag: int | None = None

    def tick(self, epochs: Mapping[int, int], untold: Collection[int] = ()) -> None:
        """Do what is due for the owned partitions, `epochs` by partition.

        `untold`: of these the decisions do not say yet what they said, so no beacon may.
        """
        if self._asked and all(future.done() for future in self._asked.values()):
            self._answered()
        elif self._asked and steady() >= self._next_at + _SILENCE_S:
            # Out of memory, the client's callback may end before it has told the answer.
            self._unanswered("silence")
        if not self._asked and epochs and steady() >= self._next_at:
            self._ask(epochs)
        due = [n for n, (end, _) in self._waiting.items() if self._position(n) >= end]
        for number in due:
            _, as_of = self._waiting.pop(number)
            if number in epochs and number not in untold:
                self._append(number, epochs[number], as_of)
        if due:
            self._outputs.deliver()

    def forget(self, number: int) -> None:
        """A partition is no longer ours."""
        self._waiting.pop(number, None)
        # Nor what was asked of it: given back to us meanwhile, it would be told an older moment
        # than its owner in between has told.
        self._asked = {at: answer for at, answer in self._asked.items() if at.partition != number}
        self._lags.forget(number)
        loop.BEACON_AS_OF.remove(str(number))

    def _ask(self, epochs: Mapping[int, int]) -> None:
        self._next_at = steady() + _EVERY_S
        self._asked_at = now_ms()
        wanted = {
            TopicPartition(topic, number): OffsetSpec.latest()  # type: ignore[no-untyped-call]
            for topic in (*self._lanes.topics, *self._written)
            for number in epochs
        }
        self._asked = self._admin.list_offsets(wanted, request_timeout=_ASK_TIMEOUT_S)

    def _answered(self) -> None:
        lead = self._lanes.topics[0]
        lag = 0
        try:
            for place, future in self._asked.items():
                end = broker.answered(future.result()).offset
                if place.topic in self._written:
                    self._outputs.ends_at(place.topic, place.partition, end)
                    continue
                position = self._lanes.position.get((place.topic, place.partition), 0)
                look = Look(place.topic, place.partition, end, self._asked_at, position)
                behind = self._lags.seen(look)
                if place.topic not in self._lanes.chunked:
                    lag += behind
                if place.topic == lead:
                    # A beacon still waiting keeps its place: a steady stream must not starve it.
                    self._waiting.setdefault(place.partition, (end, self._asked_at))
            self.lag = lag
        except KafkaException as error:
            self._unanswered(error.args[0].name())
        except broker.BrokerUnavailable as error:
            self._unanswered(str(error))
        finally:
            self._asked = {}

    def _unanswered(self, why: str) -> None:
        """No answer, no beacon: readers see the age grow, which is the truth; not ready either."""
        self._log.warning("beacon.unanswered", error=why)
        self._asked = {}
        self.lag = None
        # A restarted broker is asked by the old leader epoch for ever: only a client that has
        # yet to learn who leads asks right.
        self._admin = admin(self._settings)

    def _position(self, number: int) -> int:
        return self._lanes.position.get((self._lanes.topics[0], number), 0)

    def _append(self, number: int, epoch: int, as_of: int) -> None:
        failpoint(Failpoint.PROCESSOR_BEACON)
        said = {"epoch": epoch, "as_of": as_of}
        if topic := self._topology.decisions:
            value = self._codec.encode("noli.Beacon", said)
            self._outputs.send(topic, number, BEACON_KEY, value)
        if topic := self._topology.beacons:
            said |= {"partition": number, "at": now_ms()}
            value = self._codec.encode("noli.PartyBeacon", said)
            self._outputs.send(topic, None, str(number).encode(), value)
        loop.BEACON_AS_OF.labels(number).set(as_of / _MS_PER_S)
