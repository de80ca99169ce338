"""What the law costs: fold and verdicts of a contact, its state in bytes, lines of `noli decide`.

    python -m pytest tests/bench/bench_law.py -s

Writes docs/reference/benchmarks/law.md. One process, no broker.
"""

from __future__ import annotations

import io
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import pytest

from noli import wire
from noli.cli.decide import judge
from noli.domain import events, times
from noli.domain.channel import CHANNELS, PURPOSES
from noli.domain.facts import Fact
from noli.domain.fold import EMPTY, fold
from noli.domain.policy import Policy
from noli.domain.state import State
from noli.domain.verdict import verdicts
from schemas.codec import RECORDS, Codec
from tests.bench.engines.report import measured_on

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "benchmarks" / "law.md"
ROUNDS: Final = 5
CONTACTS: Final = 2_000
LINES: Final = 100_000
#: What issue 4 asks for: µs an event, lines a second.
GOAL_US: Final = 60
GOAL_LINES: Final = 10_000
#: Events of a contact that somebody sends at the house for ever.
ABUSED: Final = 1_000
NOW: Final = times.parse("2026-11-01T00:00:00Z")
_SEED: Final = 20_261_125
CODEC: Final = Codec({name: number for number, name in enumerate(RECORDS, 1)})


class Kind(NamedTuple):
    """A kind of contact: what happened to it, event by event."""

    name: str
    histories: Sequence[Sequence[Fact]]


@pytest.mark.timeout(900)
def test_what_the_law_costs() -> None:
    """Measure, print, write the page."""
    kinds = [typical(), busy(), abused()]
    rows = [
        f"| {kind.name} | {statistics.mean(map(len, kind.histories)):.0f} | {cost(kind):.0f} | "
        f"{size(kind):,.0f} |"
        for kind in kinds
    ]
    rate = decided_per_s()
    page = written(rows, rate)
    assert rate > 0
    PAGE.write_text(page, "utf-8")
    print(page)


def typical() -> Kind:
    """Collected, consented twice, checked in the register; every third objects."""
    return Kind("typical: 4–5 events", [list(_told(number, 4)) for number in range(CONTACTS)])


def busy() -> Kind:
    """A customer of years: two brands, sales, contracts, calls."""
    return Kind("customer of years", [list(_told(number, 40)) for number in range(CONTACTS // 50)])


def abused() -> Kind:
    """Thousands of events of every kind: what is kept stays bounded."""
    return Kind(
        "worst: events without end", [list(_told(number, ABUSED)) for number in range(1, 3)]
    )


def _told(number: int, count: int) -> Iterator[Fact]:
    chance = Random(_SEED + number)
    objects = [_objection()] if number % 3 == 0 else []
    brands = ["*"] if count <= len(_FIRST) else ["alfa", "beta", "*"]
    data = [
        *_FIRST[:count],
        *(_later(chance, brands) for _ in range(count - len(_FIRST))),
        *objects,
    ]
    for place, (type_, more) in enumerate(data):
        at = NOW - (len(data) - place) * times.DAY // 8
        yield events.parse(_event(number, place, type_, at, more), at)


def _event(number: int, place: int, type_: str, at: int, more: dict[str, Any]) -> dict[str, Any]:
    contact = {"kind": "phone", "value": f"+39333{number:07d}"}
    return {
        "specversion": "1.0",
        "id": f"{number}-{place}",
        "source": "/bench",
        "type": f"noli.{type_}.v1",
        "time": times.text(at),
        "data": {"controller": "acme", "contact": contact, **more},
    }


def _consent(purpose: str, channels: list[str]) -> dict[str, Any]:
    return {"purpose": purpose, "channels": channels, "evidence": {"ref": "form-7"}}


_FIRST: Final = [
    ("contact.collected", {"source_id": "shop", "source_kind": "sale"}),
    ("consent.given", _consent("marketing", ["sms", "operator_call"])),
    ("register.verified", {"register": "phone"}),
    ("consent.given", _consent("profiling", ["sms"])),
]


def _objection() -> tuple[str, dict[str, Any]]:
    return "objection.raised", {"via": "sms_stop"}


def _later(chance: Random, brands: list[str]) -> tuple[str, dict[str, Any]]:
    brand = {"brands": [chance.choice(brands)]}
    channel = chance.choice([c for c in CHANNELS if c not in {"email", "post"}])
    purpose = chance.choice(list(PURPOSES))
    return chance.choice(
        [
            ("consent.given", {**_consent(purpose, [channel]), **brand}),
            ("consent.withdrawn", {"channels": [channel], "purposes": [purpose], **brand}),
            ("objection.raised", {"channels": [channel], "via": "call", **brand}),
            ("contract.started", {"contract_id": f"c{chance.randrange(8)}"}),
            ("contract.ended", {"contract_id": f"c{chance.randrange(8)}"}),
            ("call.silent", {"campaign": "spring"}),
            ("call.attended", {"campaign": "spring"}),
            ("register.verified", {"register": "phone"}),
        ]
    )


def cost(kind: Kind) -> float:
    """CPU of folding one event and deciding anew, in µs: the median of the rounds."""
    policy, took = Policy(), []
    events_told = sum(map(len, kind.histories))
    for _ in range(ROUNDS):
        began = time.process_time()
        for history in kind.histories:
            state: State = EMPTY
            for fact in history:
                state = fold(state, fact)
                verdicts(state, policy, NOW)
        took.append((time.process_time() - began) / events_told * 1e6)
    return statistics.median(took)


def size(kind: Kind) -> float:
    """Mean bytes of the state record at the end."""
    sizes = []
    for history in kind.histories:
        state: State = EMPTY
        for fact in history:
            state = fold(state, fact)
        record = wire.state_to_record(state, 1, NOW, NOW)
        sizes.append(len(CODEC.encode("noli.ContactState", record)))
    return statistics.mean(sizes)


def decided_per_s() -> float:
    """Lines a second of CPU: four events and a question a contact."""
    lines = list(_lines())
    took = []
    for _ in range(3):
        out, err = io.StringIO(), io.StringIO()
        began = time.process_time()
        judge(lines, NOW, out, err)
        took.append(time.process_time() - began)
        assert out.getvalue().count("\n") == LINES // 5
        assert err.getvalue() == ""
    return LINES / statistics.median(took)


def _lines() -> Iterator[bytes]:
    for number in range(LINES // 5):
        for place, (type_, more) in enumerate(_FIRST):
            at = NOW - (5 - place) * times.DAY
            yield json.dumps({"event": _event(number, place, type_, at, more)}).encode()
        about = _event(number, 0, "ask", NOW, {})["data"]
        ask = {**about, "channel": "sms", "purpose": "marketing", "at": times.text(NOW)}
        yield json.dumps({"ask": ask}).encode()


def written(rows: Sequence[str], rate: float) -> str:
    """The page."""
    return "\n".join(
        [
            "<!-- Written by tests/bench/bench_law.py. Do not edit. -->",
            "",
            "# The law",
            "",
            f"{measured_on()}.",
            f"CPU of one process, medians of {ROUNDS} rounds (goal: ≤ {GOAL_US} µs for a typical",
            "contact). Bytes are those of the state record in the log, before compression.",
            "",
            "| contact | events | fold and verdicts, µs an event | state, bytes |",
            "|---|---|---|---|",
            *rows,
            "",
            f"`noli decide`: {rate:,.0f} lines a second of CPU, four events and a question",
            f"a contact (goal ≥ {GOAL_LINES:,}).",
            "",
        ]
    )
