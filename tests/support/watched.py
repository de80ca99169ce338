"""A watcher's process, and a scripted connector that reports to it over the real topics."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import typer
from typer.testing import CliRunner, Result

from noli.cli.stack.program import Program, Running, launch
from noli.runtime import apps, registry, subjects
from noli.runtime.clock import now_ms, steady
from noli.runtime.kafka import Acked
from noli.runtime.tail import Reading
from noli.wire import alignment
from noli.wire.alignment import Aligned
from noli.wire.apps import Face, Verb
from schemas.names import ALIGNMENT, APPS, BEACONS, QUARANTINE, RECEIPTS
from tests.support.decisions import token
from tests.support.stack import Stack

PATIENCE_S: Final = 30.0
PARTITIONS: Final = 8


class Watched:
    """One watcher named `name` on the catalogue's own topics, killed at the end."""

    def __init__(self, stack: Stack, folder: Path, name: str = "watch-t") -> None:
        self.name = name
        stack.topics(prefix="")
        self._folder = folder
        self._env = {
            "NOLI_KAFKA": stack.kafka,
            "NOLI_REGISTRY": stack.registry,
            "NOLI_DATA": str(folder / "watch"),
            "NOLI_INSTANCE": name,
            "PYTHONUNBUFFERED": "1",
        }
        with subjects.connected(stack.registry) as client:
            subjects.apply(client, subjects.plan(client))
        self.settings = stack.settings(instance="scripted", data=folder / "scripted")
        self.codec = registry.codec(self.settings)
        self._reading = Reading(self.settings, ALIGNMENT)
        self._seen: dict[str, Aligned] = {}
        self.process: Running | None = None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it."""
        assert self.process is not None
        self.process.signal(signal.SIGKILL)
        self.process.gone.wait()
        self._reading.close()
        sys.stdout.write((self._folder / "log").read_text("utf-8"))  # shown where a test failed

    def start(self) -> None:
        """Start a process."""
        argv = [sys.executable, "-m", "streams.watch"]
        self.process = launch(Program("watch", argv, self._folder / "log", self._env))

    def restart(self, how: signal.Signals) -> None:
        """End the process so, and start another one in its place."""
        assert self.process is not None
        self.process.signal(how)
        self.process.gone.wait()
        self.start()

    def act(self, app: str, verb: Verb, face: Face | None = None) -> None:
        """As `noli app`."""

        async def say() -> None:
            acked = Acked(self.settings)
            await apps.Desk(acked, self.codec, APPS).act(app, verb, by="test@here", face=face)
            await acked.close()

        asyncio.run(say())

    def report(
        self,
        app: str,
        partitions: Iterable[int] = range(PARTITIONS),
        ago_ms: int = 0,
        later_ms: int = 0,
        **fields: Any,  # noqa: ANN401 - of the contract
    ) -> int:
        """What a connector says once a second; `as_of` of the decisions it names.

        Parties said beforehand that everything of that moment is handed on.
        """
        as_of = now_ms() - ago_ms + later_ms
        beacon = {"epoch": 1, "as_of": as_of - 2_000, "at": as_of - 1_500}
        for number in range(PARTITIONS):
            self.put(BEACONS, str(number), "noli.PartyBeacon", {"partition": number, **beacon})
        datum = {
            "app": app, "worker": f"connectors-{app}", "at": now_ms() - ago_ms, "paused": False,
            "points": [{"partition": n, "frontier": as_of, "as_of": as_of} for n in partitions],
            "pending": 0, "oldest_pending": None, "failures": 0, "unreadable": 0,
            "last_error": None, "next_try": None, "attempts": [],
        }  # fmt: skip
        self.put(RECEIPTS, app, "noli.Report", {**datum, **fields})
        return as_of

    def receipt(self, app: str, outcome: str, accepted: int, version: int = 1) -> None:
        """What came of one contact's verdict."""
        change = {
            "token": token(1), "version": version, "offset": 0, "accepted": accepted,
            "outcome": outcome, "reason": None,
        }  # fmt: skip
        datum = {
            "app": app, "worker": f"connectors-{app}", "at": now_ms(), "partition": 0,
            "frontier": 0, "as_of": None, "changes": [change],
        }  # fmt: skip
        self.put(RECEIPTS, app, "noli.Receipt", datum)

    def quarantine(self, at: int, contact: str) -> None:
        """A record that nobody could read, as the intake keeps one."""
        datum = {
            "topic": "http", "partition": 0, "offset": 0, "key": None, "value": b"{}",
            "reason": "no such number", "at": at, "controller": "acme",
            "contact": ("noli.Contact", {"kind": "phone", "value": contact}),
        }  # fmt: skip
        self.put(QUARANTINE, "", "noli.Quarantine", datum)

    def noli(self, command: typer.Typer, *arguments: str) -> Result:
        """What a command of the command line answers, asked of this stack."""
        return CliRunner().invoke(command, arguments, env=self._env, catch_exceptions=True)

    def put(self, topic: str, key: str, record: str, datum: dict[str, Any]) -> None:
        """Append one record."""

        async def send() -> None:
            acked = Acked(self.settings)
            await acked.send(topic, key.encode(), self.codec.encode(record, datum))
            await acked.close()

        asyncio.run(send())

    def alignment(self, app: str) -> Aligned | None:
        """As published last, to whoever reads as it is meant to be read."""
        for record in self._reading.take(0.2):
            found = alignment.read(self.codec.decode(record.value)[1])
            if alignment.newer(self._seen.get(found.app), found):
                self._seen[found.app] = found
        return self._seen.get(app)

    def until(self, app: str, good: Callable[[Aligned], bool]) -> Aligned:
        """As published, once it is good."""
        for _ in self.seconds():
            found = self.alignment(app)
            if found is not None and good(found):
                return found
        raise AssertionError  # `seconds` fails first

    def aligned(self, app: str) -> tuple[int, Aligned]:
        """Report until nothing holds it; `as_of` of the last report, and what is published then."""
        for _ in self.seconds():
            as_of = self.report(app)
            found = self.until(app, lambda one, at=as_of: (one.reported_at or 0) >= at)  # type: ignore[misc]
            if not found.held_by:
                return as_of, found
        raise AssertionError  # `seconds` fails first

    def seconds(self) -> Iterator[None]:
        """Again and again, until patience ends."""
        end = steady() + PATIENCE_S
        while steady() < end:
            yield
            threading.Event().wait(0.1)
        raise AssertionError(f"not within {PATIENCE_S} s: {self._seen}")
