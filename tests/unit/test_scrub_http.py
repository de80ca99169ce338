"""`POST /v1/scrub`: streamed both ways, refused before the first byte or not at all."""

from __future__ import annotations

import asyncio
import csv
import errno
import io
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noli.domain import times
from noli.replica import gate as gates
from noli.replica.gate import Gate
from noli.replica.lookup import kept, received, scrubbing
from noli.replica.lookup.service import Parts, application
from noli.replica.scrub import certificate as certificates
from noli.runtime import apikeys
from noli.runtime.apikeys import Keyring
from tests.support.copies import ALICE, CONTROLLER, NOW, PEPPER, decision, fresh, row
from tests.support.feeds import no_feeds, room
from tests.support.openapi import Description

DESCRIPTION = Description("noli.replica.lookup")
QUERY = {"controller": CONTROLLER, "channel": "operator_call", "purpose": "marketing"}
LIST = b"name;phone\nAnna;333 1234567\nBad;x\n"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx2.AsyncClient]:
    """The lookup over a copy in which Alice may be called."""
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 1_000)
    fresh(tmp_path / "copy", [(ALICE, decision([row()]))])
    key, line = apikeys.new("dialer", ["decisions:read"])
    apikeys.write(tmp_path / "keys.json", [line])
    with Gate.open(tmp_path / "copy", pepper=PEPPER) as gate:
        yield httpx2.AsyncClient(
            transport=httpx2.ASGITransport(
                app=application(
                    Parts(
                        gate, Keyring(tmp_path / "keys.json"), no_feeds, room(tmp_path, 4_000_000)
                    )
                )
            ),
            base_url="http://lookup.test",
            headers={"Authorization": f"Bearer {key}"},
        )


async def scrub(
    client: httpx2.AsyncClient,
    content: bytes | AsyncIterator[bytes] = LIST,
    media: str = "text/csv",
    over: Mapping[str, str] | None = None,
) -> httpx2.Response:
    """One list."""
    answer = await client.post(
        "/v1/scrub",
        params={name: said for name, said in {**QUERY, **(over or {})}.items() if said},
        content=content,
        headers={"Content-Type": media},
    )
    DESCRIPTION.check("post", "/v1/scrub", answer)
    return answer


async def certificate(client: httpx2.AsyncClient, id_: str) -> httpx2.Response:
    """What is kept under an id."""
    answer = await client.get(f"/v1/scrub/certificates/{id_}")
    DESCRIPTION.check("get", "/v1/scrub/certificates/{id}", answer)
    return answer


async def test_a_list_comes_back_with_its_verdicts(client: httpx2.AsyncClient) -> None:
    """CSV and NDJSON, each in its own form; a broken row tells its line and cause."""
    answer = await scrub(client, media="text/csv; charset=utf-8")
    assert answer.headers["content-type"].startswith("text/csv")
    good, bad = csv.DictReader(io.StringIO(answer.text), delimiter=";")
    assert (good["name"], good["allowed"]) == ("Anna", "true")
    assert (bad["allowed"], bad["reasons"]) == ("false", "QUARANTINED")
    assert bad["conditions"].startswith("line 3: contact.value: ")
    answer = await scrub(client, b'{"phone":"333 1234567"}\n', "application/x-ndjson")
    assert answer.json() | {"until": None} == {
        "phone": "333 1234567", "allowed": True, "reasons": [], "conditions": [], "until": None,
    }  # fmt: skip


async def test_a_long_list_flows(client: httpx2.AsyncClient) -> None:
    """Rows come out in order, whatever the pieces they came in."""

    async def content() -> AsyncIterator[bytes]:
        yield b"n,phone\n"
        for number in range(20_000):
            yield f"{number},333 1234567\n".encode()

    answer = await scrub(client, content())
    rows = [*csv.DictReader(io.StringIO(answer.text))]
    assert [each["n"] for each in rows] == [str(number) for number in range(20_000)]
    assert {each["allowed"] for each in rows} == {"true"}


@pytest.mark.parametrize("missing", ["controller", "channel", "purpose"])
async def test_a_question_that_lacks_something_is_refused(
    client: httpx2.AsyncClient, missing: str
) -> None:
    """422 names what is missing."""
    answer = await scrub(client, over={missing: ""})
    assert (answer.status_code, missing in answer.json()["detail"]) == (422, True)


async def test_what_is_no_list_is_refused_before_the_answer_begins(
    client: httpx2.AsyncClient,
) -> None:
    """A typing error, a table without a header, another format, another scope: 4xx, no rows."""
    assert (await scrub(client, over={"channel": "telepathy"})).status_code == 422
    assert (await scrub(client, b"a,b\n1,2\n")).status_code == 422
    assert (await scrub(client, b"")).status_code == 422
    assert (await scrub(client, media="application/vnd.apache.parquet")).status_code == 422
    assert (await scrub(client, media="application/zip")).status_code == 415
    client.headers["Authorization"] = "Bearer noli_unknown"
    assert (await scrub(client)).status_code == 401


