"""Asking before a call: our copy beside Redis and PostgreSQL doing the same job on this machine.

    python -m pytest tests/bench/bench_readers.py -s     # NOLI_BENCH_CONTACTS=1000000

Writes docs/reference/benchmarks/readers.md. Every way starts from the number as it is written in a
list: parsing, normalising and hashing are part of each figure. Redis is asked over a Unix socket,
PostgreSQL over the loopback; both hold one small value under the same keyed token.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
import pytest

from noli.cli.stack import ports
from noli.cli.stack.postgres import embedded_postgres
from noli.domain.contact import normalise
from noli.domain.token import token
from noli.replica.gate import Gate
from noli.replica.scrub.asked import Asked
from noli.replica.scrub.work import Copy, Job
from noli.runtime import apikeys, registry, subjects
from tests.bench.bench_replica import CONTACTS, PARTITIONS, PATIENCE_S, build, feed, number
from tests.bench.engines.report import measured_on
from tests.support.blackbox import until
from tests.support.copies import CONTROLLER, PEPPER
from tests.support.stack import Stack

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "benchmarks" / "readers.md"
CHECKS: Final = 20_000
ROWS: Final = int(os.environ.get("NOLI_BENCH_ROWS", "1000000"))
CORES: Final = os.cpu_count() or 1
#: Numbers asked for in one round trip of a scrub.
AT_ONCE: Final = 1_000
#: Questions a second over HTTP, for so long, over so many kept connections.
RATE: Final = 1_000
HTTP_S: Final = 12
#: Of these, what is not counted: the service and its connections are new.
WARM_UP_S: Final = 2
CONNECTIONS: Final = 8
LISTED: Final = b"REGISTERED"
_SEED: Final = 20_261_126

Check = Callable[[str], bool]


class Timed(NamedTuple):
    """Microseconds of single questions."""

    what: str
    taken: Sequence[float]


@pytest.mark.timeout(2 * PATIENCE_S)
def test_readers(stack: Stack, tmp_path: Path) -> None:
    """Measure, print, write the page; every way must give the same answers."""
    with subjects.connected(stack.registry) as client:
        subjects.apply(client, subjects.plan(client))
    topic = stack.topic("decisions", PARTITIONS, cleanup_policy="compact")
    feed(stack, topic, registry.codec(stack.settings(data=tmp_path / "data")))
    build(stack, topic, tmp_path)
    sheet = tmp_path / "list.csv"
    write_list(sheet)
    with ExitStack() as peers:
        redis = peers.enter_context(redis_server(tmp_path))
        dsn = peers.enter_context(embedded_postgres()).dsn
        fill(redis, dsn)
        single = [*singles(tmp_path / "copy", redis, dsn)]
        scrubs = [
            ("ours", ours_scrub(tmp_path, sheet)),
            ("Redis", redis_scrub(redis, sheet, tmp_path)),
            ("PostgreSQL", postgres_scrub(dsn, sheet, tmp_path / "pg.csv")),
        ]
        http = asyncio.run(asked_over_http(tmp_path))
    page = written(single, scrubs, http)
    PAGE.write_text(page, "utf-8")
    print(page)


def write_list(sheet: Path) -> None:
    """A campaign's list: nine of ten numbers are on the register, in the spellings of lists."""
    chance = random.Random(_SEED)
    span = CONTACTS * 10 // 9
    with sheet.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "name", "phone"])
        for row in range(ROWS):
            said = number(chance.randrange(span))[3:]
            rows.writerow([row, f"Anna {row}", f"{said[:3]} {said[3:]}" if row % 3 else said])


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis of this bench's own: its socket. Nothing is kept on disk."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    place = folder / "redis.sock"
    settings = ["--unixsocket", str(place), "--port", "0", "--save", "", "--appendonly", "no"]
    running = subprocess.Popen([program, *settings], stdout=subprocess.DEVNULL, cwd=folder)
    try:
        until(place.exists, "Redis", PATIENCE_S)
        yield str(place)
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(PATIENCE_S)


def connected(place: str) -> Any:  # noqa: ANN401 - the client is generic over its answers
    """A client of Redis."""
    import redis  # noqa: PLC0415 - only this bench and its sink know it

    return redis.Redis(unix_socket_path=place)


def key_of(said: str) -> bytes:
    """The token of a number as a list has it."""
    return token(PEPPER, CONTROLLER, normalise("phone", said))


