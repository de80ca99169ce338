"""The board over HTTP, without a broker: who may see what, the stream, the pages."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from starlette.types import Message

from noli.board import access, hub, page, stream
from noli.board.__main__ import main
from noli.board.access import is_loopback
from noli.board.hub import Hub
from noli.board.news import read
from noli.runtime import apikeys, clock
from noli.runtime.process import Stop
from tests.support.board import CODEC, NOW, Log, Service, alignment, attempt, canary, two
from tests.support.openapi import Description

API: Final = Description("noli.board")


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Two applications aligned at `NOW`; keys needed."""
    monkeypatch.setattr(clock, "now_ms", lambda: NOW)
    monkeypatch.setattr(apikeys, "RELOAD_S", 0.0)
    log = two()
    log.align(alignment("dialer", attempts=[attempt("retried", reason="http_503")]))
    log.probe(canary("dialer"))
    return Service(tmp_path, log)


async def get(service: Service, path: str, template: str = "", **headers: str) -> httpx2.Response:
    """An answer that is as the document describes it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await service.client.get(path, headers=named)
    API.check("get", template or path, answer)
    return answer


async def test_alignment_tells_each_application_and_all_of_them(service: Service) -> None:
    """As the document says, with either scope, and nobody on the way keeps it."""
    for scope in ("evidence:read", "admin"):
        answer = await get(service, "/v1/alignment", **service.bearer(scope))
        assert answer.headers["cache-control"] == "no-store"
        body = answer.json()
        assert (body["aligned"], body["aligned_as_of"]) == (True, "2026-11-28T14:03:22Z")
        assert body["lag_seconds"] == 2.0
        crm, dialer = body["apps"]
        assert (crm["app"], crm["state"], crm["lag_seconds"]) == ("crm", "aligned", 2.0)
        assert dialer["last_attempt"]["reason"] == "http_503"


async def test_one_application_is_told_whole(service: Service) -> None:
    """As the document says; an unknown name is told which there are."""
    path = "/v1/alignment/{app}"
    answer = await get(service, "/v1/alignment/dialer", path, **service.bearer())
    assert answer.json()["canary"]["last_ms"] == 180
    answer = await get(service, "/v1/alignment/nobody", path, **service.bearer())
    assert (answer.status_code, answer.json()["detail"]) == (
        404, "no application 'nobody'; there are: crm, dialer",
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/v1/alignment", "/v1/alignment/{app}", "/v1/stream"])
async def test_nothing_of_an_application_is_shown_without_a_key(
    service: Service, path: str
) -> None:
    """401 without one or with an unknown one, 403 where the scope is another."""
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer noli_unknown"}, 401),
        (service.bearer("decisions:read"), 403),
        (service.bearer("events:write"), 403),
        ({"Cookie": "__Host-noli=guess"}, 401),
    ):
        answer = await service.client.get(path.replace("{app}", "crm"), headers=headers)
        API.check("get", path, answer)
        assert answer.status_code == status
        assert "crm" not in answer.text


async def test_while_the_log_is_read_nothing_is_told(service: Service) -> None:
    """Half of it would show what is no more: 503, to be asked again."""
    service.ready = (False, {"why": "the log is being read"})
    for path in ("/v1/alignment", "/v1/stream"):
        answer = await get(service, path, **service.bearer())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (await service.client.get("/readyz")).status_code == 503


async def sign_in(service: Service, **headers: str) -> httpx2.Response:
    """With a key that may."""
    return await service.client.post("/v1/session", headers={**service.bearer(), **headers})


async def test_a_key_is_exchanged_for_a_session_that_no_script_can_read(service: Service) -> None:
    """A cookie of this host alone, over TLS, sent by no other site; it ends when told."""
    assert (await get(service, "/v1/session")).json() == {
        "admitted": False, "open": False, "by": None,
    }  # fmt: skip
    answer = await sign_in(service)
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-noli=")
    for attribute in ("HttpOnly", "SameSite=strict", "Secure", "Path=/", "Max-Age=43200"):
        assert attribute in cookie
    assert service.keys["evidence:read"] not in cookie
    told = (await get(service, "/v1/session")).json()
    assert told == {"admitted": True, "open": False, "by": "for evidence:read"}
    assert (await get(service, "/v1/alignment")).status_code == 200
    assert (await service.client.delete("/v1/session")).status_code == 204
    assert (await get(service, "/v1/alignment")).status_code == 401


async def test_a_session_ends_with_its_key_and_by_itself(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revoked key shows nothing from the next look at the file on; nor does an old session."""
    await sign_in(service)
    assert (await get(service, "/v1/alignment")).status_code == 200
    apikeys.write(service.key_file, [service.lines["admin"]])
    assert (await get(service, "/v1/alignment")).status_code == 401
    apikeys.write(service.key_file, service.lines.values())
    assert (await get(service, "/v1/alignment")).status_code == 401  # it does not come back
    monkeypatch.setattr(access, "SESSION_S", 0)
    await sign_in(service)
    assert (await get(service, "/v1/alignment")).status_code == 401


