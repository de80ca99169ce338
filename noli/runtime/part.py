"""A partition in the hands of a step, and what a step is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from noli.runtime.clock import now_ms
from noli.runtime.metrics import loop
from noli.runtime.trail import Mark, Owes

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
    `denials`: the lanes beside the first whose records can only deny.
    """

    group: str
    lanes: tuple[str, ...]
    state: str
    decisions: str = ""
    beacons: str = ""
    chunked: frozenset[str] = frozenset()
    denials: frozenset[str] = frozenset()

    @property
    def denying(self) -> frozenset[str]:
        """The lanes whose records can only deny: at a takeover the others wait for them."""
        return self.denials | {self.lanes[0]}

    @property
    def claimed(self) -> tuple[str, ...]:
        """The topics an owner writes its claim into; the state last.

        What a former owner still decides is then passed over before what it still saves is: never
        is a decision believed whose state is not (docs/adr/0016).
        """
        return (self.decisions, self.state) if self.decisions else (self.state,)


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
    unpublished: list[tuple[bytes | None, bytes]] = field(default_factory=list)
    woken: list[tuple[int, bytes]] = field(default_factory=list)
    caused: list[tuple[str, int]] = field(default_factory=list)
    #: A version at least as high may stand in the log without the state that goes with it.
    floor: int = 0
    #: What the decisions do not say yet; `told` is the id of their topic.
    owes: Owes = Owes.NOTHING
    told: str = ""

    @property
    def folding(self) -> bool:
        """Whether less is known than was told before: until that is over, nothing may be allowed.

        What denies is told at once. What allows is saved, and told with all the rest in the end.
        """
        return self.owes is Owes.FOLD

    def load(self, key: bytes) -> bytes | None:
        """State bytes of a key, including what this batch saved."""
        return self.unsaved.get(key) or self.store.get(key)

    def starting(self, prefix: bytes) -> dict[bytes, bytes]:
        """Every value whose key begins with `prefix`, including what this batch saved."""
        found = dict(self.store.starting(prefix))
        found.update({k: v for k, v in self.unsaved.items() if k.startswith(prefix)})
        return found

    def save(self, key: bytes, value: bytes) -> None:
        """Set the state of a key: to the state topic once the facts emitted stand, then to disk.

        Never before: a state that says "seen" while a fact was lost would pass over the same record
        when it is read again, and nobody would ever hear of it.
        """
        self.unsaved[key] = value

    def emit(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Append an output to the same partition of `topic`; a decision once its state stands.

        Never before: a successor that restores less than was decided would decide it again with
        less, and an objection that applications had obeyed would be lifted until it is read again.
        """
        if topic == self.topology.decisions:
            self.unpublished.append((key, value))
        else:
            self.outputs.send(topic, self.number, key, value)

    def emit_by_key(self, topic: str, key: bytes, value: bytes) -> None:
        """Append an output where its key belongs."""
        self.outputs.send(topic, None, key, value)

    def mark(self) -> str:
        """How far states and decisions are whole: each state has its decision. For a commit."""
        topic = self.topology.decisions
        if not topic:
            return ""
        decided, saved = (
            self.outputs.sound(at, self.number) for at in (topic, self.topology.state)
        )
        return Mark(decided, self.epoch, saved, self.owes, self.told).text()

    def decided(self, lane: str, accepted: int) -> None:
        """Count a decision's delay from `accepted` (ms) once it is delivered."""
        self.caused.append((lane, accepted))

    def decided_together(self, since: int) -> None:
        """Count decisions since that many as one, the oldest: they came in one record."""
        if len(self.caused) > since:
            self.caused[since:] = [min(self.caused[since:])]

    def send_states(self) -> None:
        """Every fact emitted is delivered: what was saved may go to the state topic."""
        for key, value in self.unsaved.items():
            self.outputs.send(self.topology.state, self.number, key, value)

    def send_decisions(self) -> None:
        """Every state is delivered: what was decided may be told."""
        for key, value in self.unpublished:
            self.outputs.send(self.topology.decisions, self.number, key, value)
        self.unpublished.clear()

    def stored(self) -> None:
        """Everything saved and decided is delivered: put it on disk."""
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
