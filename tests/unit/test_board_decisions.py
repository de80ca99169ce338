"""What was allowed in the past, over HTTP and without a broker."""

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
from noli.domain import times
from noli.domain.contact import normalise
from noli.runtime.scan import LogUnavailable
from tests.support import law
from tests.support.board import Log, Service
from tests.support.law import ACME, PHONE, consent, fact, objection, on
from tests.support.lines import Shelf, found
from tests.support.openapi import Description

API: Final = Description("noli.board")
PATH: Final = "/v1/decisions"
#: As `tests.support.lines.found` tells them.
FACTS: Final = [
    consent(1),
    fact("profiling.performed", 2, purpose="cluster", basis="consent", description="x"),
    objection(3),
]


def question(day: float, channel: str = "sms", **over: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Whether `PHONE` could be contacted on a day of 2026."""
    asked = {"controller": ACME, "contact": PHONE, "channel": channel, "purpose": "marketing"}
    return {**asked, "at": times.text(on(day)), **over}


def service(folder: Path, shelf: Shelf) -> Service:
    """The board over that archive."""
    return Service(folder, Log(), archive=shelf)


async def ask(board: Service, *queries: object, **headers: str) -> httpx2.Response:
    """An answer as the document describes it."""
    named = {"Content-Type": "application/json", **board.bearer(), **headers}
    content = json.dumps({"queries": queries})
    answer = await board.client.post(PATH, content=content, headers=named)
    API.check("post", PATH, answer)
    return answer


@pytest.mark.rule("EVIDENCE")
async def test_each_moment_has_the_answer_of_the_law(tmp_path: Path) -> None:
    """Before the consent, after it, after the objection: as `noli decide` says, in order."""
    shelf = Shelf(found())
    asked = [(day, channel) for day in (0.5, 1, 2.5, 3, 9) for channel in ("sms", "operator_call")]
    answer = await ask(service(tmp_path, shelf), *(question(*each) for each in asked))
    told = answer.json()["decisions"]
    # A consent to SMS extends to calls (law.md CONSENT-EXTENDS).
    assert [one["allowed"] for one in told] == [False, False, *[True] * 4, *[False] * 4]
    for (day, channel), one in zip(asked, told, strict=True):
        wanted = law.ask(FACTS, day, channel)
        assert (one["allowed"], one["basis"]) == (wanted.allowed, wanted.basis)
        assert one["reasons"] == list(wanted.reasons)
        assert one["until"] == (None if wanted.until is None else times.text(wanted.until))
        assert one["as_of"] == times.text(on(day))
    assert shelf.read == [(ACME, normalise(**PHONE))]  # once, for all of them


async def test_what_nobody_can_make_sense_of_was_denied(tmp_path: Path) -> None:
    """A contact as QUARANTINED, a channel or a purpose without a basis; the others are answered."""
    told = (
        await ask(
            service(tmp_path, Shelf(found())),
            question(2, contact={"kind": "phone", "value": "12"}),
            question(2, "smoke"),
            question(2, purpose="spying"),
            question(2),
        )
    ).json()["decisions"]
    assert [one["allowed"] for one in told] == [False, False, False, True]
    assert [one["reasons"] for one in told[:3]] == [["QUARANTINED"], ["NO_BASIS"], ["NO_BASIS"]]


@pytest.mark.parametrize(
    "queries, status, field",
    [
        ([question(2), question(99_999)], 422, "queries[1].at"),
        ([question(2, at="yesterday")], 422, "queries[0].at"),
        ([question(2, campaign="spring")], 422, "queries[0].campaign"),
        ([question(2, controller=" ")], 422, "queries[0].controller"),
        ([question(2)] * 21, 413, "20"),
    ],
)  # fmt: skip
async def test_what_cannot_be_told_is_refused(
    tmp_path: Path, queries: list[object], status: int, field: str
) -> None:
    """By its field; nothing is read."""
    shelf = Shelf(found())
    answer = await ask(service(tmp_path, shelf), *queries)
    assert answer.status_code == status
    assert field in answer.json()["detail"]
    assert shelf.read == []


async def test_only_a_key_for_evidence_may_ask(tmp_path: Path) -> None:
    """Not one that asks for decisions, nor a session of the page."""
    board = service(tmp_path, Shelf(found()))
    for headers, status in (({"Authorization": ""}, 401), (board.bearer("decisions:read"), 403)):
        assert (await ask(board, question(2), **headers)).status_code == status
    assert (await board.client.post("/v1/session", headers=board.bearer())).status_code == 204
    assert (await board.client.post(PATH, json={"queries": []})).status_code == 401


@pytest.mark.parametrize(
    "error, words", [(Late(), "noli explain"), (LogUnavailable("no Kafka"), "no Kafka")]
)
async def test_a_log_that_cannot_be_read_is_told(
    tmp_path: Path, error: Exception, words: str
) -> None:
    """503 with the reason, to be asked again."""
    answer = await ask(service(tmp_path, Shelf(error)), question(2))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert words in answer.json()["detail"]


async def test_only_a_few_read_the_log_at_once(tmp_path: Path) -> None:
    """One more is told to wait; there is room again afterwards."""
    shelf = Shelf(found())
    shelf.gate = threading.Event()
    board = service(tmp_path, shelf)
    async with asyncio.TaskGroup() as tasks:
        first = [tasks.create_task(ask(board, question(2))) for _ in range(archive.AT_ONCE)]
        assert await asyncio.to_thread(shelf.full.wait, 10)
        assert (await ask(board, question(2))).status_code == 429
        shelf.gate.set()
    assert {task.result().status_code for task in first} == {200}
    assert (await ask(board, question(2))).status_code == 200


async def test_who_asked_is_written_down_and_about_whom_is_not(tmp_path: Path) -> None:
    """The key's name and how many questions; no number, no token, no controller."""
    with capture_logs() as logs:
        await ask(service(tmp_path, Shelf(found())), question(2))
    (line,) = [line for line in logs if line["event"] == "past"]
    assert line == {
        "event": "past", "log_level": "info", "key": "for evidence:read", "questions": 1,
    }  # fmt: skip