async def test_another_site_signs_nobody_in_or_out(service: Service) -> None:
    """Requests that a browser marks as foreign are refused, and keys that may not."""
    assert (await sign_in(service, **{"Sec-Fetch-Site": "cross-site"})).status_code == 403
    await sign_in(service)
    answer = await service.client.delete("/v1/session", headers={"Sec-Fetch-Site": "same-site"})
    assert answer.status_code == 403
    assert (await get(service, "/v1/alignment")).status_code == 200
    refused = await service.client.post("/v1/session", headers=service.bearer("decisions:read"))
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers


async def test_sessions_are_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest ends first."""
    monkeypatch.setattr(access, "_SESSIONS_MAX", 2)
    cookies = []
    for _ in range(3):
        cookies.append((await sign_in(service)).headers["set-cookie"].partition(";")[0])
        service.client.cookies.clear()
    answers = [await get(service, "/v1/alignment", Cookie=cookie) for cookie in cookies]
    assert [answer.status_code for answer in answers] == [401, 200, 200]


async def test_an_open_board_is_open_to_this_machine_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In development no key is asked for; a name that was made to point here gets nothing."""
    monkeypatch.setattr(clock, "now_ms", lambda: NOW)
    service = Service(tmp_path, two(), open_=True, host="127.0.0.1:8083")
    assert (await get(service, "/v1/alignment")).status_code == 200
    assert (await get(service, "/v1/session")).json()["admitted"]
    rebound = await get(service, "/v1/alignment", Host="evil.example:8083")
    assert rebound.status_code == 401
    wrong_key = await get(service, "/v1/alignment", **service.bearer("decisions:read"))
    assert wrong_key.status_code == 403
    cookie = (await sign_in(service)).headers["set-cookie"]
    assert cookie.startswith("noli-8083=")
    assert "Secure" not in cookie


def test_an_open_board_that_others_could_reach_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error names the variable and the remedy; this machine's own addresses are fine."""
    monkeypatch.setenv("NOLI_BOARD_OPEN", "true")
    monkeypatch.setenv("NOLI_HTTP_HOST", "0.0.0.0")
    with pytest.raises(ValueError, match=r"NOLI_BOARD_OPEN.*NOLI_HTTP_HOST to 127\.0\.0\.1"):
        main(Stop())
    hosts = ("127.0.0.1", "::1", "localhost", "::", "10.0.0.1", "board.test", "")
    assert [host for host in hosts if is_loopback(host)] == ["127.0.0.1", "::1", "localhost"]


async def test_the_pages_hold_nothing_and_load_nothing_from_elsewhere(service: Service) -> None:
    """Without a key the shells are served: no data, a strict policy, assets of ours only."""
    for path in ("/", "/apps/crm", "/contact"):
        answer = await service.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"] == page.POLICY
        assert "crm" not in answer.text
        assert "<script>" not in answer.text
        assert " style=" not in answer.text
        assert "http" not in answer.text
    for policy in ("default-src 'none'", "script-src 'self'", "style-src 'self'"):
        assert policy in page.POLICY
    assert "unsafe" not in page.POLICY


