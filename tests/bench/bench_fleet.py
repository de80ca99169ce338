"""Ten applications of which one is dead: the other nine, and the dead one's return.

    python -m pytest tests/bench/bench_fleet.py -s

Writes docs/reference/benchmarks/fleet.md. An hour of death is scaled to NOLI_BENCH_SECONDS: what is
dead costs probes, and those come at their slowest after a minute. Then each sink alone: contacts a
second that its real target confirms.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import pytest

from connectors.protocol import Applied, Change, Fixable, Sink
from connectors.sinks.mysql import Mysql
from connectors.sinks.postgres import Postgres
from connectors.sinks.redis import Redis
from connectors.sinks.webhook import Webhook
from connectors.testing import CALLS, TEXTS, a_change, a_verdict, new_token, number_of, phone
from noli.cli.demo import application
from noli.cli.demo.verdict import percentile
from noli.cli.stack import plan
from noli.cli.stack.postgres import embedded_postgres
from noli.domain import times
from noli.runtime import clock, registry
from noli.runtime.settings import Settings
from tests.bench.engines.report import measured_on
from tests.support import blackbox
from tests.support.bad_app import SECRET, bad_app, failing
from tests.support.blackbox import Contact, Stack, objection, until
from tests.support.receipts import receipts
from tests.support.traffic import Traffic
from tests.support.world import manifest, webhook_manifest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "benchmarks" / "fleet.md"
APPS: Final = 10
#: Objections and consents a second: ten applications make ten times as many requests, and every
#: application's process runs on the same two cores.
RATE: Final = 20
SECONDS: Final = int(os.environ.get("NOLI_BENCH_SECONDS", "60"))
WARM_UP_S: Final = 10
SEED: Final = 7
#: Contacts that change often while the tenth is dead, and how often.
BUSY: Final = 50
TIMES: Final = 6
#: What issue 6 asks for: p99 of the nine, and by how much a dead tenth may raise it.
APPLIED_MS: Final = 250
RAISED: Final = 1.2
#: Contacts given to each sink, and what it should take a second.
CONTACTS: Final = 20_000
GOALS: Final = {"postgres": 10_000, "mysql": 5_000, "webhook": 2_000, "redis": None}


@dataclass(frozen=True)
class Fleet:
    """p99 of the nine (ms) while all live, and while the tenth is dead; then its return."""

    healthy: float
    median: float
    beside: float
    beside_median: float
    waiting: int
    drained_s: float
    writes: Mapping[int, int]


@pytest.mark.timeout(900)
def test_a_dead_application_is_nobody_elses(
    tmp_path: Path, redis_url: str, mariadb_url: str
) -> None:
    """Measure, print, write the page; a bench fails only where there is nothing to measure."""
    fleet = measured(tmp_path)
    speeds = dict(sinks(redis_url, mariadb_url))
    page = written(fleet, speeds)
    PAGE.write_text(page, "utf-8")
    print(page)


def measured(tmp: Path) -> Fleet:
    """The fleet, healthy, bereft, whole again."""
    with ExitStack() as living:
        tenth = living.enter_context(bad_app())
        for number in range(APPS - 1):
            app = living.enter_context(application.running())
            webhook_manifest(tmp / "apps", f"app{number}", app)
        config = {"url": tenth.url, "secret": SECRET, "allow_private_addresses": True}
        manifest(tmp / "apps", f"app{APPS - 1}", "webhook", config)
        stack = living.enter_context(blackbox.up(tmp / "data", tmp / "apps"))
        sender = living.enter_context(stack.client())
        traffic = Traffic(sender, SEED, RATE)
        traffic.start()
        try:
            traffic.more(WARM_UP_S * RATE)
            healthy = window(traffic)
            tenth.always(failing(503))
            busy: list[Contact] = [("phone", f"+39366{n:07d}") for n in range(BUSY)]
            for _ in range(TIMES):  # what changes again and again, and waits as one
                sender.send(*(consented(contact) for contact in busy))
                traffic.more(RATE)
            sender.send(*(objection(contact) for contact in busy))
            bereft = window(traffic)
        finally:
            traffic.stop()
        waiting, seen, began = pending(stack), len(tenth.received), time.monotonic()
        tenth.always(None)
        until(lambda: pending(stack) == 0, "the tenth is aligned again", 300)
        drained = time.monotonic() - began
        told = [change["token"] for one in tenth.received[seen:] for change in one.body["changes"]]
        writes = Counter(Counter(told).values())
        nine = took(stack, tmp, [f"app{n}" for n in range(APPS - 1)])
    before, after = (inside(nine, each) for each in (healthy, bereft))
    return Fleet(
        percentile(before, 99), percentile(before, 50), percentile(after, 99),
        percentile(after, 50), waiting, drained, writes,
    )  # fmt: skip


def consented(contact: Contact) -> blackbox.Event:
    """A consent of now."""
    return blackbox.consent(contact, "sms", times.text(clock.now_ms()))


def window(traffic: Traffic) -> tuple[int, int]:
    """So many seconds of traffic; from when to when, ms."""
    began = clock.now_ms()
    traffic.more(SECONDS * RATE)
    return began, clock.now_ms()


def pending(stack: Stack) -> int:
    """Contacts that wait for the tenth application."""
    found = httpx2.get(f"{plan.read(stack.data).url(f'connectors-app{APPS - 1}')}/readyz")
    return int(found.json()["pending"])


def took(stack: Stack, tmp: Path, apps: Sequence[str]) -> list[tuple[int, float]]:
    """When each change was accepted, and how long until those applications confirmed it; ms."""
    found = stack.endpoints()
    where = Settings(kafka=found["kafka"], registry=found["registry"], data=tmp / "reader")
    return [
        (change["accepted"], receipt["at"] - change["accepted"])
        for receipt in receipts(where, registry.codec(where))
        if receipt["app"] in apps
        for change in receipt["changes"]
        if change["outcome"] == "applied"
    ]


def inside(found: Sequence[tuple[int, float]], span: tuple[int, int]) -> list[float]:
    """What was accepted in the span."""
    return [delay for accepted, delay in found if span[0] <= accepted <= span[1]]


# --- each sink alone ------------------------------------------------------------------------------


def sinks(redis_url: str, mariadb_url: str) -> Iterator[tuple[str, float]]:
    """Name of each sink, and contacts a second that its real target confirmed."""
    table = {"table": "noli_fleet", "timeout_s": 60}
    with embedded_postgres() as server, application.running() as app:
        config = {"url": app.url, "secret": app.secret, "allow_private_addresses": True}
        made: list[tuple[str, Sink]] = [
            (
                "postgres",
                Postgres(Postgres.Config.model_validate({"dsn": server.dsn, **table}), "a"),
            ),
            ("mysql", Mysql(Mysql.Config.model_validate({"url": mariadb_url, **table}), "a")),
            ("webhook", Webhook(Webhook.Config.model_validate(config), "a")),
            (
                "redis",
                Redis(Redis.Config.model_validate({"url": redis_url, "prefix": "fleet"}), "a"),
            ),
        ]
        for name, sink in made:
            yield name, asyncio.run(speed(sink))


async def speed(sink: Sink) -> float:
    """Contacts a second, in batches of the size the runner makes; every confirmation is checked."""
    if isinstance(sink, Fixable):
        await sink.fix()
    batches = [
        [contact() for _ in range(sink.traits.batch)] for _ in range(CONTACTS // sink.traits.batch)
    ]
    began = time.perf_counter()
    try:
        for start in range(0, len(batches), sink.traits.in_flight):
            some = batches[start : start + sink.traits.in_flight]
            for results in await asyncio.gather(*(sink.apply(batch) for batch in some)):
                assert all(isinstance(result, Applied) for result in results)
        return sum(map(len, batches)) / (time.perf_counter() - began)
    finally:
        await sink.aclose()


def contact() -> Change:
    """Somebody who objected to calls and texts."""
    token = new_token()
    verdicts = a_verdict(CALLS), a_verdict(TEXTS)
    return a_change(token, 1, *verdicts, contact=phone(number_of(token)))


def written(fleet: Fleet, speeds: Mapping[str, float]) -> str:
    """The page."""
    raised = fleet.beside / fleet.healthy
    writes = ", ".join(f"{n}: {count:,}" for n, count in sorted(fleet.writes.items()))
    dead = f"| the tenth is dead | {fleet.beside_median:.0f} | {fleet.beside:.0f} | "
    lines = [
        "<!-- Written by tests/bench/bench_fleet.py. Do not edit. -->",
        "",
        "# The fleet",
        "",
        f"{measured_on()}.",
        f"{APPS} applications behind webhooks, {RATE} single events a second over HTTP,",
        f"{SECONDS} s of each kind; Kafka, every worker, ten connectors, ten applications and the",
        f"senders share the machine. Load average at the end {os.getloadavg()[0]:.1f}.",
        "",
        "| accepted → applied, nine applications | p50 ms | p99 ms | target |",
        "|---|---|---|---|",
        f"| the tenth lives | {fleet.median:.0f} | {fleet.healthy:.0f} | p99 ≤ {APPLIED_MS} |",
        dead + f"p99 ≤ {APPLIED_MS}, ≤ {RAISED} × the above; it is {raised:.2f} × |",
        "",
        f"The tenth, dead (503), returns: {fleet.waiting:,} contacts waited, {BUSY} changed",
        f"{TIMES + 1} times meanwhile; aligned after {fleet.drained_s:.1f} s. Writes per contact",
        f"there (writes: contacts): {writes}.",
        "",
        "## Sinks alone",
        "",
        f"{CONTACTS:,} contacts, two denials each, in the runner's batches, confirmed by the real",
        "target.",
        "",
        "| sink | contacts a second | target |",
        "|---|---|---|",
        *(f"| {name} | {found:,.0f} | {GOALS[name] or '–'} |" for name, found in speeds.items()),
        "",
    ]
    return "\n".join(lines)
