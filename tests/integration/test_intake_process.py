"""`python -m noli.intake` on the real broker: what it acknowledges stands in the log."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from noli.cli import contracts
from noli.domain import times
from noli.domain.contact import normalise
from noli.domain.token import Pepper, token
from noli.intake.links import Link, Links
from noli.runtime import apikeys, registry
from noli.runtime.settings import Settings
from tests.support.intake import consent, event
from tests.support.intake_process import SECRET, START_S, Running, environment, launched, started
from tests.support.log import Reader, Stored
from tests.support.stack import Stack

PEPPER = Pepper(1, bytes.fromhex(SECRET))
#: A stop on a machine that is not crowded.
STOP_S = 2.0
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def settings(stack: Stack) -> Settings:
    """The session's stack with the catalogue's own topics and schemas."""
    found = stack.settings()
    contracts.apply(found)
    return found


@pytest.fixture
def intake(settings: Settings, tmp_path: Path) -> Iterator[Running]:
    """A started intake."""
    with started(settings, tmp_path) as found:
        yield found


def found(settings: Settings, receipt: str) -> tuple[Stored, dict[str, Any]]:
    """The record a receipt names, and its decoded value."""
    topic, partition, offset = receipt.rsplit(":", 2)
    place = (int(partition), int(offset))

    def there(records: list[Stored]) -> bool:
        return any((record.partition, record.offset) == place for record in records)

    reader = Reader(settings, topic)
    try:
        records = reader.until(there)
    finally:
        reader.close()
    [record] = [one for one in records if (one.partition, one.offset) == place]
    return record, registry.codec(settings).decode(record.value)[1]


def test_a_receipt_names_the_record(intake: Running, settings: Settings, tmp_path: Path) -> None:
    """What the receipt points at is the event, under the contact's token, timed by the intake."""
    intake.until_ready()
    local = settings.model_copy(update={"data": tmp_path / "reader"})
    with intake.client() as client:
        answer = client.post("/v1/events", json=event(phone="333 7654321")).json()
    record, intent = found(local, answer["receipt"])
    assert answer["receipt"].startswith("noli.objections:")
    assert intent["contact"]["value"] == "+393337654321"
    assert times.text(intent["accepted"]) == answer["accepted"]
    assert record.key is not None
    assert record.key[0] == 1
    assert len(record.key) == 17


def test_a_batch_is_durable_whole(intake: Running, settings: Settings, tmp_path: Path) -> None:
    """A thousand events get a thousand receipts, all different, on all partitions."""
    intake.until_ready()
    raws = [consent(phone=f"+39340{number:07d}") for number in range(1000)]
    with intake.client() as client:
        answers = client.post("/v1/events", json=raws).json()
    receipts = [answer["receipt"] for answer in answers]
    assert len(set(receipts)) == 1000
    assert {receipt.rsplit(":", 2)[1] for receipt in receipts} == {str(n) for n in range(8)}
    local = settings.model_copy(update={"data": tmp_path / "reader"})
    _, intent = found(local, receipts[777])
    assert intent["id"] == raws[777]["id"]


@pytest.mark.rule("OBJECT")
def test_a_mail_providers_click_is_in_the_log(
    intake: Running, settings: Settings, tmp_path: Path
) -> None:
    """A multipart one-click post to a minted link becomes an objection of that address."""
    intake.until_ready()
    path = "/u/" + Links([PEPPER]).mint(Link("acme", "email", "mario@example.it", 0))
    with httpx2.Client(base_url=intake.url, trust_env=False) as provider:
        answer = provider.post(path, files={"List-Unsubscribe": (None, "One-Click")})
    assert answer.status_code == 200
    local = settings.model_copy(update={"data": tmp_path / "reader"})
    record, intent = found(local, answer.json()["receipt"])
    assert intent["event"][1]["via"] == "unsubscribe_link"
    assert intent["contact"]["value"] == "mario@example.it"
    assert record.key == token(PEPPER, "acme", normalise("email", "mario@example.it"))


def test_a_broker_that_is_away_is_503_and_then_comes_back(intake: Running, stack: Stack) -> None:
    """While the broker is paused: no 2xx, Retry-After, not ready. Then the same post is taken."""
    intake.until_ready()
    raw = event()
    with intake.client() as client:
        assert client.post("/v1/events", json=event()).status_code == 202
        stack.processes.kafka_process.signal(signal.SIGSTOP)
        try:
            answer = client.post("/v1/events", json=raw)
            intake.until_ready(ready=False)
        finally:
            stack.processes.kafka_process.signal(signal.SIGCONT)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "ids included" in answer.json()["detail"]
        intake.until_ready()
        assert client.post("/v1/events", json=raw).status_code == 202


async def test_a_stop_finishes_what_is_under_way(intake: Running) -> None:
    """SIGTERM under load: the process ends by itself, quickly, and answered posts are 202s."""
    intake.until_ready()
    statuses: list[int] = []
    async with httpx2.AsyncClient(
        base_url=intake.url, headers={"Authorization": f"Bearer {intake.key}"}, trust_env=False
    ) as client:
        busy = asyncio.Event()

        async def post_on() -> None:
            try:
                while True:
                    answer = await client.post("/v1/events", json=event())
                    statuses.append(answer.status_code)
                    if len(statuses) == 20:
                        busy.set()
            except httpx2.TransportError:
                return

        posting = [asyncio.create_task(post_on()) for _ in range(4)]
        await busy.wait()
        began = time.monotonic()
        intake.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(intake.process.wait, 30)
        seconds = time.monotonic() - began
        await asyncio.gather(*posting)
    assert code == 0
    assert set(statuses) == {202}
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert seconds < STOP_S * crowd


def test_a_killed_intake_loses_nothing_it_acknowledged(
    intake: Running, settings: Settings, tmp_path: Path
) -> None:
    """After an answer even a kill -9 loses nothing: the record is there."""
    intake.until_ready()
    with intake.client() as client:
        answer = client.post("/v1/events", json=event()).json()
    intake.process.kill()
    local = settings.model_copy(update={"data": tmp_path / "reader"})
    _, intent = found(local, answer["receipt"])
    assert intent["id"] == answer["id"]


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"NOLI_PEPPER": ""}, "NOLI_PEPPER is not set"),
        ({"NOLI_API_KEYS_FILE": "/nowhere/keys.json"}, "noli keys add"),
    ],
)
def test_a_missing_setting_ends_the_start_with_a_clear_line(
    settings: Settings, tmp_path: Path, wrong: dict[str, str], told: str
) -> None:
    """Exit code 1, and the last line names the setting and the remedy."""
    apikeys.write(tmp_path / "keys.json", [])
    process = launched({**environment(settings, tmp_path), **wrong})
    _, errors = process.communicate(timeout=START_S)
    assert process.returncode == 1
    assert told in errors.splitlines()[-1]
