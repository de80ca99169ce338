"""A whole pipeline in one thread: real processors, connectors' parts, a replica, an in-memory log.

Everything happens when it is called for: a turn of a process, a second of the clock, a fault. The
same seed and the same calls give the same run, to the byte.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from connectors.lens import Lens
from noli import wire
from noli.domain import events
from noli.domain.contact import Contact
from noli.domain.policy import Policy
from noli.intake.routing import Router
from noli.runtime.kafka import Outgoing
from noli.runtime.partition import partition_of
from noli.runtime.processor import Processor
from noli.runtime.settings import Settings
from schemas.codec import topic_catalogue
from streams.parties.step import Parties
from streams.suppress.step import Suppress
from streams.topology import PARTIES, SUPPRESS
from tests.support.checker import History, Op
from tests.support.memlog import Log, installed
from tests.support.sim.connector import Books, Connector
from tests.support.sim.disk import Disk
from tests.support.sim.events import CHANNEL, CONTROLLER, PEPPER, token_of
from tests.support.sim.process import Body, Point, Process
from tests.support.sim.replica import Asker, Copy, Writer
from tests.support.sim.target import Target
from tests.support.step import CODEC

PARTITIONS: Final = 2
SUPPRESSORS: Final = ("suppress-0", "suppress-1")
APPS: Final = ("crm", "dialer")


class World:
    """Everything, from its start until `close`."""

    def __init__(self, seed: int = 0) -> None:
        self.log = Log(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="sim-", dir=_memory()))
        self.disk = Disk(self.log.chance)
        self.ops: list[Op] = []
        self.books = {app: Books() for app in APPS}
        self.targets = {app: Target(app, lambda: self.log.clock.ms) for app in APPS}
        self.copy = Copy()
        self.asker = Asker(self.copy, PEPPER)
        self._router = Router(PEPPER, PARTITIONS, PARTITIONS)
        self._lens = Lens([CONTROLLER])
        self._settings = Settings()
        self._open = ExitStack()
        self._open.enter_context(installed(self.log))
        self._open.enter_context(self.disk.installed())
        for name in topic_catalogue()["topics"]:
            self.log.create(name, PARTITIONS)
        self.processes = {name: self._process(name) for name in
                          (*SUPPRESSORS, "parties-0", *APPS, "replica")}  # fmt: skip
        self.log.interrupt = self._interrupted

    def close(self) -> None:
        """Put everything back."""
        self._open.close()
        self.log.close()
        shutil.rmtree(self.folder)

    # --- senders and askers -----------------------------------------------------------------------

    def submit(self, raw: Mapping[str, Any], how: str = "ok") -> None:
        """Post an event. `ok`, `twice`, `lost` (nothing stands), `unheard` (it does, unsaid)."""
        now = self.log.clock.ms
        name = f"{raw['source']}|{raw['id']}"
        self._op("invoke", "sender", "submit", event=name)
        fact = events.parse(raw, now)
        value = CODEC.encode(wire.INTENT, wire.fact_to_intent(fact))
        if how != "lost":
            for _ in range(1 + (how == "twice")):
                for outgoing in self._router.records(fact, value):
                    self._append(outgoing)
        answer = "ok" if how in {"ok", "twice"} else "info"
        self._op(answer, "sender", "submit", event=name)

    def poison(self, topic: str, contact: Contact, value: bytes) -> None:
        """A record that nobody can read, under a contact's key."""
        self._append(Outgoing(topic, token_of(contact), value))

    def ask(self, contact: Contact) -> bool:
        """May this contact be reached on its channel for marketing: the gate's answer, noted."""
        token, channel = token_of(contact), CHANNEL[contact.kind.value]
        asked = {"contact": token.hex(), "pair": [channel, "marketing", "*"]}
        self._op("invoke", "asker", "ask", **asked)
        answer = self.asker.ask(CONTROLLER, contact, channel, "marketing")
        self._op("ok", "asker", "ask", **asked, allowed=answer.allowed, as_of=answer.as_of,
                 version=self.copy.version(token), replica="replica")  # fmt: skip
        return answer.allowed

    # --- processes --------------------------------------------------------------------------------

    def turn(self, name: str, times: int = 1) -> None:
        """Turns of one process."""
        for _ in range(times):
            self.processes[name].turn()

    def everybody(self, times: int = 1) -> None:
        """Turns of all, one after the other."""
        for _ in range(times):
            for process in self.processes.values():
                if process.name not in self.log.paused:
                    process.turn()

    def overtake(self, name: str, point: Point, turns: int) -> None:
        """A process stands still in the middle of its work, for longer than its session.

        The others go on meanwhile; then it continues where it stood.
        """

        def still() -> None:
            self.log.paused.add(name)
            self.log.pass_time(7)
            self.everybody(turns)
            self.log.paused.discard(name)

        self.processes[name].at(point, still)

    def lose(self, topics: Iterable[str], *, groups: bool = False) -> None:
        """With everybody down, topics are deleted and made anew; `groups`: all that was committed.

        What a deleted topic said is in nobody's log; who was told remembers.
        """
        for process in self.processes.values():
            process.die("stopped")
        self.log.late.clear()
        for topic in topics:
            self.log.create(topic, PARTITIONS)
        if groups:
            self.log.groups.clear()

    def _process(self, name: str) -> Process:
        return Process(self.log, name, lambda: self._body(name))

    def _body(self, name: str) -> Body:
        here = {"kafka": self.log.address, "instance": name, "data": self.folder / name}
        settings = self._settings.model_copy(update=here)
        if name in APPS:
            return Connector(settings, self.targets[name], self._lens, self.books[name],
                             lambda what: self._interrupted(name, what))  # fmt: skip
        if name == "replica":
            return Writer(settings, self.copy, PEPPER)
        step = Suppress(CODEC, Policy()) if name in SUPPRESSORS else Parties(CODEC, PEPPER)
        processor = Processor(settings, SUPPRESS if name in SUPPRESSORS else PARTIES, CODEC, step)
        processor.join()
        return processor

    def _interrupted(self, client: str, what: str) -> None:
        process = self.processes.get(client)
        if process is not None:
            process.point(what)

    def _append(self, record: Outgoing) -> None:
        number = record.partition
        if number is None:
            number = partition_of(record.key or b"", PARTITIONS)
        self.log.append(record.topic, number, record.key, record.value)

    def _op(self, op: Any, process: str, kind: str, **value: Any) -> None:  # noqa: ANN401 - JSON
        self.ops.append(Op(op, process, self.log.clock.ms, kind, value))

    def observed(self) -> History:
        """What was seen so far, but for the log."""
        return History(
            ops=self.ops,
            arrivals=[each for target in self.targets.values() for each in target.arrivals],
            receipts=[each for books in self.books.values() for each in books.receipts],
            aligned=[each for books in self.books.values() for each in books.aligned],
            dumps={app: target.dump() for app, target in self.targets.items()},
        )


def _memory() -> str | None:
    """Files of a run never need a disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