def keys() -> Iterator[bytes]:
    """The tokens of all that are on the register."""
    return (key_of(number(index)) for index in range(CONTACTS))


def fill(place: str, dsn: str) -> None:
    """Both peers hold every token."""
    with closing(connected(place)) as client, psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE listed (token bytea PRIMARY KEY, reason text NOT NULL)")
        pipe = client.pipeline(transaction=False)
        with connection.cursor().copy("COPY listed FROM STDIN") as copy:
            for count, key in enumerate(keys(), 1):
                pipe.set(key, LISTED)
                copy.write_row((key, LISTED.decode()))
                if count % AT_ONCE == 0:
                    pipe.execute()
        pipe.execute()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE listed")


def singles(copy: Path, place: str, dsn: str) -> Iterator[Timed]:
    """One number after the other, each way."""
    chance = random.Random(_SEED)
    asked = [number(chance.randrange(CONTACTS * 10 // 9)) for _ in range(CHECKS)]
    gate = Gate.open(copy, pepper=PEPPER, lease_seconds=PATIENCE_S)
    with gate, closing(connected(place)) as client, psycopg.connect(dsn) as connection:
        select = "SELECT reason FROM listed WHERE token = %s"
        ways: dict[str, Check] = {
            "ours, in process": lambda said: (
                gate.check(CONTROLLER, ("phone", said), "operator_call", "marketing").reasons[0]
                == "REGISTERED"
            ),
            "Redis, GET": lambda said: client.get(key_of(said)) is not None,
            "PostgreSQL, prepared SELECT": lambda said: (
                connection.execute(select, [key_of(said)], prepare=True).fetchone() is not None
            ),
        }
        answers = []
        for what, check in ways.items():
            answers.append([check(said) for said in asked])  # warm, and compared below
            yield Timed(what, [timed(check, said) for said in asked])
        assert answers[0] == answers[1] == answers[2]
        assert 0 < sum(answers[0]) < len(asked)


def timed(check: Check, said: str) -> float:
    """Microseconds of one question."""
    began = time.perf_counter_ns()
    check(said)
    return (time.perf_counter_ns() - began) / 1_000


def ours_scrub(folder: Path, sheet: Path) -> float:
    """Seconds of `noli scrub`'s job on every core."""
    asked = Asked(CONTROLLER, "operator_call", "marketing", None, None, "phone")
    copy = Copy(folder / "copy", PEPPER, PATIENCE_S)
    began = time.monotonic()
    with sheet.open("rb") as source, (folder / "ours.csv").open("wb") as out:
        job = Job(copy, asked, "csv", CORES, lambda _flaw: None, lambda _count: None)
        tally = job.run(source, out).tally
    assert tally.rows == ROWS
    assert tally.unparsable == 0
    return time.monotonic() - began


def redis_scrub(place: str, sheet: Path, folder: Path) -> float:
    """Seconds of the same with MGET, a share of the rows for each core."""
    began = time.monotonic()
    with ProcessPoolExecutor(CORES) as pool:
        shares = [
            pool.submit(redis_share, place, sheet, folder / f"redis{n}.csv", n)
            for n in range(CORES)
        ]
        assert sum(share.result() for share in shares) == ROWS
    return time.monotonic() - began


def redis_share(place: str, sheet: Path, result: Path, share: int) -> int:
    """Every `CORES`th batch of the list."""
    count = 0
    with (
        closing(connected(place)) as client,
        sheet.open(newline="", encoding="utf-8") as source,
        result.open("w", newline="", encoding="utf-8") as out,
    ):
        rows, answers = csv.reader(source), csv.writer(out)
        next(rows)
        for turn, batch in enumerate(batches(rows)):
            if turn % CORES == share:
                found = client.mget([key_of(row[2]) for row in batch])
                answers.writerows(
                    [*row, "false", (said or b"NO_BASIS").decode()]
                    for row, said in zip(batch, found, strict=True)
                )
                count += len(batch)
    return count


def batches(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    """Rows, as many as are asked for at once."""
    batch: list[list[str]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def postgres_scrub(dsn: str, sheet: Path, result: Path) -> float:
    """Seconds of the same as a join: the list is copied in beside its tokens, and out again."""
    began = time.monotonic()
    with (
        psycopg.connect(dsn) as connection,
        sheet.open(newline="", encoding="utf-8") as source,
        result.open("wb") as out,
    ):
        rows = csv.reader(source)
        next(rows)
        connection.execute(
            "CREATE TEMP TABLE asked (n int, id text, name text, phone text, token bytea)"
        )
        with connection.cursor().copy("COPY asked FROM STDIN") as into:
            for n, row in enumerate(rows):
                into.write_row((n, *row, key_of(row[2])))
        join = (
            "COPY (SELECT id, name, phone, false, coalesce(reason, 'NO_BASIS') FROM asked"
            " LEFT JOIN listed USING (token) ORDER BY n) TO STDOUT (FORMAT csv)"
        )
        with connection.cursor().copy(join) as back:
            for data in back:
                out.write(data)
    return time.monotonic() - began


async def asked_over_http(folder: Path) -> list[float]:
    """Milliseconds of single questions at a steady rate, from the moment each was due."""
    port, keyring = ports.choose(["lookup"])["lookup"], folder / "keys.json"
    key, line = apikeys.new("bench", ["decisions:read"])
    apikeys.write(keyring, [line])
    environment = {
        **os.environ,
        "NOLI_REPLICA": str(folder / "copy"),
        "NOLI_PEPPER": PEPPER.secret.hex(),
        "NOLI_LEASE_SECONDS": str(PATIENCE_S),
        "NOLI_API_KEYS_FILE": str(keyring),
        "NOLI_LOOKUP_QUESTIONS_PER_S": str(100 * RATE),
        "NOLI_HTTP_PORT": str(port),
        "NOLI_DATA": str(folder / "data"),
    }
    serving = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "noli.replica.lookup", env=environment, stderr=subprocess.DEVNULL
    )
    try:
        taken: list[float] = []
        start = time.monotonic() + 5
        async with asyncio.TaskGroup() as group:
            for place in range(CONNECTIONS):
                group.create_task(caller(port, key, place, start, taken))
    finally:
        serving.terminate()
        await serving.wait()
    return taken


async def caller(port: int, key: str, place: int, start: float, taken: list[float]) -> None:
    """One kept connection, with its share of the questions."""
    chance = random.Random(place)
    await asyncio.sleep(start - time.monotonic())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for turn in range(place, RATE * HTTP_S, CONNECTIONS):
        due = start + turn / RATE
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        said = number(chance.randrange(CONTACTS * 10 // 9))
        body = json.dumps(
            {
                "queries": [
                    {
                        "controller": CONTROLLER,
                        "contact": {"kind": "phone", "value": said},
                        "channel": "operator_call",
                        "purpose": "marketing",
                    }
                ]
            }
        ).encode()
        head = (
            f"POST /v1/decisions HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        fields = dict(line.split(b": ", 1) for line in answer.lower().split(b"\r\n")[1:-2])
        await reader.readexactly(int(fields[b"content-length"]))
        if due >= start + WARM_UP_S:
            taken.append((time.monotonic() - due) * 1_000)
    writer.close()


def written(
    single: Sequence[Timed], scrubs: Sequence[tuple[str, float]], http: Sequence[float]
) -> str:
    """The page."""
    ours = scrubs[0][1]
    cuts = {each.what: statistics.quantiles(each.taken, n=100) for each in single}
    asked = statistics.quantiles(http, n=100)
    return "\n".join(
        [
            "<!-- Written by tests/bench/bench_readers.py. Do not edit. -->",
            "",
            "# Readers",
            "",
            f"{measured_on()},",
            f"load {os.getloadavg()[1]:.1f}. {CONTACTS:,} contacts on the register. Numbers come",
            "as text: parsing, normalising and hashing are part of every figure. Redis over a Unix",
            "socket, PostgreSQL over the loopback, both on the machine that asks.",
            "",
            "| one number | p50 µs | p99 µs |",
            "|---|---|---|",
            *(f"| {what} | {cut[49]:.1f} | {cut[98]:.1f} |" for what, cut in cuts.items()),
            "",
            f"| a list of {ROWS:,} rows | seconds | ours is |",
            "|---|---|---|",
            *(f"| {what} | {took:.1f} | {took / ours:.1f} × |" for what, took in scrubs),
            "",
            f"Our lookup over HTTP at {RATE:,} questions a second on {CONNECTIONS} connections,",
            f"from the moment each was due: p50 {asked[49]:.1f}, p99 {asked[98]:.1f} ms (goal: 3).",
            "",
        ]
    )