async def test_lists_at_once_are_bounded(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more than may be under way is told when to come back, and taken once there is room."""
    monkeypatch.setattr(scrubbing, "AT_ONCE", 1)
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield LIST
        begun.set()
        await go.wait()

    first = asyncio.create_task(scrub(client, slow()))
    await begun.wait()
    refused = await scrub(client)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    go.set()
    assert (await first).status_code == 200
    assert (await scrub(client)).status_code == 200
    assert (await scrub(client, b"")).status_code == 422
    assert (await scrub(client)).status_code == 200


async def test_a_sender_that_stalls_is_let_go(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing for too long: 408, and its place is free again."""
    monkeypatch.setattr(received, "STALL_S", 0.01)

    async def never() -> AsyncIterator[bytes]:
        yield b"phone"
        await asyncio.Event().wait()

    assert (await scrub(client, never())).status_code == 408


async def test_a_stale_copy_denies_every_row(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with single questions: STALE_REPLICA on each."""
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 31_000)
    rows = [*csv.DictReader(io.StringIO((await scrub(client)).text), delimiter=";")]
    assert rows[0]["reasons"] == "STALE_REPLICA"
    assert {each["allowed"] for each in rows} == {"false"}


async def test_a_scrub_leaves_a_certificate(client: httpx2.AsyncClient) -> None:
    """Under the id of the answer: signed, of both lists, fetched as often as one likes."""
    answer = await scrub(client)
    signed = await certificate(client, answer.headers["noli-scrub-id"])
    assert (await certificate(client, answer.headers["noli-scrub-id"])).content == signed.content
    found = certificates.opened(signed.content, certificates.public_key(PEPPER))
    assert certificates.which(found, io.BytesIO(LIST)) == "input"
    assert certificates.which(found, io.BytesIO(answer.content)) == "output"
    assert (found.counts.rows, found.counts.allowed, found.counts.unparsable) == (2, 1, 1)
    assert (found.as_of, found.channel) == (times.text(NOW), "operator_call")


async def test_no_certificate_of_what_is_not_known(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale copy, a list that is none, an id nobody gave, another scope: 404 and why, or 401."""
    assert (await certificate(client, "../../keys.json")).status_code == 404
    unknown = await certificate(client, f"{0:012x}-{0:032x}")
    assert (unknown.status_code, "STALE_REPLICA" in unknown.json()["detail"]) == (404, True)
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 31_000)
    stale = await scrub(client)
    assert (await certificate(client, stale.headers["noli-scrub-id"])).status_code == 404
    client.headers["Authorization"] = "Bearer noli_unknown"
    assert (await certificate(client, stale.headers["noli-scrub-id"])).status_code == 401


async def test_the_newest_certificates_are_kept(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound the oldest goes."""
    monkeypatch.setattr(kept, "MOST", 2)
    moment = iter(range(10))
    monkeypatch.setattr(scrubbing, "now_ms", lambda: next(moment))
    ids = [(await scrub(client)).headers["noli-scrub-id"] for _ in range(3)]
    assert [(await certificate(client, id_)).status_code for id_ in ids] == [404, 200, 200]


async def test_a_list_too_large_is_refused(client: httpx2.AsyncClient) -> None:
    """Announced or not: 413, the bound, and three remedies."""
    large = b"phone\n" + b"333 1234567\n" * 400_000

    async def content() -> AsyncIterator[bytes]:
        yield large

    for body in (large, content()):
        answer = await scrub(client, body)
        assert answer.status_code == 413
        assert "4000000 bytes; split it" in answer.json()["detail"]


async def test_a_full_disk_is_told(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 and when to come back; its place is free again."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tempfile.SpooledTemporaryFile.write", full)
        answer = await scrub(client)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "No space left" in answer.json()["detail"]
    assert (await scrub(client)).status_code == 200


async def test_parquet_comes_back_as_parquet(client: httpx2.AsyncClient) -> None:
    """Columns kept, a broken row told by its number, several row groups, a certificate of it."""
    count = 20_000
    phones = ["333 1234567"] * count
    phones[7] = "x"
    file = io.BytesIO()
    pq.write_table(pa.table({"n": range(count), "phone": phones}), file)
    answer = await scrub(client, file.getvalue(), "application/vnd.apache.parquet")
    out = pq.read_table(io.BytesIO(answer.content))
    assert out.column("n").to_pylist() == [*range(count)]
    assert out.column("allowed").to_pylist() == [n != 7 for n in range(count)]
    assert out.column("conditions")[7].as_py()[0].startswith("row 8: contact.value: ")
    signed = await certificate(client, answer.headers["noli-scrub-id"])
    found = certificates.opened(signed.content, certificates.public_key(PEPPER))
    assert certificates.which(found, io.BytesIO(answer.content)) == "output"
    assert certificates.which(found, io.BytesIO(file.getvalue())) == "input"
    assert (found.counts.rows, found.counts.unparsable) == (count, 1)
