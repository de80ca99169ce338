"""The processor loop on a real broker: a step that counts, topics of its own, readers of both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from noli.runtime.part import Part, Record, Topology
from noli.runtime.process import Stop
from noli.runtime.processor import Processor
from noli.runtime.settings import Settings
from tests.support.log import Reader, Stored, append
from tests.support.stack import Stack
from tests.support.step import CODEC, state_record

KEY = b"\x01" + b"k" * 16
FAR_EPOCH = 2**60
LABEL = b"L" * 8


def mark(epoch: int, count: int) -> bytes:
    """A value that begins with an epoch, as every state record does, and carries a number."""
    return CODEC.encode("noli.Claim", {"epoch": epoch, "owner": "w", "at": count})


def count_of(value: bytes | None) -> int:
    """The number in a `mark`, or in a state record."""
    datum = CODEC.decode(value)[1]
    return int(datum["at" if "at" in datum else "accepted"])


@dataclass
class Counting:
    """A step that counts the records of each key, in state and as output."""

    seen: list[Record] = field(default_factory=list)

    def process(self, record: Record, part: Part) -> None:
        """Add one."""
        self.seen.append(record)
        if record.value == b"poison":
            raise ValueError("a step that fails")
        assert record.key is not None
        self._write(record.key, self._count(record.key, part) + 1, part)

    def opened(self, part: Part) -> None:
        """Nothing to prepare."""

    def restate(self, key: bytes, part: Part) -> None:
        """Write what is known again."""
        self._write(key, self._count(key, part), part)

    def rederive(self, key: bytes, part: Part) -> None:
        """The moment came: add one."""
        self._write(key, self._count(key, part) + 1, part)

    def swept(self, label: bytes, part: Part) -> None:
        """No labels here."""

    def _count(self, key: bytes, part: Part) -> int:
        stored = part.load(key)
        return 0 if stored is None else count_of(stored)

    def _write(self, key: bytes, count: int, part: Part, wake: int = 0) -> None:
        part.save(key, state_record(part.epoch, count, wake, LABEL))
        part.emit(part.topology.decisions, key, mark(part.epoch, count))


@dataclass
class Lab:
    """One topology of topics with one partition, and readers of its outputs."""

    stack: Stack
    topology: Topology
    data: Path

    def settings(self, disk: str = "disk-0") -> Settings:
        """Settings of the one static member; another disk is a worker that lost its state."""
        return self.stack.settings(instance="w-0", data=self.data / disk)

    @contextmanager
    def worker(self, step: Counting, disk: str = "disk-0") -> Iterator[Running]:
        """A processor on its own thread, stopped gracefully at the end."""
        running = Running(Processor(self.settings(disk), self.topology, CODEC, step))
        try:
            yield running
        finally:
            running.stop()

    def feed(self, lane: int, count: int, value: bytes = b"v") -> None:
        """Append records of one key to a lane."""
        append(self.settings(), self.topology.lanes[lane], [(0, KEY, value)] * count)

    def reader(self, topic: str) -> Reader:
        """Follow an output."""
        return Reader(self.settings(), topic)


def laboratory(stack: Stack, data: Path) -> Lab:
    """Fresh topics for one test."""
    prefix = stack.prefix()
    topology = Topology(
        group=f"{prefix}.group",
        lanes=(stack.topic("first"), stack.topic("second")),
        state=stack.topic("state", cleanup_policy="compact"),
        decisions=stack.topic("decisions", cleanup_policy="compact"),
    )
    return Lab(stack, topology, data)


class Running:
    """A processor's thread; `error` is what ended it."""

    def __init__(self, processor: Processor) -> None:
        self.error: BaseException | None = None
        self._stop = Stop()
        self._processor = processor
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._processor.run(self._stop)
        except Exception as error:  # noqa: BLE001 - handed to the test
            self.error = error

    def ready(self) -> bool:
        """What /readyz would say."""
        return self._processor.ready()[0]

    def stop(self) -> None:
        """Stop and wait for the end."""
        self._stop.request()
        self.join()

    def release(self) -> None:
        """Let go of the disk, as the end of a process does."""
        for part in self._processor._parts.values():
            part.store.close()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join(30)
        assert not self._thread.is_alive()


def reached(count: int) -> Callable[[list[Stored]], bool]:
    """A condition: the newest record is KEY's and carries `count`."""
    return lambda found: bool(found) and found[-1].key == KEY and count_of(found[-1].value) == count


def keyed(records: list[Stored], key: bytes) -> list[Stored]:
    """Records of one key."""
    return [record for record in records if record.key == key]
