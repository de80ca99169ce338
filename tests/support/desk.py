"""A log with its worker, and somebody who consults the register at the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from noli import wire
from noli.cli.register import app
from noli.cli.stack import ports
from noli.domain.facts import Fact
from noli.domain.token import Pepper, token
from noli.runtime import broker, registry, scan, subjects
from noli.runtime.kafka import producer_config
from noli.runtime.partition import partition_of
from schemas.names import DECISIONS, GRANTS, OBJECTIONS
from streams.topology import SUPPRESS
from tests.support.blackbox import until
from tests.support.stack import Stack

SECRET: Final = "ab" * 32
PEPPER: Final = Pepper(1, bytes.fromhex(SECRET))
_FLUSH_S: Final = 30.0
#: Options of every load here.
ALWAYS: Final = ("--dialect", "fenix-like", "--listed", "1", "--clear", "0")

Decisions = Mapping[bytes, Mapping[str, Any]]


class Desk:
    """A log, the worker that decides on it, and somebody at the command line."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        stack.topics(prefix="")
        self.settings = stack.settings(data=folder / "reader")
        with subjects.connected(stack.registry) as client:
            subjects.apply(client, subjects.plan(client))
        self.codec = registry.codec(self.settings)
        self.folder = folder
        self.environment = {
            "NOLI_KAFKA": stack.kafka,
            "NOLI_REGISTRY": stack.registry,
            "NOLI_PEPPER": SECRET,
            "NOLI_DATA": str(folder / "data"),
        }
        self._producer = Producer(producer_config(self.settings))
        self._admin = broker.admin(self.settings)
        self.port = ports.choose(["worker"])["worker"]

    def worker(self) -> None:
        """Start the suppress worker as a process of its own."""
        mine = {
            "NOLI_DATA": str(self.folder / "worker"), "NOLI_INSTANCE": "suppress-register",
            "NOLI_HTTP_PORT": str(self.port),
        }  # fmt: skip
        with (self.folder / "worker.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.suppress"],
                env={**os.environ, **self.environment, **mine},
                stderr=log,
            )

    def ready(self) -> bool:
        """Whether the worker has folded all that stood there before it."""
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}/readyz").status_code == 200
        except httpx2.ConnectError:
            return False

    def kill(self) -> None:
        """End the worker without a word."""
        self.process.kill()
        self.process.wait()

    def put(self, found: Iterable[Fact]) -> None:
        """Append facts as the intake does, and wait until they are decided on."""
        self.append(found)
        until(lambda: self.behind(GRANTS) + self.behind(OBJECTIONS) == 0, "decided", 60)

    def append(self, found: Iterable[Fact]) -> None:
        """Append facts as the intake does."""
        for fact in found:
            assert fact.contact is not None
            self._producer.produce(
                OBJECTIONS if fact.denies else GRANTS,
                self.codec.encode("noli.Intent", wire.fact_to_intent(fact)),
                token(PEPPER, fact.controller, fact.contact),
            )
        assert self._producer.flush(_FLUSH_S) == 0

    def behind(self, topic: str) -> int:
        """Records of a topic that the worker has not committed."""
        ends = broker.ends(self._admin, broker.look(self._admin), [topic])[topic]
        done = self._committed(topic)
        return sum(end - done.get(partition, 0) for partition, end in ends.items())

    def _committed(self, topic: str) -> dict[int, int]:
        """Nothing, while the group's coordinator is still loading."""
        try:
            return broker.committed(self.settings, SUPPRESS.group, topic)
        except broker.BrokerUnavailable:
            return {}

    def decisions(self, controller: str) -> Decisions:
        """The newest decision of every contact of a controller, by token."""
        found: dict[bytes, Mapping[str, Any]] = {}
        for number in range(scan.partitions(self.settings, [DECISIONS])[DECISIONS]):
            for record in scan.records(self.settings, {DECISIONS: number}):
                if record.key is not None and len(record.key) == 17:
                    datum = self.codec.decode(record.value)[1]
                    if datum["controller"] == controller:
                        found[record.key] = datum
        return found

    def order(self, controller: str, of: bytes) -> list[tuple[bytes, Mapping[str, Any]]]:
        """Every decision about a controller's contacts beside `of`, in the order they were made."""
        count = scan.partitions(self.settings, [DECISIONS])[DECISIONS]
        place = {DECISIONS: partition_of(of, count)}
        made = [
            (record.key, self.codec.decode(record.value)[1])
            for record in scan.records(self.settings, place)
            if record.key is not None and len(record.key) == 17
        ]
        return [(key, datum) for key, datum in made if datum["controller"] == controller]

    def answer(self, name: str, lines: Iterable[str]) -> Path:
        """A file from the register."""
        path = self.folder / name
        path.write_text("".join(f"{line}\r\n" for line in lines), "utf-8")
        return path

    def requested(self, controller: str, *options: str) -> list[str]:
        """The lines of a list to be verified."""
        path = self.folder / "request.txt"
        done = self.register(
            "request", "--controller", controller, *ALWAYS[:2], "--out", path, *options
        )
        assert done.exit_code == 0, done.output
        return path.read_bytes().decode().removesuffix("\r\n").split("\r\n")

    def register(self, *arguments: object) -> Result:
        """`noli register …` as a user runs it."""
        return CliRunner().invoke(app, [str(a) for a in arguments], env=self.environment)
