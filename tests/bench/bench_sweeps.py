"""Objections while a million verdicts change by themselves: all in one second, then by a source.

    python -m pytest tests/bench/bench_sweeps.py -s     # NOLI_BENCH_CONTACTS=1000000

Writes docs/reference/benchmarks/sweeps.md. Senders, broker, every worker and the reader that
measures share the machine; no application is plugged in.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from noli.cli.demo.verdict import percentile
from noli.domain import events, times
from noli.domain.policy import PHONE_CHECK_VALID
from noli.runtime import registry
from noli.runtime.clock import now_ms
from noli.runtime.settings import Settings
from schemas.codec import Codec
from schemas.names import GRANTS
from tests.bench.engines.load import Record, keyed, send
from tests.bench.engines.report import measured_on
from tests.support import blackbox
from tests.support.blackbox import CONTROLLER, until
from tests.support.pulse import Pulse, felt
from tests.support.traffic import RATE, Traffic

CONTACTS: Final = int(os.environ.get("NOLI_BENCH_CONTACTS", "1000000"))
ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "benchmarks" / "sweeps.md"
SOURCE: Final = "list-of-the-bench"
SEED: Final = 20_261_124
#: What every contact of the traffic begins with, and none of the population.
TRAFFIC: Final = b"+39300"
#: Contacts loaded a second at least: until they all are, nothing may be due.
LOADED_PER_S: Final = 4_000
#: Seconds of traffic alone, to compare with.
ALONE_S: Final = 20
#: What issue 4 asks for, in ms.
GOAL_MS: Final = 250
#: What somebody may wait for a bench, in seconds.
PATIENCE_S: Final = 3_600


@dataclass(frozen=True)
class Phase:
    """Something that went on beside the traffic."""

    what: str
    changed: int
    seconds: float
    #: accepted → decision of each objection of the traffic, ms.
    delays: list[float]


@pytest.mark.timeout(2 * PATIENCE_S)
def test_objections_beside_a_million_changes(tmp_path: Path) -> None:
    """Measure, print, write the page; a bench fails only where there is nothing to measure."""
    (tmp_path / "apps").mkdir()
    with blackbox.up(tmp_path / "data", tmp_path / "apps") as stack, stack.client() as client:
        found = stack.endpoints()
        settings = Settings(
            kafka=found["kafka"], registry=found["registry"], data=tmp_path / "reader"
        )
        codec = registry.codec(settings)
        with felt(settings, TRAFFIC) as pulse:
            due = now_ms() + CONTACTS * 1000 // LOADED_PER_S + 30_000
            send(settings, GRANTS, population(codec, due - PHONE_CHECK_VALID))
            until(lambda: pulse.others >= CONTACTS, "the contacts decided", PATIENCE_S)
            assert now_ms() < due, "the contacts took longer to load than their time to run"
            traffic = Traffic(client, SEED)
            traffic.start()
            try:
                traffic.more(5 * RATE)
                phases = [alone(traffic, pulse, codec)]
                until(lambda: now_ms() > due, "the moment", PATIENCE_S)
                phases.append(changed("timers due in one second", 2, pulse, codec))
                client.send(revocation())
                phases.append(changed("contacts of one source revoked", 3, pulse, codec))
            finally:
                traffic.stop()
    assert all(phase.delays for phase in phases)
    page = written(phases)
    PAGE.write_text(page, "utf-8")
    print(page)


def population(codec: Codec, given: int) -> Iterator[Record]:
    """A consent to calls and texts of each contact, all given at the same moment (ms)."""
    for number in range(CONTACTS):
        raw = {
            "specversion": "1.0",
            "id": str(number),
            "source": "/bench",
            "type": "noli.consent.given.v1",
            "time": times.text(given),
            "data": {
                "controller": CONTROLLER,
                "contact": {"kind": "phone", "value": f"+39333{number:07d}"},
                "purpose": "marketing",
                "channels": ["sms", "operator_call"],
                "source_id": SOURCE,
                "evidence": {"ref": f"form-{number}", "box_purposes": ["marketing"]},
            },
        }
        yield keyed(codec, events.parse(raw, now_ms()))


def revocation() -> dict[str, Any]:
    """The source turns out to be bad."""
    return {
        "specversion": "1.0",
        "id": "revoked",
        "source": "/bench",
        "type": "noli.source.revoked.v1",
        "data": {"controller": CONTROLLER, "source_id": SOURCE, "reason": "bench"},
    }


def alone(traffic: Traffic, pulse: Pulse, codec: Codec) -> Phase:
    """The traffic by itself."""
    first, began = len(pulse.beats), time.monotonic()
    traffic.more(ALONE_S * RATE)
    return Phase("nothing else", 0, time.monotonic() - began, delays(pulse, first, codec))


def changed(what: str, times_over: int, pulse: Pulse, codec: Codec) -> Phase:
    """Until every contact of the population was decided once more."""
    first, began = len(pulse.beats), time.monotonic()
    before = pulse.others
    until(lambda: pulse.others >= times_over * CONTACTS, what, PATIENCE_S)
    took = time.monotonic() - began
    return Phase(what, pulse.others - before, took, delays(pulse, first, codec))


def delays(pulse: Pulse, first: int, codec: Codec) -> list[float]:
    """How long each objection since the `first` beat took, from its acceptance to a reader, ms."""
    objected: set[str] = set()
    found = []
    for number, beat in enumerate(pulse.beats):
        decision = codec.decode(beat.value)[1]
        who = decision["contact"]["value"]
        if who not in objected and any("OBJECTED" in row["reasons"] for row in decision["rows"]):
            objected.add(who)
            if number >= first:
                found.append(beat.at - decision["accepted"])
    return found


def written(phases: list[Phase]) -> str:
    """The page."""
    lines = [
        "<!-- Written by tests/bench/bench_sweeps.py. Do not edit. -->",
        "",
        "# Changes that come from no event",
        "",
        f"{measured_on()}.",
        f"{CONTACTS:,} contacts, known from one source, whose register check lapses in the same",
        f"second. Beside them {RATE} single events a second over HTTP: consents, objections, late",
        "consents; milliseconds from an accepted objection to its decision, as a reader has it",
        f"(goal beside timers: p99 ≤ {GOAL_MS}).",
        "",
        "| beside it | decided again | seconds | a second | objections | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {phase.what} | {phase.changed:,} | {phase.seconds:.0f} | "
            f"{phase.changed / phase.seconds:,.0f} | {len(phase.delays):,} | "
            f"{percentile(phase.delays, 50):.0f} | {percentile(phase.delays, 99):.0f} |"
            for phase in phases
        ),
        "",
    ]
    return "\n".join(lines)
