"""Build rate, check latency and bytes per contact of the copy, at register scale.

    python -m pytest tests/bench/bench_replica.py -s     # NOLI_BENCH_CONTACTS=30000000

Writes docs/reference/benchmarks/replica.md. The broker, the writer and the reader share the
machine, as they do on a dialer's host of this size.
"""

from __future__ import annotations

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import psutil
import pytest
from confluent_kafka import Producer

from noli.cli.stack import ports
from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.domain.token import token
from noli.replica import store as copies
from noli.replica.gate import Gate
from noli.runtime import registry, subjects
from noli.runtime.clock import now_ms, now_us
from noli.runtime.kafka import producer_config
from schemas.codec import Codec
from schemas.names import BEACON_KEY, CLAIM_KEY
from tests.bench.engines.report import measured_on
from tests.support.copies import CONTROLLER, PEPPER, decision, denial
from tests.support.stack import Stack

CONTACTS: Final = int(os.environ.get("NOLI_BENCH_CONTACTS", "1000000"))
PARTITIONS: Final = 8
CHECKS: Final = 200_000
WARM_UP: Final = 50_000
#: Checks in a row that count as undisturbed if the kernel took the core from none of them.
WINDOW: Final = 100
#: What somebody may wait for a bench, in seconds.
PATIENCE_S: Final = 3_600

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "benchmarks" / "replica.md"

#: A contact on the register, known from nowhere else.
REGISTERED: Final = [
    denial(
        "REGISTERED",
        channels=["automated_call", "operator_call"],
        purposes=["marketing", "profiling", "third_party_disclosure"],
    ),
    denial(
        "NO_BASIS",
        channels=["sms", "mms", "messaging", "fax"],
        purposes=["marketing", "profiling", "third_party_disclosure", "relationship"],
    ),
]


@dataclass(frozen=True)
class Figures:
    """What was measured. Latencies in microseconds, sizes in bytes."""

    build_s: float
    writer_cpu_s: float
    writer_rss: int
    disk: int
    taken: list[float]
    undisturbed: list[float]
    reader_rss: int


def number(index: int) -> str:
    """An Italian mobile number for each index."""
    return f"+393{index:09d}"


def feed(stack: Stack, topic: str, codec: Codec) -> None:
    """One decision for each contact, between a claim and a beacon of every partition."""
    epoch = now_us()
    producer = Producer(
        producer_config(
            stack.settings(), linger_ms=20, batch_size=1_000_000, queue_buffering_max_kbytes=400_000
        )
    )
    claim = codec.encode("noli.Claim", {"epoch": epoch, "owner": "bench", "at": now_ms()})
    for partition in range(PARTITIONS):
        producer.produce(topic, claim, CLAIM_KEY, partition)
    for key, value in decisions(codec, epoch):
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(PATIENCE_S) == 0
    beacon = codec.encode("noli.Beacon", {"epoch": epoch, "as_of": now_ms()})
    for partition in range(PARTITIONS):
        producer.produce(topic, beacon, BEACON_KEY, partition)
    assert producer.flush(PATIENCE_S) == 0


