"""A contact's timeline over HTTP, without a broker: who may ask, what is told, what is bounded."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from structlog.testing import capture_logs

from noli.board import archive
from noli.board.archive import Late
from noli.board.asked import Asked
from noli.domain import times
from noli.domain.contact import normalise
from noli.domain.wording import Language
from noli.evidence.deliveries import Span
from noli.runtime.scan import LogUnavailable
from tests.support.board import Log, Service
from tests.support.law import ACME, PHONE, on
from tests.support.lines import Shelf, found
from tests.support.openapi import Description

API: Final = Description("noli.board")
PATH: Final = "/v1/contacts/timeline"
BODY: Final = {"controller": ACME, "contact": PHONE}


def service(folder: Path, shelf: Shelf) -> Service:
    """The board over that archive."""
    return Service(folder, Log(), archive=shelf)


async def ask(board: Service, body: Any = BODY, **headers: str) -> httpx2.Response:  # noqa: ANN401
    """An answer as the document describes it."""
    content = body if isinstance(body, bytes) else json.dumps(body)
    named = {"Content-Type": "application/json", **board.bearer(), **headers}
    answer = await board.client.post(PATH, content=content, headers=named)
    API.check("post", PATH, answer)
    return answer


@pytest.mark.rule("EVIDENCE", "PROFILING-TRACED")
async def test_a_contact_is_told_in_the_order_of_time(tmp_path: Path) -> None:
    """Facts with their evidence, what they changed, who confirmed it; profiling is among them."""
    shelf = Shelf(found())
    body = (await ask(service(tmp_path, shelf))).json()
    assert shelf.asked[0] == Asked(ACME, normalise(**PHONE), Language.ENGLISH)
    kinds = [(entry["kind"], entry["at"][:10]) for entry in body["entries"]]
    first, third = "2026-01-02", "2026-01-04"
    assert kinds[0] == ("fact", first)
    assert ("verdict", first) in kinds
    assert kinds.index(("verdict", first)) < kinds.index(("receipt", first))
    assert kinds[-1] == ("receipt", third)
    moments = [times.parse(entry["at"]) for entry in body["entries"]]
    assert moments == sorted(moments)
    facts = [entry for entry in body["entries"] if entry["kind"] == "fact"]
    assert [one["words"] for one in facts] == ["consent given", "profiling performed", "objection"]
    assert "cluster" in facts[1]["details"]
    assert [one["denies"] for one in facts] == [False, False, True]
    assert facts[0]["evidence_ref"] == "form-7"
    assert body["now"][0]["allowed"] is False
    assert (body["complete"], body["receipts"]["complete"]) == (True, True)


async def test_the_words_are_italian_where_asked(tmp_path: Path) -> None:
    """As `noli explain --lang it` says them."""
    body = (await ask(service(tmp_path, Shelf(found())), {**BODY, "lang": "it"})).json()
    assert body["entries"][0]["words"] == "consenso dato"


async def test_an_incomplete_search_is_told(tmp_path: Path) -> None:
    """Which spans were searched, and that others were not."""
    body = (await ask(service(tmp_path, Shelf(found((Span(on(2), on(30)),)))))).json()
    assert body["receipts"] == {
        "complete": False,
        "searched": [{"from": "2026-01-03T00:00:00Z", "until": "2026-01-31T00:00:00Z"}],
    }


async def test_only_a_key_for_evidence_may_ask(tmp_path: Path) -> None:
    """Not one of an administrator, nor a session of the board, nor an open board."""
    board = Service(tmp_path, Log(), archive=Shelf(found()), open_=True, host="127.0.0.1")
    for headers, status in (
        ({"Authorization": ""}, 401),
        (board.bearer("admin"), 403),
        (board.bearer("decisions:read"), 403),
    ):
        assert (await ask(board, **headers)).status_code == status
    assert (await board.client.post("/v1/session", headers=board.bearer())).status_code == 204
    answer = await board.client.post(PATH, json=BODY)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "body, status, field",
    [
        (b"{", 400, None),
        (b"\xff", 400, None),
        ({"controller": "acme"}, 422, "contact"),
        ({"controller": " ", "contact": PHONE}, 422, "controller"),
        ({**BODY, "contact": {"kind": "fax", "value": "+39333"}}, 422, "contact.kind"),
        ({"controller": "acme", "contact": {"kind": "phone", "value": "12"}}, 422, "contact.value"),
        ({**BODY, "at": "now"}, 422, "at"),
        (b" " * 5_000, 413, None),
    ],
)  # fmt: skip
async def test_a_bad_question_is_refused_by_its_field(
    tmp_path: Path,
    body: object,
    status: int,
    field: str | None,
) -> None:
    """Named, with the remedy, and without what was sent."""
    shelf = Shelf(found())
    answer = await ask(service(tmp_path, shelf), body)
    assert answer.status_code == status
    assert field is None or field in answer.json()["detail"]
    assert "+39333" not in answer.text
    assert shelf.asked == []


async def test_only_a_few_read_the_log_at_once(tmp_path: Path) -> None:
    """One more is told to wait; there is room again afterwards, also after a failure."""
    shelf = Shelf(LogUnavailable("no Kafka"))
    shelf.gate = threading.Event()
    board = service(tmp_path, shelf)
    async with asyncio.TaskGroup() as tasks:
        first = [tasks.create_task(ask(board)) for _ in range(archive.AT_ONCE)]
        assert await asyncio.to_thread(shelf.full.wait, 10)
        assert (await ask(board)).status_code == 429
        shelf.gate.set()
    assert {task.result().status_code for task in first} == {503}
    shelf.answer = found()
    assert (await ask(board)).status_code == 200


@pytest.mark.parametrize(
    "error, words", [(Late(), "noli explain"), (LogUnavailable("no Kafka"), "no Kafka")]
)
async def test_a_log_that_cannot_be_read_is_told(
    tmp_path: Path, error: Exception, words: str
) -> None:
    """503 with the reason, to be asked again."""
    answer = await ask(service(tmp_path, Shelf(error)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert words in answer.json()["detail"]


async def test_who_asked_is_written_down_and_about_whom_is_not(tmp_path: Path) -> None:
    """The key's name and how much was told; no number, no token, no controller."""
    with capture_logs() as logs:
        await ask(service(tmp_path, Shelf(found())))
    (line,) = [line for line in logs if line["event"] == "timeline"]
    assert line["key"] == "for evidence:read"
    assert line.keys() == {"event", "log_level", "key", "entries", "seconds"}