async def test_assets_are_served_and_asked_for_again(service: Service) -> None:
    """With their type and a tag; not sent again while they stay as they are."""
    for name in page.ASSETS:
        answer = await service.client.get(f"/assets/{name}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "https://" not in answer.text.replace("http://www.w3.org", "")
        headers = {"If-None-Match": answer.headers["etag"]}
        again = await service.client.get(f"/assets/{name}", headers=headers)
        assert (again.status_code, again.content) == (304, b"")
    assert (await service.client.get("/assets/page.html")).status_code == 404


async def test_the_document_is_served_with_its_page(service: Service) -> None:
    """What /docs shows is what /openapi.json says."""
    assert (await service.client.get("/openapi.json")).json() == API.document
    assert "/v1/alignment" in (await service.client.get("/docs")).text


class Client:
    """An ASGI client of the stream, that leaves once it has seen a text."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.text = ""
        self.seen = asyncio.Event()
        self.stuck = False

    async def get(self, until: str, **headers: str) -> None:
        """Read."""
        left = asyncio.Event()

        async def send(message: Message) -> None:
            self.text += message.get("body", b"").decode()
            if "event: " in self.text:
                self.seen.set()
            if until in self.text:
                left.set()
            if self.stuck and self.text:
                await asyncio.Event().wait()
            await asyncio.sleep(0)

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        named = {**self._service.bearer(), **headers, "host": "board.test"}
        scope = {
            "type": "http", "method": "GET", "path": "/v1/stream", "raw_path": b"/v1/stream",
            "query_string": b"", "asgi": {"version": "3.0", "spec_version": "2.3"},
            "scheme": "https", "server": ("board.test", 443),
            "headers": [(k.lower().encode(), v.encode()) for k, v in named.items()],
        }  # fmt: skip
        async with asyncio.timeout(10):
            await self._service.app(scope, receive, send)

    def events(self) -> list[tuple[str, Any]]:
        """Names and data."""
        return [
            (each.partition("event: ")[2].partition("\n")[0], json.loads(data))
            for each in self.text.split("\n\n")
            if (data := each.partition("data: ")[2])
        ]


def said(service: Service, app: str, at: int) -> None:
    """The watcher says that an application is aligned as of two seconds before `at`."""
    service.known.take(read([Log().align(alignment(app, at))], CODEC, 0))
    service.hub.tick(at)


async def test_the_stream_begins_with_the_board_and_goes_on_with_what_changes(
    service: Service,
) -> None:
    """One event a tick for everybody; a browser is told how soon to come back."""
    service.hub.tick(NOW)
    clients = [Client(service) for _ in range(3)]
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(client.get("event: change"))
        for client in clients:
            await client.seen.wait()
        said(service, "crm", NOW + 1_000)
    for client in clients:
        assert client.text.startswith("retry: 1000\n\n")
        (_, board), (name, change) = client.events()
        assert board["apps"].keys() == {"crm", "dialer"}
        assert name == "change"
        assert change["apps"].keys() == {"crm"}


async def test_a_stream_that_was_cut_goes_on(service: Service) -> None:
    """With Last-Event-ID it gets what it missed, and not the whole again."""
    service.hub.tick(NOW)
    place = service.hub.place
    said(service, "crm", NOW + 1_000)
    client = Client(service)
    await client.get("event: change", **{"Last-Event-ID": place})
    assert [name for name, _ in client.events()] == ["change"]


async def test_a_quiet_stream_beats(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that whoever watches knows that silence is no news, not no connection."""
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.0)
    service.hub.tick(NOW)
    client = Client(service)
    await client.get("event: beat")
    assert client.events()[-1][0] == "beat"


async def test_a_client_that_falls_behind_is_let_go(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is kept for it beyond what is kept for all; the stream ends, it may come back."""
    monkeypatch.setattr(hub, "KEPT", 1)
    service.hub = Hub(service.known)
    service.hub.tick(NOW)
    client = Client(service)
    events = stream._events(service.hub, None, lambda: True)
    assert await anext(events) == b"retry: 1000\n\n"
    await anext(events)
    for second in range(1, 4):
        said(service, "crm", NOW + second * 1_000)
    client.text = "".join([(await anext(events)).decode()])
    assert client.events()[0][0] == "slow"
    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_a_client_that_takes_nothing_is_cut_off(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And makes room for another."""
    monkeypatch.setattr(stream, "CUT_S", 0.01)
    monkeypatch.setattr(stream, "AT_ONCE", 1)
    service.hub.tick(NOW)
    client = Client(service)
    client.stuck = True
    await client.get("never")
    assert client.text == "retry: 1000\n\n"
    other = Client(service)
    await other.get("event: board")
    assert [name for name, _ in other.events()] == ["board"]


async def test_streams_are_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is told to share."""
    monkeypatch.setattr(stream, "AT_ONCE", 0)
    answer = await get(service, "/v1/stream", **service.bearer())
    assert answer.status_code == 429


async def test_a_revoked_key_ends_its_stream(service: Service) -> None:
    """Nothing is sent after it."""
    service.hub.tick(NOW)
    client = Client(service)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(client.get("never"))
        await client.seen.wait()
        apikeys.write(service.key_file, [])
        said(service, "crm", NOW + 1_000)
    assert [name for name, _ in client.events()] == ["board"]
