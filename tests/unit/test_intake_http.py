"""The intake's edges: keys, limits, one-click posts, pages, probes, what is logged."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest

from noli.intake import oneclick
from noli.intake.links import Link
from noli.runtime import apikeys, clock, logging
from noli.runtime.kafka import NotDurable
from schemas.names import OBJECTIONS
from tests.support.intake import Memory, Service, event

LINK = Link("acme", "email", "mario.rossi@example.it", 1_700_000_000_000)
HTML = {"Accept": "text/html,application/xhtml+xml"}
MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
)


@pytest.fixture
def sink() -> Memory:
    """A log that takes everything."""
    return Memory()


@pytest.fixture
def service(tmp_path: Path, sink: Memory) -> Service:
    """The intake over that log."""
    return Service(tmp_path, sink)


@pytest.fixture
def url(service: Service) -> str:
    """Path of a link that was really minted."""
    return f"/u/{service.links.mint(LINK)}"


async def test_no_key_no_write(service: Service, sink: Memory) -> None:
    """401 with a challenge for no, an unknown or a malformed key; nothing stored."""
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer noli_x"}, {"X-API-Key": "k"}):
        async with httpx2.AsyncClient(
            transport=service.client._transport, base_url="http://intake.test"
        ) as anonymous:
            answer = await anonymous.post("/v1/events", json=event(), headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert sink.records == []


async def test_a_key_without_the_scope_is_forbidden(service: Service, sink: Memory) -> None:
    """403 for every other scope, admin included: keys grant what they name."""
    for scope in ("decisions:read", "evidence:read", "admin"):
        key = service.keys[scope]
        answer = await service.post(event(), Authorization=f"Bearer {key}")
        assert answer.status_code == 403
        assert "events:write" in answer.json()["detail"]
    assert sink.records == []


async def test_the_other_header_works_too(service: Service) -> None:
    """X-API-Key is taken where no Authorization is sent."""
    async with httpx2.AsyncClient(
        transport=service.client._transport, base_url="http://intake.test"
    ) as client:
        key = service.keys["events:write"]
        answer = await client.post("/v1/events", json=event(), headers={"X-API-Key": key})
    assert answer.status_code == 202


async def test_a_revoked_key_stops_working(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key file is read again after it changed, without a restart."""
    assert (await service.post(event())).status_code == 202
    apikeys.write(service.key_file, [])
    later = clock.steady() + apikeys.RELOAD_S
    monkeypatch.setattr(clock, "steady", lambda: later)
    assert (await service.post(event())).status_code == 401