def decisions(codec: Codec, epoch: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values; the value is encoded once, and the number put into its place."""
    record = decision(REGISTERED, version=epoch, epoch=epoch)
    placeholder = number(0)
    record["contact"]["value"] = placeholder
    before, _, after = codec.encode("noli.Decision", record).partition(placeholder.encode())
    for index in range(CONTACTS):
        contact = Contact(Kind.PHONE, number(index))
        yield token(PEPPER, CONTROLLER, contact), before + contact.value.encode() + after


def build(stack: Stack, topic: str, folder: Path) -> tuple[float, float, int]:
    """Seconds, CPU seconds and resident bytes of the writer process once it is caught up."""
    port = ports.choose(["replica"])["replica"]
    environment = {
        **os.environ,
        "NOLI_KAFKA": stack.kafka,
        "NOLI_REGISTRY": stack.registry,
        "NOLI_DATA": str(folder / "data"),
        "NOLI_REPLICA": str(folder / "copy"),
        "NOLI_DECISIONS_TOPIC": topic,
        "NOLI_PEPPER": PEPPER.secret.hex(),
        "NOLI_HTTP_PORT": str(port),
    }
    with (folder / "stderr").open("w") as stderr:
        writer = subprocess.Popen(
            [sys.executable, "-m", "noli.replica"], env=environment, stderr=stderr
        )
    try:
        url = f"http://127.0.0.1:{port}/readyz"
        end = time.monotonic() + PATIENCE_S
        while not _answers(url):
            assert writer.poll() is None, (folder / "stderr").read_text("utf-8")
            assert time.monotonic() < end
            time.sleep(0.2)
        spent = psutil.Process(writer.pid)
        cpu, rss = sum(spent.cpu_times()[:2]), spent.memory_info().rss
    finally:
        writer.terminate()
        writer.wait(PATIENCE_S)
    lines = (folder / "stderr").read_text("utf-8").splitlines()
    built = next(line for line in map(json.loads, lines) if line["event"] == "replica.built")
    assert built["contacts"] == CONTACTS
    return built["seconds"], cpu, rss


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False


def ask(copy: Path) -> tuple[list[float], list[float], int]:
    """Microseconds of single checks, from the number as text to the answer; and resident bytes.

    All of them, and those of windows in which the kernel took the core from nobody. Nine of ten
    numbers are on the register, one is a stranger's.
    """
    chance = random.Random(1)
    span = CONTACTS * 10 // 9
    asked = [("phone", number(chance.randrange(span))) for _ in range(CHECKS + WARM_UP)]
    taken, undisturbed = [], []
    with Gate.open(copy, pepper=PEPPER, lease_seconds=PATIENCE_S) as gate:
        for contact in asked[:WARM_UP]:
            gate.check(CONTROLLER, contact, "operator_call", "marketing")
        for start in range(WARM_UP, len(asked), WINDOW):
            before = _preempted()
            window = [_timed(gate, contact) for contact in asked[start : start + WINDOW]]
            taken += window
            undisturbed += window if _preempted() == before else []
    return taken, undisturbed, psutil.Process().memory_info().rss


def _timed(gate: Gate, contact: tuple[str, str]) -> float:
    began = time.perf_counter_ns()
    answer = gate.check(CONTROLLER, contact, "operator_call", "marketing")
    taken = (time.perf_counter_ns() - began) / 1_000
    assert not answer.allowed
    assert answer.reasons in {("REGISTERED",), ("NO_BASIS",)}
    return taken


def _preempted() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw


def thousandths(taken: list[float]) -> str:
    """p50, p99 and p99.9, as cells."""
    cuts = statistics.quantiles(taken, n=1_000)
    return " / ".join(f"{cuts[place - 1]:.1f}" for place in (500, 990, 999))


def page(figures: Figures) -> str:
    """The page, with what it was measured on."""
    load = os.getloadavg()[1]
    rate = CONTACTS / figures.build_s
    return f"""\
<!-- Written by tests/bench/bench_replica.py. Do not edit. -->

# Replica

{measured_on()}. {CONTACTS:,} contacts that
are on the register and known from nowhere else; broker, writer and reader on the same machine,
whose load was {load:.1f} over the five minutes of the run.

| what | measured | wanted |
|---|---|---|
| build from noli.decisions, contacts/s | {rate:,.0f} | 200,000 |
| CPU of the writer, µs a contact | {1e6 * figures.writer_cpu_s / CONTACTS:.1f} | |
| disk, bytes a contact | {figures.disk / CONTACTS:.1f} | 100 |
| check in process, µs, p50 / p99 / p99.9 | {thousandths(figures.taken)} | p99 20 |
| the same, not preempted ({len(figures.undisturbed) / CHECKS:.0%}) | \
{thousandths(figures.undisturbed)} | |
| resident, writer after the build, MB | {figures.writer_rss / 2**20:,.0f} | |
| resident, reader after {CHECKS:,} checks, MB | {figures.reader_rss / 2**20:,.0f} | |

On a loaded machine most of what is above the median is the kernel giving the core to others: the
second line leaves out windows of {WINDOW} checks in which it did. A check starts from the number as
text: normalising and hashing it are part of the figure. The reader's resident memory is mostly the
pages of the map that it touched, which all readers share.
"""


@pytest.mark.timeout(PATIENCE_S)
def test_replica(stack: Stack, tmp_path: Path) -> None:
    """Measure, write the page; what does not depend on the machine's mood must hold."""
    with subjects.connected(stack.registry) as client:
        subjects.apply(client, subjects.plan(client))
    topic = stack.topic("decisions", PARTITIONS, cleanup_policy="compact")
    feed(stack, topic, registry.codec(stack.settings(data=tmp_path / "data")))
    build_s, cpu_s, writer_rss = build(stack, topic, tmp_path)
    generation = copies.current(tmp_path / "copy")
    assert generation is not None
    disk = (generation / "data.mdb").stat().st_blocks * 512
    taken, undisturbed, reader_rss = ask(tmp_path / "copy")
    figures = Figures(build_s, cpu_s, writer_rss, disk, taken, undisturbed, reader_rss)
    text = page(figures)
    print(text)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, "utf-8")
    assert disk / CONTACTS <= 100
