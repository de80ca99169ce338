"""A topic of decisions on the real broker, a copy of it, and the processes around the copy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
from confluent_kafka import Producer

from noli.cli.stack import ports
from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.domain.question import Question
from noli.domain.token import Pepper, token
from noli.replica.gate import Answer, Gate
from noli.runtime import registry, subjects
from noli.runtime.clock import now_ms
from noli.runtime.kafka import producer_config
from schemas.codec import Codec
from schemas.names import BEACON_KEY, CLAIM_KEY
from tests.support.copies import CONTROLLER, PEPPER, decision, denial, row
from tests.support.stack import Stack

#: A worker that takes longer than this to get somewhere has got stuck, in seconds.
DEADLINE_S: Final = 40.0
PARTITIONS: Final = 3
BY_KEY: Final = -1

ALLOWED: Final = [row()]
DENIED: Final = [denial("OBJECTED")]

pause: Final = threading.Event()


def person(number: int) -> Contact:
    """One of any number of contacts."""
    return Contact(Kind.PHONE, f"+39333{number:07d}")


def soon(what: Callable[[], bool], seconds: float = DEADLINE_S) -> bool:
    """Whether `what` becomes true in time."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        pause.wait(0.02)
    return True


@dataclass
class Lab:
    """A topic of decisions, a copy of it, and the processes that write and serve the copy."""

    stack: Stack
    topic: str
    folder: Path
    codec: Codec
    producer: Producer
    port: int = 0
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def copy(self) -> Path:
        """The copy's directory."""
        return self.folder / "copy"

    def append(self, items: Iterable[tuple[int, bytes, bytes]]) -> None:
        """(partition, key, value) records, durable when this returns."""
        for partition, key, value in items:
            self.producer.produce(self.topic, value, key, partition)
        assert self.producer.flush(DEADLINE_S) == 0, "the broker did not confirm"

    def claim(self, epoch: int = 1) -> None:
        """A new owner of every partition."""
        value = self.codec.encode("noli.Claim", {"epoch": epoch, "owner": "test", "at": 0})
        self.append((n, CLAIM_KEY, value) for n in range(PARTITIONS))

    def beacon(self, epoch: int = 1, age_ms: int = 0) -> None:
        """A sign of life on every partition."""
        value = self.codec.encode("noli.Beacon", {"epoch": epoch, "as_of": now_ms() - age_ms})
        self.append((n, BEACON_KEY, value) for n in range(PARTITIONS))

    def decide(
        self,
        rows: list[dict[str, Any]],
        people: range,
        version: int = 1,
        epoch: int = 1,
        pepper: Pepper = PEPPER,
    ) -> None:
        """The same decision about many."""
        value = self.codec.encode("noli.Decision", decision(rows, version=version, epoch=epoch))
        self.append((BY_KEY, token(pepper, CONTROLLER, person(n)), value) for n in people)

    def start(self, module: str = "noli.replica", **over: str) -> subprocess.Popen[bytes]:
        """A worker process on a free port."""
        self.port = ports.choose([module])[module]
        environment: Mapping[str, str] = {
            **os.environ,
            "NOLI_KAFKA": self.stack.kafka,
            "NOLI_REGISTRY": self.stack.registry,
            "NOLI_DATA": str(self.folder / "data"),
            "NOLI_REPLICA": str(self.copy),
            "NOLI_DECISIONS_TOPIC": self.topic,
            "NOLI_PEPPER": PEPPER.secret.hex(),
            "NOLI_HTTP_PORT": str(self.port),
            "NOLI_API_KEYS_FILE": str(self.folder / "keys.json"),
            "NOLI_INSTANCE": "replica",
            **over,
        }
        with (self.folder / "stderr").open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", module], env=environment, stderr=stderr
            )
        self.running.append(process)
        return process

    def is_ready(self) -> bool:
        """Whether the worker started last calls itself ready."""
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def metric(self, name: str) -> float:
        """Sum of the samples of the worker started last whose line begins so."""
        text = httpx2.get(f"http://127.0.0.1:{self.port}/metrics").text
        found = [line for line in text.splitlines() if line.startswith(name)]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    def stop(self, process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
        """Signal and wait."""
        process.send_signal(how)
        process.wait(DEADLINE_S)

    def said(self) -> str:
        """What the worker started last wrote to stderr."""
        return (self.folder / "stderr").read_text("utf-8")


@contextmanager
def laboratory(stack: Stack, tmp_path: Path) -> Iterator[Lab]:
    """An empty topic and no copy yet; at the end no process is left."""
    with subjects.connected(stack.registry) as client:
        subjects.apply(client, subjects.plan(client))
    topic = stack.topic("decisions", PARTITIONS, cleanup_policy="compact")
    settings = stack.settings(data=tmp_path / "data")
    producer = Producer(producer_config(settings))
    made = Lab(stack, topic, tmp_path, registry.codec(settings), producer)
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
            process.wait()
    sys.stdout.write(made.said() if made.running else "")  # shown where the test failed


def ask(gate: Gate, number: int) -> Answer:
    """May this person be called?"""
    return gate.check(CONTROLLER, person(number), "operator_call", "marketing")


def allowed(gate: Gate, people: range) -> int:
    """How many of them may be called."""
    questions = [Question(CONTROLLER, person(n), "operator_call", "marketing") for n in people]
    return sum(answer.allowed for answer in gate.check_many(questions))
