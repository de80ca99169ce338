"""Questions about the past: the lookup passes them on to the board, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import httpx2
import pytest

from noli.replica import gate as gates
from noli.replica.gate import Gate
from noli.replica.lookup import service as services
from noli.replica.lookup.past import Board
from noli.runtime import apikeys
from tests.support.board import Log
from tests.support.board import Service as BoardService
from tests.support.copies import ALICE, NOW, PEPPER, decision, fresh, row
from tests.support.law import ACME, PHONE
from tests.support.lines import Shelf, found
from tests.support.lookup import QUESTION, Service

#: A day on which the archive's contact had consented, and one before.
CONSENTED: Final = "2026-01-03T12:00:00Z"
BEFORE: Final = "2026-01-01T00:00:00Z"
THEN: Final = {"controller": ACME, "contact": PHONE, "channel": "sms", "purpose": "marketing"}
BOTH: Final[list[apikeys.Scope]] = ["decisions:read", "evidence:read"]


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A copy in which Alice may be called, asked a second after its beacon."""
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 1_000)
    monkeypatch.setattr(services, "now_ms", lambda: NOW + 1_000)
    monkeypatch.setattr(apikeys, "RELOAD_S", 0.0)  # keys count as soon as they are written
    fresh(tmp_path / "copy", [(ALICE, decision([row(until=NOW + 86_400_000)]))])
    return Gate.open(tmp_path / "copy", pepper=PEPPER)


class Both:
    """A lookup and the board it asks, which know the same keys; `key` is one for both."""

    def __init__(self, folder: Path, gate: Gate, shelf: Shelf) -> None:
        self.shelf = shelf
        self.board = BoardService(folder, Log(), archive=shelf)
        past = Board("http://board.test", httpx2.ASGITransport(self.board.app))
        self.lookup = Service(folder, gate, past=past)
        pair = apikeys.new("for both", BOTH)
        self.key = pair[0]
        lines = [*self.board.lines.values(), pair[1]]
        apikeys.write(self.board.key_file, lines)

    async def ask(self, *queries: object, key: str | None = None) -> httpx2.Response:
        """POST them to the lookup."""
        return await self.lookup.ask(*queries, key=key or self.key)


@pytest.mark.rule("EVIDENCE")
async def test_what_was_and_what_is_come_in_one_answer(tmp_path: Path, gate: Gate) -> None:
    """In the order of the questions: the evidence for moments gone by, the copy for now."""
    both = Both(tmp_path, gate, Shelf(found()))
    answer = await both.ask({**THEN, "at": BEFORE}, QUESTION, {**THEN, "at": CONSENTED})
    assert answer.status_code == 200
    before, now, consented = answer.json()["decisions"]
    assert (before["allowed"], before["as_of"]) == (False, BEFORE)
    assert (now["allowed"], now["as_of"]) == (True, "2026-11-24T09:00:00Z")
    assert (consented["allowed"], consented["as_of"]) == (True, CONSENTED)


async def test_the_present_asks_nobody(tmp_path: Path, gate: Gate) -> None:
    """A dialer's question never waits for the log."""
    both = Both(tmp_path, gate, Shelf(AssertionError("nobody may read the log")))
    assert (await both.ask(QUESTION)).json()["decisions"][0]["allowed"]
    assert both.shelf.read == []


@pytest.mark.parametrize("scope, status", [("decisions:read", 403), ("evidence:read", 403)])
async def test_both_scopes_are_wanted(
    tmp_path: Path, gate: Gate, scope: apikeys.Scope, status: int
) -> None:
    """Each of the two asks for its own."""
    both = Both(tmp_path, gate, Shelf(found()))
    answer = await both.ask({**THEN, "at": BEFORE}, key=both.board.keys[scope])
    assert answer.status_code == status


@pytest.mark.parametrize(
    "queries, status, field",
    [
        ([QUESTION, {**THEN, "at": BEFORE, "campaign": "spring"}], 422, "queries[1].campaign"),
        ([{**THEN, "at": BEFORE}] * 21, 413, "20"),
    ],
)
async def test_what_the_board_would_refuse_is_refused_here(
    tmp_path: Path, gate: Gate, queries: list[object], status: int, field: str
) -> None:
    """With the place in what the caller sent."""
    both = Both(tmp_path, gate, Shelf(found()))
    answer = await both.ask(*queries)
    assert answer.status_code == status
    assert field in answer.json()["detail"]
    assert both.shelf.read == []


class Away(httpx2.AsyncBaseTransport):
    """A board that does not listen, or whose proxy says something else."""

    def __init__(self, answer: httpx2.Response | Exception) -> None:
        self.answer = answer

    async def handle_async_request(self, _request: httpx2.Request) -> httpx2.Response:
        """That."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    "answer, status, words",
    [
        (httpx2.ConnectError("no"), 503, "ConnectError"),
        (httpx2.Response(502, text="<html>"), 503, "does not answer"),
        (httpx2.Response(500, json={"detail": "a bug"}), 503, "a bug"),
        (httpx2.Response(200, json={"decisions": []}), 503, "left an answer out"),
        (httpx2.Response(429, json={"detail": "wait"}, headers={"Retry-After": "9"}), 429, "wait"),
    ],
)
async def test_a_board_in_trouble_is_told_and_asked_again_later(
    tmp_path: Path, gate: Gate, answer: httpx2.Response | Exception, status: int, words: str
) -> None:
    """Never answered from the copy instead: it knows nothing of then."""
    lookup = Service(tmp_path, gate, past=Board("http://board.test", Away(answer)))
    told = await lookup.ask(QUESTION, {**THEN, "at": BEFORE})
    assert told.status_code == status
    assert words in told.json()["detail"]
    assert int(told.headers["retry-after"]) > 0
