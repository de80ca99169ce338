"""The prober's HTTP: what it takes for an answer, and what it says of doors that are shut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import orjson
import pytest
from structlog.testing import capture_logs

from noli.canary import doors
from noli.canary.doors import Doors
from noli.runtime.settings import Settings

EVENT = {"id": "1"}
QUESTION = {"controller": "acme"}


class Town:
    """Both services behind one transport: the answers, last one for ever, and what was asked."""

    def __init__(self) -> None:
        self.answers: list[httpx2.Response | Exception] = []
        self.asked: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer."""
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def town() -> Town:
    """The services."""
    return Town()


@pytest.fixture
async def way(town: Town, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Doors]:
    """The doors to them."""
    real = httpx2.AsyncClient

    def client(**over: object) -> httpx2.AsyncClient:
        return real(transport=httpx2.MockTransport(town), **over)  # type: ignore[arg-type]

    monkeypatch.setattr(httpx2, "AsyncClient", client)
    found = Doors(Settings(intake_url="http://in/", lookup_url="http://out/base"), "noli_key")
    yield found
    await found.aclose()


async def test_an_event_is_posted_with_the_key_and_its_acceptance_read(
    way: Doors, town: Town
) -> None:
    """One CloudEvent at `/v1/events`; the answer's time in ms."""
    town.answers = [httpx2.Response(202, json={"accepted": "2026-11-28T10:00:00.250Z"})]
    assert await way.offer(EVENT) == 1_795_860_000_250
    (request,) = town.asked
    assert str(request.url) == "http://in/v1/events"
    assert request.headers["Authorization"] == "Bearer noli_key"
    assert orjson.loads(request.content) == EVENT


async def test_a_question_is_asked_as_dialers_ask_it(way: Doors, town: Town) -> None:
    """One query at `/v1/decisions`; of the answer only what decides."""
    verdict = {"allowed": False, "reasons": ["OBJECTED"], "as_of": None}
    town.answers = [httpx2.Response(200, json={"decisions": [verdict]})]
    assert await way.verdict(QUESTION) == {"allowed": False, "reasons": ("OBJECTED",)}
    assert str(town.asked[0].url) == "http://out/base/v1/decisions"
    assert orjson.loads(town.asked[0].content) == {"queries": [QUESTION]}


@pytest.mark.parametrize(
    "answer, why",
    [
        (httpx2.ConnectError("refused"), "ConnectError"),
        (httpx2.ReadTimeout("late"), "ReadTimeout"),
        (httpx2.Response(503, json={"detail": "not durable"}), "HTTP 503"),
        (httpx2.Response(403, json={"detail": "lacks the scope"}), "HTTP 403"),
        (httpx2.Response(202, text="<html>"), "an answer that is not ours"),
        (httpx2.Response(202, json={"accepted": "soon"}), "an answer that is not ours"),
        (httpx2.Response(202, json=[]), "an answer that is not ours"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_what_is_no_acceptance_is_none_and_told_once(
    way: Doors, town: Town, answer: httpx2.Response | Exception, why: str
) -> None:
    """Nothing is taken for accepted that the intake did not say; the log tells it, and the end."""
    good = httpx2.Response(202, json={"accepted": "2026-11-28T10:00:00Z"})
    town.answers = [answer, answer, good, good]
    with capture_logs() as logs:
        found = [await way.offer(EVENT) for _ in range(4)]
    assert [each is None for each in found] == [True, True, False, False]
    assert [line["event"] for line in logs] == ["canary.turned_away", "canary.let_in_again"]
    assert str(logs[0]["why"]).startswith(why)


async def test_both_must_be_ready(way: Doors, town: Town) -> None:
    """As their own `/readyz` says; one that does not answer is not."""
    ready, unready = httpx2.Response(200), httpx2.Response(503)
    for answers, wanted in (
        ([ready, ready], True),
        ([ready, unready], False),
        ([httpx2.ConnectError("refused")], False),
    ):
        town.answers = [*answers]
        assert await way.ready() is wanted
    assert [str(request.url) for request in town.asked[:2]] == [
        "http://in/readyz", "http://out/base/readyz",
    ]  # fmt: skip


def test_the_key_is_a_file_of_its_own(tmp_path: Path) -> None:
    """Without its line end; where there is none, the remedy is told."""
    path = tmp_path / "canary-key"
    with pytest.raises(doors.KeyMissing, match=r"noli keys add canary .* --scope canary"):
        doors.key(Settings(canary_key_file=path))
    path.write_text("noli_key\n")
    assert doors.key(Settings(canary_key_file=path)) == "noli_key"
