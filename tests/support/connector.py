"""A connector in the test's own loop: real broker, topics and consumer group of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from connectors.inlet import Inlet, Mark
from connectors.lens import Lens
from connectors.protocol import Sink
from connectors.receipts import Receipts
from connectors.runner import Parts, Runner
from noli.cli.stack.program import Program, Running, launch
from noli.runtime.kafka import Acked, consumer_config
from tests.support.decisions import CODEC, CONTROLLER, Desk
from tests.support.log import Reader
from tests.support.stack import Stack

APP = "crm"
GROUP = f"noli.app.{APP}"


@dataclass
class Lab:
    """Topics of its own, one partition each unless told otherwise, and what is read from them."""

    stack: Stack
    partitions: int = 1
    topics: Mapping[str, str] = field(init=False)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        """Create the topics."""
        self.topics = self.stack.topics(self.partitions)
        self.desk = Desk(self.stack.settings(instance="desk"), self.topics["noli.decisions"])
        self._receipts = Reader(self.stack.settings(instance="r"), self.topics["noli.receipts"])
        #: A group per test: the topics differ, but the group's name would be the same.
        self.group = f"{GROUP}.{self.topics['noli.decisions']}"

    @asynccontextmanager
    async def runner(self, sink: Sink, **lens: Any) -> AsyncIterator[Runner]:  # noqa: ANN401
        """A running connector, stopped gracefully at the end; what broke it is raised here."""
        runner, task, stop = await self.start(sink, **lens)
        try:
            yield runner
        finally:
            stop.set()
            await task

    async def start(
        self,
        sink: Sink,
        **lens: Any,  # noqa: ANN401 - arguments of Lens
    ) -> tuple[Runner, asyncio.Task[None], asyncio.Event]:
        """A running connector, to be stopped by hand."""
        settings = self.stack.settings(instance="connectors-crm")
        inlet = Inlet(settings, self.group, self.topics["noli.decisions"])
        acked = Acked(settings)
        receipts = Receipts(acked, CODEC, self.topics["noli.receipts"], APP, "connectors-crm")
        view = Lens([CONTROLLER], **{"purposes": ["marketing"], **lens})
        runner = Runner(Parts(APP, sink, view, inlet, receipts, CODEC))
        stop = asyncio.Event()

        async def serve() -> None:
            try:
                await runner.run(stop)
            finally:
                await inlet.aclose()
                await acked.close()

        return runner, asyncio.create_task(serve()), stop

    def receipts(self, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """All receipts, once they are enough."""
        found: list[dict[str, Any]] = []

        def decoded(records: Sequence[Any]) -> bool:
            found[:] = [each for r in records for each in spread(*CODEC.decode(r.value))]
            return enough(found)

        self._receipts.until(decoded)
        return found

    async def changes(self, count: int) -> list[dict[str, Any]]:
        """The change receipts, once there are so many."""
        found = await asyncio.to_thread(
            self.receipts, lambda all_: sum(len(r["changes"]) for r in all_) >= count
        )
        return [change for receipt in found for change in receipt["changes"]]

    async def frontier(self, offset: int) -> dict[str, Any]:
        """The first receipt whose frontier is at least that."""
        found = await asyncio.to_thread(
            self.receipts, lambda all_: any(r["frontier"] >= offset for r in all_)
        )
        return next(receipt for receipt in found if receipt["frontier"] >= offset)

    def committed(self, partition: int = 0) -> tuple[int, Mark]:
        """Committed offset and mark of the application; negative: none."""
        consumer = Consumer(consumer_config(self.stack.settings(), self.group))
        place = TopicPartition(self.topics["noli.decisions"], partition)
        (found,) = consumer.committed([place], timeout=10)
        consumer.close()
        return found.offset, Mark.read(found.metadata)


def spread(record: str, datum: dict[str, Any]) -> list[dict[str, Any]]:
    """A receipt as it is; a report as a receipt without changes for each of its partitions."""
    if record != "noli.Report":
        return [datum]
    said = {name: datum[name] for name in ("app", "worker", "at")}
    return [{**said, **point, "changes": []} for point in datum["points"]]


@contextmanager
def process_of(
    stack: Stack, folder: Path, name: str, manifest: Path, **more: str
) -> Iterator[Running]:
    """`python -m connectors` of an application, killed at the end where it still runs.

    `more`: further variables of its environment.
    """
    env = {
        "NOLI_KAFKA": stack.kafka,
        "NOLI_REGISTRY": stack.registry,
        # Schema ids are on disk there already, so a start does not ask the registry again.
        "NOLI_DATA": str(folder / "desk"),
        "NOLI_INSTANCE": f"connectors-{name}",
        "NOLI_APP_MANIFEST": str(manifest),
        **more,
    }
    argv = [sys.executable, "-m", "connectors"]
    running = launch(Program("connectors", argv, folder / "log", env))
    try:
        yield running
    finally:
        running.signal(signal.SIGKILL)
        running.gone.wait()
