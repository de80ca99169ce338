"""Applications over HTTP: orders, who may give them, what is refused; how far each is."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from noli.runtime import standing
from noli.runtime.aside import aside
from noli.runtime.kafka import NotDurable
from noli.runtime.scan import LogUnavailable
from noli.runtime.standing import Standing
from noli.wire.alignment import Aligned, Hold, Origin
from noli.wire.apps import App, Face, State, Verb
from tests.support.intake import ACCEPTED, Memory, Service

FACE = Face("redis", ("acme",), ("operator_call",), ("marketing",), third_party=False)
ORDERS = [
    ("PUT", "/pause", "paused"),
    ("PUT", "/resume", "resumed"),
    ("POST", "/backfill", "backfill"),
    ("POST", "/verify", "verify"),
    ("POST", "/repair", "repair"),
    ("DELETE", "", "removed"),
]


@pytest.fixture
def sink() -> Memory:
    """A log that takes everything."""
    return Memory()


@pytest.fixture
async def service(tmp_path: Path, sink: Memory) -> Service:
    """A service that connects `crm`, asked with the key of an administrator."""
    found = Service(tmp_path, sink)
    found.client.headers["Authorization"] = f"Bearer {found.keys['admin']}"
    await found.desk.act("crm", Verb.ADDED, by="anna", face=FACE)
    return found


async def ask(service: Service, method: str, path: str, **more: Any) -> httpx2.Response:  # noqa: ANN401
    """A request about `crm`."""
    return await service.client.request(method, f"/v1/apps/crm{path}", **more)


@pytest.mark.parametrize("method, path, verb", ORDERS)
async def test_an_order_is_a_record(
    service: Service, sink: Memory, method: str, path: str, verb: str
) -> None:
    """202 names the record in `noli.apps`, which says what and, by the name of the key, who."""
    answer = await ask(service, method, path)
    last = sink.intents("noli.apps")[-1]
    assert answer.status_code == 202
    assert answer.json() == {"app": "crm", "id": last["id"], "verb": verb}
    assert (last["verb"], last["by"], last["reason"], last["sample"]) == (
        verb, "for admin", None, 1.0,
    )  # fmt: skip


@pytest.mark.parametrize("method, path, verb", ORDERS)
async def test_only_an_administrator_gives_orders(
    service: Service, sink: Memory, method: str, path: str, verb: str
) -> None:
    """401 without a key, 403 with any other scope; nothing is written down."""
    headers = [{"Authorization": ""}] + [
        {"Authorization": f"Bearer {service.keys[scope]}"}
        for scope in service.keys
        if scope != "admin"
    ]
    found = [(await ask(service, method, path, headers=each)).status_code for each in headers]
    assert found == [401, 403, 403, 403, 403]
    assert verb not in {record["verb"] for record in sink.intents("noli.apps")}


async def test_who_keeps_evidence_may_look(service: Service) -> None:
    """The other scopes may not; the missing ones are named."""
    found = {}
    for scope, key in service.keys.items():
        for path in ("/v1/apps", "/v1/apps/crm/status"):
            answer = await service.client.get(path, headers={"Authorization": f"Bearer {key}"})
            found[scope] = answer.status_code
    refused = await service.client.get(
        "/v1/apps", headers={"Authorization": f"Bearer {service.keys['events:write']}"}
    )
    assert found == {
        "events:write": 403, "decisions:read": 403, "evidence:read": 200, "admin": 200,
        "canary": 403,
    }  # fmt: skip
    assert refused.json()["detail"].endswith("the scope admin or evidence:read")


async def test_reason_and_sample_are_written_down(service: Service, sink: Memory) -> None:
    """In the body; of a removal in the query."""
    await ask(service, "POST", "/verify", json={"reason": "after the restore", "sample": 0.25})
    await ask(service, "DELETE", "", params={"reason": "replaced & gone"})
    verify, removed = sink.intents("noli.apps")[-2:]
    assert (verify["reason"], verify["sample"]) == ("after the restore", 0.25)
    assert removed["reason"] == "replaced & gone"


@pytest.mark.parametrize(
    "method, path, more, status, told",
    [
        ("POST", "/verify", {"json": {"sample": 0}}, 422, "sample: Expected `float` >= 0.0001"),
        ("POST", "/verify", {"json": {"sample": 1.5}}, 422, "sample: Expected `float` <= 1.0"),
        ("POST", "/verify", {"json": {"sample": True}}, 422, "sample: Expected `float | null`"),
        ("POST", "/backfill", {"json": {"sample": 0.5}}, 422, "sample: backfill is about every"),
        ("PUT", "/pause", {"json": {"reason": 7}}, 422, "reason: Expected `str | null`"),
        ("PUT", "/pause", {"json": {"reason": "x" * 1_001}}, 422, "reason: Expected `str` of len"),
        ("PUT", "/pause", {"json": {"because": "x"}}, 422, "unknown field `because`"),
        ("PUT", "/pause", {"json": ["x"]}, 422, "Expected `object`, got `array`"),
        ("PUT", "/pause", {"content": b"{"}, 400, "not JSON"),
        ("PUT", "/pause", {"content": b'{"reason": "\\ud800"}'}, 400, "not JSON"),
        ("PUT", "/pause", {"content": b" " * 10_001}, 413, "larger than 10000 bytes"),
        ("DELETE", "", {"params": {"reason": "x" * 1_001}}, 422, "reason: Expected `str` of len"),
        ("DELETE", "", {"params": {"sample": "1"}}, 422, "sample: Expected `float | null`"),
    ],
)
async def test_what_cannot_be_read_is_no_order(  # noqa: PLR0913, PLR0917 - a table
    service: Service, sink: Memory, method: str, path: str, more: dict[str, Any], status: int,
    told: str,
) -> None:  # fmt: skip
    """The field is named; nothing is written down."""
    answer = await ask(service, method, path, **more)
    assert answer.status_code == status
    assert told in answer.json()["detail"]
    assert len(sink.records) == 1


async def test_a_name_nobody_knows_is_refused_with_those_there_are(service: Service) -> None:
    """A slip of the pen is no order, and no status."""
    for method, path in (("PUT", "/pause"), ("GET", "/status"), ("DELETE", "")):
        answer = await service.client.request(method, f"/v1/apps/crn{path}")
        assert answer.status_code == 404
        assert answer.json()["detail"] == "no application 'crn'; there are: crm"


async def test_a_removed_application_takes_no_orders_until_it_is_added_again(
    service: Service,
) -> None:
    """409 names the remedy; its status can still be seen."""
    await ask(service, "DELETE", "")
    for method, path, _ in ORDERS:
        answer = await ask(service, method, path)
        assert answer.status_code == 409, path
        assert "`noli app add MANIFEST`" in answer.json()["detail"]
    assert (await ask(service, "GET", "/status")).json()["state"] == "removed"
    await service.desk.act("crm", Verb.ADDED, by="anna")
    assert (await ask(service, "PUT", "/pause")).status_code == 202


@pytest.mark.parametrize("method, path, verb", ORDERS)
async def test_an_order_the_log_did_not_confirm_is_503(
    service: Service, sink: Memory, method: str, path: str, verb: str
) -> None:
    """With Retry-After, and the doubt is told."""
    sink.failure = NotDurable("_MSG_TIMED_OUT", indeterminate=True)
    answer = await ask(service, method, path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "it may hold the order all the same" in answer.json()["detail"]
    assert verb not in {record["verb"] for record in sink.intents("noli.apps")}


async def test_a_log_that_cannot_be_read_is_503(service: Service, sink: Memory) -> None:
    """A broker that is known to be away is not asked; nothing is written down unseen."""
    service.register.failure = LogUnavailable("no topic noli.apps")
    unread = [await ask(service, "PUT", "/pause"), await service.client.get("/v1/apps")]
    service.ready = (False, {"why": "no broker: refused"})
    away = await ask(service, "GET", "/status")
    assert {answer.status_code for answer in (*unread, away)} == {503}
    assert [answer.json()["detail"] for answer in (unread[0], away)] == [
        "no topic noli.apps", "no broker: refused",
    ]  # fmt: skip
    assert away.headers["retry-after"]
    assert len(sink.records) == 1


async def test_the_list_is_by_name(service: Service) -> None:
    """Each as its own status says."""
    await service.desk.act("anagraphics", Verb.PAUSED, by="anna", reason="a new server")
    apps = (await service.client.get("/v1/apps")).json()["apps"]
    assert [(app["app"], app["state"], app["reason"]) for app in apps] == [
        ("anagraphics", "paused", "a new server"), ("crm", "running", None),
    ]  # fmt: skip
    assert apps[1]["face"] == {
        "sink": "redis", "controllers": ["acme"], "channels": ["operator_call"],
        "purposes": ["marketing"], "third_party": False, "canary": True,
    }  # fmt: skip


def test_aligned_as_of_is_the_oldest_of_all_partitions() -> None:
    """One partition without a commit, and it is not known; records are counted all the same."""
    marks = {0: (10, "as_of=2000"), 1: (5, "as_of=1000")}
    assert standing.standing(App("crm"), marks, {0: 12, 1: 5}) == Standing(App("crm"), 1000, 2, 2)
    assert standing.standing(App("crm"), marks, {0: 12, 1: 5, 2: 4}).as_of is None
    assert standing.standing(App("crm"), {0: (10, "")}, {0: 12}).as_of is None


@pytest.mark.parametrize(
    "state, as_of, aligned",
    [
        (State.RUNNING, ACCEPTED - 9_999, True),
        (State.RUNNING, ACCEPTED - 10_000, False),
        (State.RUNNING, ACCEPTED, True),
        (State.RUNNING, ACCEPTED + 1_000, True),
        (State.RUNNING, None, False),
        (State.PAUSED, ACCEPTED, False),
    ],
)
def test_aligned_is_seconds_ago(
    monkeypatch: pytest.MonkeyPatch, state: State, as_of: int | None, *, aligned: bool
) -> None:
    """A beacon of this very moment, or of a clock ahead of ours, counts; a paused one never is."""
    monkeypatch.setattr(standing, "now_ms", lambda: ACCEPTED)
    assert Standing(App("crm", state), as_of, 0, 8).aligned is aligned


async def test_a_call_aside_answers_or_raises_where_it_was_asked_for() -> None:
    """The loop goes on meanwhile."""
    assert await aside(lambda: 7) == 7
    with pytest.raises(LogUnavailable, match="away"):
        await aside(_unavailable)


def _unavailable() -> None:
    raise LogUnavailable("away")


def test_a_loop_ends_although_a_call_aside_goes_on() -> None:
    """A stop does not wait for a broker that does not answer."""
    going, let_go = threading.Event(), threading.Event()

    def hang() -> None:
        going.set()
        let_go.wait(60)

    async def ask_and_leave() -> None:
        task = asyncio.create_task(aside(hang))
        await asyncio.to_thread(going.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(ask_and_leave())
    assert not let_go.is_set()
    let_go.set()


def test_what_the_watcher_knows_holds_a_standing_back() -> None:
    """Never further than either has it; where no watcher ever ran, as it was committed."""
    found = Standing(App("crm"), 5_000, 0, 8)
    known = Aligned("crm", 9_000, "watch-0", Origin(0, 1), 3_000, (Hold("wrong", 3_000, 1, None),))
    assert standing.held(found, None) == found
    told = standing.held(found, known)
    assert (told.as_of, told.held_by, told.aligned) == (3_000, ("wrong",), False)
    assert standing.held(found, replace(known, as_of=None)).as_of is None
