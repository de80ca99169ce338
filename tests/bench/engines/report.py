"""docs/reference/benchmarks/engines.md: the table, with what it was measured on."""

from __future__ import annotations

import platform
import statistics
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.bench.engines import engines
from tests.bench.engines.environments import ROOT
from tests.bench.engines.load import COMPARED
from tests.bench.engines.running import PACE, Result

PAGE = ROOT / "docs" / "reference" / "benchmarks" / "engines.md"


def page(rounds: list[list[Result]], agree: Mapping[str, int]) -> str:
    """The page; each cell is the median of the rounds."""
    rows = [merged(list(column)) for column in zip(*rounds, strict=True)]
    return "\n".join(
        [
            "<!-- Written by `make bench-engines`. Do not edit. -->",
            "",
            "# Engines",
            "",
            opening(len(rounds)),
            table("The real fold", rows, engines.FOLD),
            ratios(rows),
            "",
            f"Decisions of the first {COMPARED:,} contacts, as far as each engine came, compared "
            "field by field with ours: "
            + "; ".join(f"{name}: {count:,} equal" for name, count in agree.items())
            + ".",
            "",
            table("The stub fold: get, put, forward; raw bytes", rows, engines.STUB),
            level(rows),
            "",
        ]
    )


def opening(rounds: int) -> str:
    """Date, machine, commit, method."""
    range_told = ", in parentheses their range" if rounds > 1 else ""
    return f"""\
{measured_on()}. The broker (one Kafka 4.3.1 node), the load and the
engine share them, so ratios matter more than figures. Medians of {rounds} round(s){range_told}.

Every engine reads the same {engines.EVENTS:,} preloaded single intents: a consent for each of half
as many contacts, then a second consent or an objection. 8 partitions, one process, at least once.

- *events/s*: outputs, by the log's own append times, the first tenth left out. Quix is measured on
  its first {engines.QUIX_EVENTS:,} outputs, Faust on its first {engines.FAUST_EVENTS:,}.
- *CPU*: of the engine's process, an output.
- *restore*: from the engine's own changelog onto an empty disk.
- *p50, p99*: from an event's birth to its output, at {PACE} events/s.
"""


def measured_on() -> str:
    """Day, commit and machine of what is measured now."""
    head = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(head, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return f"{day}, commit {commit.strip()}, {machine()}"


def machine() -> str:
    """Cores and model, memory, Python."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = int(Path("/proc/meminfo").read_text("utf-8").split()[1]) / 2**20
    model = models[0] if models else platform.machine()
    return f"{len(models)} cores ({model}), {memory:.0f} GB, Python {platform.python_version()}"


def merged(same: list[Result]) -> Result:
    """Medians over the rounds of one engine."""
    first = same[0]
    rates = [each.rate for each in same]
    spread = f" ({min(rates):,.0f}–{max(rates):,.0f})" if len(same) > 1 else ""
    return Result(
        first.name,
        first.group,
        first.events,
        statistics.median(rates),
        statistics.median(each.cpu_us for each in same),
        middle([each.restore_rate for each in same]),
        middle([each.p50 for each in same]),
        middle([each.p99 for each in same]),
        spread,
    )


def middle(values: list[float | None]) -> float | None:
    """Median of what was measured."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def table(title: str, rows: list[Result], group: str) -> str:
    """One Markdown table."""
    lines = [
        f"## {title}",
        "",
        "| engine | events/s | CPU µs/event | restore, records/s | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|",
    ]
    for row in (row for row in rows if row.group == group):
        cells = [f"{row.rate:,.0f}{row.note}", f"{row.cpu_us:,.0f}", shown(row.restore_rate)]
        lines.append(f"| {row.name} | {' | '.join(cells)} | {shown(row.p50)} | {shown(row.p99)} |")
    return "\n".join([*lines, ""])


def shown(value: float | None) -> str:
    """A figure, or a dash where it was not measured."""
    return "–" if value is None else f"{value:,.0f}"


def ratios(rows: list[Result]) -> str:
    """How many times as fast as the peers we are, on the real fold."""
    by_name = {row.name: row.rate for row in rows}
    ours = by_name.get(engines.OURS, 0.0)
    told = [
        f"{ours / by_name[peer]:.1f} × {title}"
        for peer, title in ((engines.QUIX, "Quix Streams"), (engines.FAUST, "Faust"))
        if peer in by_name
    ]
    return f"Ours is {', '.join(told)}." if told else ""


def level(rows: list[Result]) -> str:
    """Our loop against Kafka Streams, on the stub."""
    by_name = {row.name: row.rate for row in rows}
    jvm, raw, decode = (
        by_name.get(name, 0.0)
        for name in (engines.KSTREAMS, engines.OURS_STUB, engines.OURS_DECODE)
    )
    if not jvm:
        return ""
    return (
        f"Our loop on raw bytes is {raw / jvm:.2f} × Kafka Streams on one thread; with an Avro\n"
        f"decode of each record, which Kafka Streams is spared here, {decode / jvm:.2f} ×."
    )