async def test_an_unreadable_key_file_keeps_the_known_keys(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken file locks nobody out: objections keep coming in."""
    service.key_file.write_text("{ half a fi")
    later = clock.steady() + apikeys.RELOAD_S
    monkeypatch.setattr(clock, "steady", lambda: later)
    assert (await service.post(event())).status_code == 202


def test_the_key_file_holds_no_key_and_is_private(service: Service) -> None:
    """Only hashes stand in the file, readable by its owner alone."""
    text = service.key_file.read_text()
    assert not any(key in text for key in service.keys.values())
    assert service.key_file.stat().st_mode & 0o077 == 0


async def test_a_caller_over_its_limit_waits(tmp_path: Path, sink: Memory) -> None:
    """429 with Retry-After, and nothing of that post stored."""
    slow = Service(tmp_path, sink, events_per_s=10)
    assert (await slow.post([event() for _ in range(20)])).status_code == 202
    answer = await slow.post([event() for _ in range(15)])
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 3
    assert len(sink.records) == 20


async def test_a_large_body_is_refused(service: Service, sink: Memory) -> None:
    """413 above 1 MB, announced or not."""
    assert (await service.post(b" " * 1_000_001)).status_code == 413

    async def chunks() -> object:
        for _ in range(11):
            yield b" " * 100_000

    answer = await service.client.post("/v1/events", content=chunks())  # type: ignore[arg-type]
    assert answer.status_code == 413
    assert sink.records == []


@pytest.mark.parametrize(
    "method, path, status",
    [("GET", "/v1/events", 405), ("GET", "/nothing", 404), ("PUT", "/u/x", 405)],
)
async def test_unknown_paths_and_methods_are_problems(
    service: Service, method: str, path: str, status: int
) -> None:
    """Every error is problem+json, and never a redirect."""
    answer = await service.client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


async def test_a_bug_is_a_500_without_its_reason(
    service: Service, sink: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error is told as such; its text stays here, and the service goes on."""

    async def broken(_records: object) -> None:
        raise RuntimeError("secret inner state")

    monkeypatch.setattr(sink, "send_many", broken)
    answer = await service.post(event())
    assert answer.status_code == 500
    assert "secret" not in answer.text
    monkeypatch.undo()
    assert (await service.post(event())).status_code == 202


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize(
    "content, media",
    [
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (MULTIPART, "multipart/form-data; boundary=x"),
        (b"", None),
        (b"\xff\x00 nonsense", "application/octet-stream"),
    ],
)
async def test_a_one_click_post_is_an_objection(
    service: Service, sink: Memory, url: str, content: bytes, media: str | None
) -> None:
    """RFC 8058: no key, any form of body; 200 and a durable objection to everything."""
    headers = {"Authorization": "", **({"Content-Type": media} if media else {})}
    answer = await service.client.post(url, content=content, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["receipt"] == "noli.objections:0:0"
    [intent] = sink.intents(OBJECTIONS)
    assert intent["source"] == "/u"
    assert intent["contact"] == {"kind": "email", "value": "mario.rossi@example.it"}
    assert intent["event"] == (
        "noli.ObjectionRaised", {"purposes": [], "channels": [], "via": "unsubscribe_link"},
    )  # fmt: skip


@pytest.mark.rule("OBJECT")
async def test_a_repeated_click_is_answered_alike_and_counts_anew(
    service: Service, sink: Memory, url: str
) -> None:
    """200 again, and a later objection in the log: a consent in between would not outlive it."""
    statuses = [(await service.client.post(url)).status_code for _ in range(2)]
    first, second = sink.intents(OBJECTIONS)
    assert statuses == [200, 200]
    assert second["accepted"] > first["accepted"]
    assert second["id"] != first["id"]


async def test_forged_and_unknown_links_are_all_alike(
    service: Service, sink: Memory, url: str
) -> None:
    """404 with one and the same body, whatever is wrong with the token."""
    wrong = [url[:-2], url + "AA", "/u/x", "/u/" + "A" * 3000]
    answers = [await service.client.post(path) for path in wrong]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert sink.records == []


async def test_looking_at_a_link_changes_nothing(service: Service, sink: Memory, url: str) -> None:
    """GET and HEAD show a page that posts, names the sender, and hides the contact."""
    page = await service.client.get(url, headers=HTML)
    assert page.status_code == 200
    assert '<form method="post">' in page.text
    assert "acme" in page.text
    assert "mario" not in page.text
    assert (await service.client.head(url)).status_code == 200
    assert sink.records == []


async def test_pages_speak_italian_and_english_and_load_nothing(service: Service, url: str) -> None:
    """Self-contained pages with both languages marked, not cached, not indexed, no script."""
    page = await service.client.get(url, headers=HTML)
    assert '<html lang="it">' in page.text
    assert 'lang="en"' in page.text
    assert "http" not in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_a_person_who_clicks_sees_a_confirmation(
    service: Service, sink: Memory, url: str
) -> None:
    """A browser's post is answered with a page that says it is done, with the receipt."""
    page = await service.client.post(url, headers=HTML)
    assert page.status_code == 200
    assert "registrata" in page.text
    assert "noli.objections:0:0" in page.text
    assert len(sink.records) == 1


async def test_a_person_with_a_broken_link_is_told_what_to_do(service: Service) -> None:
    """GET and POST of an unknown link show a page, not JSON, with status 404."""
    for method in ("GET", "POST"):
        page = await service.client.request(method, "/u/x", headers=HTML)
        assert page.status_code == 404
        assert page.headers["content-type"].startswith("text/html")
        assert "non è valido" in page.text


async def test_a_click_that_the_log_does_not_take_is_503(
    service: Service, sink: Memory, url: str
) -> None:
    """Machines and people are told to try again; nobody is told it is done."""
    sink.failure = NotDurable("_TRANSPORT", indeterminate=True)
    machine, person = await service.client.post(url), await service.client.post(url, headers=HTML)
    for answer in (machine, person):
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
    assert "non è ancora registrata" in person.text


async def test_a_link_in_a_loop_is_slowed_down(service: Service, sink: Memory, url: str) -> None:
    """After a burst a link gets 429, its objection being recorded long before."""
    clicks = int(oneclick.CLICKS_BURST) + 1
    statuses = [(await service.client.post(url)).status_code for _ in range(clicks)]
    assert statuses[-1] == 429
    assert set(statuses[:-1]) == {200}
    other = service.links.mint(Link("acme", "email", "a@b.it", 0))
    assert (await service.client.post(f"/u/{other}")).status_code == 200


async def test_probes_and_documents_are_served(service: Service) -> None:
    """Health, readiness with its reason, metrics, OpenAPI and a page about it without scripts."""
    assert (await service.client.get("/healthz")).status_code == 200
    assert (await service.client.get("/readyz")).json() == {"ready": True}
    service.ready = (False, {"why": "no broker"})
    unready = await service.client.get("/readyz")
    assert (unready.status_code, unready.json()["why"]) == (503, "no broker")
    assert "noli_events_accepted_total" in (await service.client.get("/metrics")).text
    assert (await service.client.get("/openapi.json")).json()["openapi"] == "3.1.0"
    docs = await service.client.get("/docs")
    assert "POST /v1/events" in docs.text
    assert "<script" not in docs.text


async def test_logs_hold_neither_tokens_nor_contacts(
    service: Service, url: str, capsys: pytest.CaptureFixture[str], sink: Memory
) -> None:
    """Refused, failed and unknown requests are logged by route template only."""
    logging.configure("intake", "debug")
    sink.failure = NotDurable("_TRANSPORT", indeterminate=True)
    await service.client.post(url)
    await service.client.post(url + "x")
    await service.post([event(phone="+393331234567", type="noli.nonsense.v1")])
    await service.client.get("/v1/events?phone=3331234567")
    written = capsys.readouterr().err
    lines = [json.loads(line) for line in written.splitlines()]
    assert {line["route"] for line in lines if "route" in line} == {"/u/{token}", "/v1/events"}
    for secret in (url.removeprefix("/u/"), "3331234567", "mario", service.keys["events:write"]):
        assert secret not in written
