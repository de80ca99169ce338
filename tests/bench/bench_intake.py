"""How many events a second the intake acknowledges, one by one and in batches; who bounds it.

    python -m pytest tests/bench/bench_intake.py -s     # needs wrk (Debian package `wrk`)

Writes docs/reference/benchmarks/intake.md. wrk, the broker and one intake process share the
machine. Each load also goes to the same process without its log: the difference is Kafka's share.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import pytest
from confluent_kafka import Consumer, TopicPartition

from noli.cli import contracts
from noli.runtime.kafka import consumer_config
from noli.runtime.settings import Settings
from schemas.names import GRANTS, OBJECTIONS
from tests.bench.engines.report import measured_on
from tests.support.intake_process import Running, started
from tests.support.stack import Stack

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "benchmarks" / "intake.md"
ROUNDS: Final = int(os.environ.get("NOLI_BENCH_ROUNDS", "3"))
SECONDS: Final = 5
WARM_UP_S: Final = 2
PARTITIONS: Final = 8
#: What issue 3 asks for, in events a second.
SINGLE_TARGET: Final = 1_500
BATCH_TARGET: Final = 15_000
WITH_LOG: Final = "acknowledged by Kafka"
WITHOUT_LOG: Final = "without a log"


@dataclass(frozen=True)
class Load:
    """What wrk posts: `size` events each, over that many connections. A target in events/s."""

    name: str
    size: int
    connections: int
    target: int


LOADS: Final = (
    Load("single posts", 1, 64, SINGLE_TARGET),
    Load("batches of 100", 100, 8, BATCH_TARGET),
    Load("batches of 500", 500, 4, BATCH_TARGET),
    Load("batches of 1,000", 1000, 4, BATCH_TARGET),
)


@dataclass(frozen=True)
class Result:
    """One run. `cpu_us`: processor time of the intake per event; `crowd`: load average after."""

    load: Load
    way: str
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    crowd: float


SCRIPT: Final = Path(__file__).with_name("intake.lua")


@pytest.mark.timeout(1_800)
def test_acknowledged_events_a_second(stack: Stack, tmp_path: Path) -> None:
    """Measure, print, write the page; it fails when an acknowledged event is not in the log."""
    wrk = shutil.which("wrk")
    if wrk is None:
        pytest.skip("wrk is not installed: apt-get install wrk")
    settings = stack.settings()
    contracts.apply(settings)
    with ExitStack() as running:
        ways = {}
        for way, module in ((WITH_LOG, "noli.intake"), (WITHOUT_LOG, "tests.support.unlogged")):
            folder = tmp_path / module
            folder.mkdir()
            limit = {"NOLI_INTAKE_EVENTS_PER_S": "1000000"}
            ways[way] = running.enter_context(started(settings, folder, module, **limit))
            ways[way].until_ready()
        results = list(measured(wrk, settings, ways, tmp_path))
    page = written(results)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page, "utf-8")
    print(page)


def measured(
    wrk: str, settings: Settings, ways: dict[str, Running], folder: Path
) -> Iterator[Result]:
    """Every load over every way, round by round, so that all share the machine's moods."""
    for load in LOADS:
        for way, intake in ways.items():
            posted(wrk, load, intake, folder, f"warm{len(way)}", WARM_UP_S)
    for number in range(ROUNDS):
        for load in LOADS:
            for way, intake in ways.items():
                before = logged(settings)
                used = cpu_s(intake)
                requests, rate, p50, p99 = posted(
                    wrk, load, intake, folder, f"r{number}w{len(way)}", SECONDS
                )
                events = requests * load.size
                cpu_us = (cpu_s(intake) - used) / events * 1e6
                if way == WITH_LOG:
                    assert logged(settings) - before >= events, "an acknowledged event is missing"
                yield Result(load, way, rate, p50, p99, cpu_us, os.getloadavg()[0])


def posted(
    wrk: str, load: Load, intake: Running, folder: Path, run: str, seconds: int
) -> tuple[int, float, float, float]:
    """Requests answered 2xx, events a second, p50 and p99 in ms."""
    script = folder / "load.lua"
    said = {"KEY": intake.key, "SIZE": str(load.size), "RUN": f"{run}s{load.size}"}
    script.write_text(
        re.sub("@([A-Z]+)@", lambda found: said[found[1]], SCRIPT.read_text()), "utf-8"
    )
    done = subprocess.run(
        [wrk, "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "30s",
         "-s", str(script), intake.url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    requests, duration_us, bad, p50_us, p99_us = (int(part) for part in found.groups())
    assert bad == 0, f"{bad} posts were not acknowledged\n{done.stdout}"
    assert requests > 0
    return requests, requests * load.size / duration_us * 1e6, p50_us / 1000, p99_us / 1000


def cpu_s(intake: Running) -> float:
    """Processor seconds the intake has used."""
    times = psutil.Process(intake.process.pid).cpu_times()
    return float(times.user + times.system)


def logged(settings: Settings) -> int:
    """Records in the two lanes."""
    reader = Consumer(consumer_config(settings, None))
    try:
        return sum(
            reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)[1]
            for topic in (OBJECTIONS, GRANTS)
            for partition in range(PARTITIONS)
        )
    finally:
        reader.close()


def written(results: Sequence[Result]) -> str:
    """The page: medians over the rounds."""
    rows = []
    for load in LOADS:
        for way in (WITH_LOG, WITHOUT_LOG):
            same = [each for each in results if each.load is load and each.way == way]
            rates = [each.rate for each in same]
            target = f"≥ {load.target:,}" if way == WITH_LOG else ""
            rows.append(
                f"| {load.name} | {way} | {statistics.median(rates):,.0f} "
                f"({min(rates):,.0f}–{max(rates):,.0f}) | {target} "
                f"| {statistics.median(each.p50_ms for each in same):.1f} "
                f"| {statistics.median(each.p99_ms for each in same):.1f} "
                f"| {statistics.median(each.cpu_us for each in same):.0f} |"
            )
    crowds = [each.crowd for each in results]
    return "\n".join(
        [
            "<!-- Written by tests/bench/bench_intake.py. Do not edit. -->",
            "",
            "# Intake",
            "",
            f"{measured_on()}, load",
            f"average {min(crowds):.1f} to {max(crowds):.1f} (a quiet run has 2 to 3).",
            f"One intake process, the broker and wrk share the machine; {ROUNDS} rounds of",
            f"{SECONDS} s, medians (least–most). Every acknowledged event was counted in the log.",
            "*Without a log*: the same process over a log that forgets; the rest is Kafka's share.",
            "",
            "| load | log | events/s | target | p50 ms | p99 ms | CPU µs per event |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
