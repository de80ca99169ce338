"""One engine's run: throughput on the preloaded topic, restore, latency."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from confluent_kafka import Message, Producer

from noli.cli.stack import ports
from noli.cli.stack.program import Program, Running, launch
from noli.runtime.clock import now_ms, steady
from noli.runtime.kafka import producer_config
from noli.runtime.settings import Settings
from tests.bench.engines.load import Record, produce
from tests.bench.engines.outputs import Output

LOOK_S: Final = 0.25
#: An engine that is slower than this has hung, in seconds.
_PATIENCE_S: Final = 900.0
_GRACE_S: Final = 30.0
_RESTORED: Final = re.compile(r"\brestored (\d+) ([0-9.]+)\s*$", re.MULTILINE)
_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
#: Paced load: events a second, for how long, and how much of the beginning is not counted.
PACE: Final = 300
_PACED_S: Final = 20
_SETTLE_S: Final = 3


@dataclass(frozen=True)
class Engine:
    """How to start one, where it writes, how many of its outputs are waited for."""

    name: str
    group: str
    argv: list[str]
    input: str
    output: str
    events: int
    #: When the cause of an output was born, ms; None where outputs do not tell.
    born: Callable[[bytes], int]
    env: Mapping[str, str] = field(default_factory=dict)
    #: Serves /metrics (ours); the others print their restore.
    metrics: bool = False
    #: Whether restore and latency are measured as well.
    whole: bool = True


@dataclass
class Result:
    """What was measured; a rate is events a second, times are ms, `cpu_us` is of the engine."""

    name: str
    group: str
    events: int
    rate: float = 0.0
    cpu_us: float = 0.0
    restore_rate: float | None = None
    p50: float | None = None
    p99: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Bench:
    """Where engines run: the broker, a folder, and how long is paced load."""

    settings: Settings
    folder: Path

    def data(self, engine: Engine) -> Path:
        """The engine's local state."""
        return self.folder / re.sub(r"\W+", "-", engine.name)

    @contextmanager
    def started(self, engine: Engine) -> Iterator[tuple[Running, int]]:
        """The engine's process and its HTTP port, stopped at the end."""
        port = ports.choose(["http"])["http"]
        data = self.data(engine)
        data.mkdir(parents=True, exist_ok=True)
        env = {
            **engine.env,
            "BENCH_KAFKA": self.settings.kafka,
            "BENCH_DATA": str(data),
            "BENCH_INPUT": engine.input,
            "BENCH_OUTPUT": engine.output,
            "NOLI_KAFKA": self.settings.kafka,
            "NOLI_REGISTRY": self.settings.registry,
            "NOLI_DATA": str(data),
            "NOLI_HTTP_PORT": str(port),
            "NOLI_LOG_LEVEL": "warning",
            "PYTHONUNBUFFERED": "1",
        }
        log = self.folder / f"{data.name}.log"
        program = Program(engine.name, [*dying_with_us(), *engine.argv], log, env)
        running = launch(program, with_parent=True)
        try:
            yield running, port
        finally:
            running.stop(_GRACE_S)

    def throughput(self, engine: Engine, result: Result) -> None:
        """Events a second, and processor time an event, from the beginning of the topic."""
        output = Output(self.settings, engine.output)
        with self.started(engine) as (running, _):
            samples = [(output.size(), cpu_s(running))]
            until = steady() + _PATIENCE_S
            while samples[-1][0] < engine.events:
                ended(running, until)
                samples.append((output.size(), cpu_s(running)))
        output.close()
        warm = next(sample for sample in samples if sample[0] >= engine.events // 10)
        last = samples[-1]
        if last[0] > warm[0]:
            result.cpu_us = (last[1] - warm[1]) / (last[0] - warm[0]) * 1e6

    def restore_and_latency(self, engine: Engine, result: Result, paced: Iterator[Record]) -> None:
        """Records a second of a restore on an empty disk, then delays under paced load."""
        shutil.rmtree(self.data(engine))
        output = Output(self.settings, engine.output)
        with self.started(engine) as (running, port):
            result.restore_rate = restored(engine, running, port)
            self._catch_up(output, running)
            delays = self._paced(engine, output, paced)
        output.close()
        cuts = statistics.quantiles(delays, n=100)
        result.p50, result.p99 = cuts[49], cuts[98]

    def _catch_up(self, output: Output, running: Running) -> None:
        """Wait until the engine has written nothing for two seconds but its beacons."""
        until, quiet, before = steady() + _PATIENCE_S, 0, output.size()
        while quiet < 2 / LOOK_S:
            ended(running, until)
            size = output.size()
            quiet = quiet + 1 if size - before <= output.partitions else 0
            before = size

    def _paced(self, engine: Engine, output: Output, paced: Iterator[Record]) -> list[float]:
        """Delay of each output, ms, from the birth of its cause to its arrival here."""
        producer = Producer(producer_config(self.settings, linger_ms=0))
        begin, sent, delays = steady(), 0, []
        records = output.follow()
        next(records)
        while (elapsed := steady() - begin) < _PACED_S:
            while sent < elapsed * PACE:
                produce(producer, engine.input, *next(paced), ignore)
                sent += 1
            message = next(records)
            if message is not None and contact(message) and elapsed > _SETTLE_S:
                delays.append(float(now_ms() - engine.born(message.value() or b"")))
        producer.flush()
        return delays


def dying_with_us() -> list[str]:
    """Where the system can, the engine is killed, not asked, when the harness dies.

    Faust hangs on SIGTERM once its broker is gone, and the broker goes with the harness too.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def ignore(_error: object, _message: object) -> None:
    """The output tells whether the input came through."""


def contact(message: Message) -> bool:
    """Whether it is neither claim nor beacon."""
    return message.error() is None and len(message.key() or b"") > len(b"beacon")


def ended(running: Running, until: float) -> None:
    """Wait a moment; raise when the engine ended or its time did."""
    if running.gone.wait(LOOK_S):
        raise running.end_error()
    if steady() > until:
        raise TimeoutError(f"{running.program.name}: see {running.program.log}")


def cpu_s(running: Running) -> float:
    """Processor seconds of the engine's process so far."""
    fields = Path(f"/proc/{running.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def restored(engine: Engine, running: Running, port: int) -> float | None:
    """Records a second of the restore the engine has just done; waits for its end."""
    until = steady() + _PATIENCE_S
    while True:
        found = scraped(port) if engine.metrics else printed(running.program.log)
        if found is not None:
            records, seconds = found
            return records / seconds if records else None
        ended(running, until)


def printed(log: Path) -> tuple[float, float] | None:
    """What a peer printed last, after its second start."""
    found = _RESTORED.findall(log.read_text("utf-8"))
    told = [(float(records), float(seconds)) for records, seconds in found if int(records)]
    return told[-1] if told else None


def scraped(port: int) -> tuple[float, float] | None:
    """The same from our metrics, once the restore is over."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return None
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    seconds = float(values["noli_state_restore_duration_seconds"])
    return (float(values["noli_state_restored_keys_total"]), seconds) if seconds else None
