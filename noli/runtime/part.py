"""A partition in the hands of a step, and what a step is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from noli.runtime.clock import now_ms
from noli.runtime.metrics import loop
from noli.runtime.trail import Mark

if TYPE_CHECKING:
    from noli.runtime.chores import Sweep
    from noli.runtime.outputs import Outputs
    from noli.runtime.store import PartitionStore

_MS_PER_S: Final = 1000


class Record(NamedTuple):
    """One input record. `at` is the log's timestamp, ms; `item` its number in a chunk."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    at: int
    item: int | None = None

    @property
    def place(self) -> str:
        """Where it stands: `topic:partition:offset`, in a chunk `topic:partition:offset:item`."""
        place = f"{self.topic}:{self.partition}:{self.offset}"
        return place if self.item is None else f"{place}:{self.item}"


@dataclass(frozen=True, slots=True)
class Topology:
    """Topics of a processor; `lanes[0]` is served first. All are co-partitioned.

    `decisions` empty: the processor publishes no verdicts, only facts for other processors.
    `beacons`: where it says how far it has handed them on (`noli.runtime.beacons`).
    `chunked`: the lanes whose records are chunks of many intents, loads that nobody waits for.
    """

    group: str
    lanes: tuple[str, ...]
    state: str
    decisions: str = ""
    beacons: str = ""
    chunked: frozenset[str] = frozenset()

    @property
    def claimed(self) -> tuple[str, ...]:
        """The topics an owner writes its claim into; state first."""
        return (self.state, self.decisions) if self.decisions else (self.state,)


@dataclass(slots=True)
class Part:
    """A partition in the hands of a step: read and write state, emit outputs."""

    number: int
    epoch: int
    topology: Topology
    store: PartitionStore
    outputs: Outputs
    #: What the step knows of the whole partition, set in `opened`.
    shared: object = None
    sweeps: deque[Sweep] = field(default_factory=deque)
    unsaved: dict[bytes, bytes] = field(default_factory=dict)
    woken: list[tuple[int, bytes]] = field(default_factory=list)
    caused: list[tuple[str, int]] = field(default_factory=list)
    #: A version at least as high may stand in the log without the state that goes with it.
    floor: int = 0

    def load(self, key: bytes) -> bytes | None:
        """State bytes of a key, including what this batch saved."""
        return self.unsaved.get(key) or self.store.get(key)

    def starting(self, prefix: bytes) -> dict[bytes, bytes]:
        """Every value whose key begins with `prefix`, including what this batch saved."""
        found = dict(self.store.starting(prefix))
        found.update({k: v for k, v in self.unsaved.items() if k.startswith(prefix)})
        return found

    def save(self, key: bytes, value: bytes) -> None:
        """Set the state of a key: to the state topic once all outputs stand, then to disk.

        Never before: a state that says "seen" while its decision was lost would pass over the same
        record when it is read again, and nobody would ever hear of that objection.
        """
        self.unsaved[key] = value

    def emit(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Append an output to the same partition of `topic`."""
        self.outputs.send(topic, self.number, key, value)

    def emit_by_key(self, topic: str, key: bytes, value: bytes) -> None:
        """Append an output where its key belongs."""
        self.outputs.send(topic, None, key, value)

    def mark(self) -> str:
        """How far the decisions are whole: everything emitted has its state. For a commit."""
        topic = self.topology.decisions
        if not topic:
            return ""
        return Mark(self.outputs.sound(topic, self.number), self.epoch).text()

    def decided(self, lane: str, accepted: int) -> None:
        """Count a decision's delay from `accepted` (ms) once it is delivered."""
        self.caused.append((lane, accepted))

    def decided_together(self, since: int) -> None:
        """Count decisions since that many as one, the oldest: they came in one record."""
        if len(self.caused) > since:
            self.caused[since:] = [min(self.caused[since:])]

    def send_states(self) -> None:
        """Everything emitted is delivered: what was saved may go to the state topic."""
        for key, value in self.unsaved.items():
            self.outputs.send(self.topology.state, self.number, key, value)

    def stored(self) -> None:
        """Everything saved is delivered: put it on disk."""
        if self.unsaved:
            # Not past what is still to be written over: our successor must find it too.
            frontier = self.outputs.sound(self.topology.state, self.number)
            self.store.write(self.unsaved.items(), frontier)
            self.unsaved.clear()
        if self.woken:
            self.store.woken(self.woken)
            self.woken.clear()
        if self.caused:
            now = now_ms()
            observe = {lane: loop.DECISION_SECONDS.labels(lane).observe
                       for lane in {lane for lane, _ in self.caused}}  # fmt: skip
            for lane, accepted in self.caused:
                observe[lane](max(0, now - accepted) / _MS_PER_S)
            self.caused.clear()


class Step(Protocol):
    """What a processor adds to the loop. It knows no Kafka; an exception ends the process."""

    def opened(self, part: Part) -> None:
        """The partition is ours and restored: set `part.shared`, resume unfinished sweeps."""

    def process(self, record: Record, part: Part) -> None:
        """Fold one record."""

    def restate(self, key: bytes, part: Part) -> None:
        """Write the state and outputs of a key again, under our epoch."""

    def rederive(self, key: bytes, part: Part) -> None:
        """The key's moment has come, or what its label stands for has changed."""

    def swept(self, label: bytes, part: Part) -> None:
        """Every key under `label` was derived again."""
