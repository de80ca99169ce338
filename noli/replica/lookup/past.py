"""Questions about the past: the board answers them, from the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol

import httpx2

from noli.domain import times
from noli.domain.contact import Contact
from noli.domain.question import Question
from noli.runtime.problem import Problem, unavailable

Json = dict[str, Any]

PATH: Final = "/v1/decisions"
#: Beyond the minute that the board takes at most for a contact's part of the log, in seconds.
TIMEOUT_S: Final = 75.0
_CONNECT_S: Final = 2.0
_RETRY_AFTER_S: Final = 5
#: How whoever asks proves who they are; the board looks at it, not we.
_CREDENTIALS: Final = ("authorization", "x-api-key")


class Past(Protocol):
    """Whoever knows what was."""

    async def ask(self, questions: Sequence[Question], headers: Mapping[str, str], /) -> list[Json]:
        """Answers as the API describes them, in order. Raises `Problem`."""


class Board:
    """The board at a URL, asked with the credentials of the caller."""

    def __init__(self, url: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._client = httpx2.AsyncClient(
            base_url=url,
            timeout=httpx2.Timeout(TIMEOUT_S, connect=_CONNECT_S),
            transport=transport,
        )

    async def ask(self, questions: Sequence[Question], headers: Mapping[str, str]) -> list[Json]:
        """Answers in order. Raises `Problem`: the board's own, or 503 where it is not there."""
        sent = {name: headers[name] for name in _CREDENTIALS if name in headers}
        try:
            answer = await self._client.post(
                PATH, json={"queries": [_query(each) for each in questions]}, headers=sent
            )
            said = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            why = f"the past is asked of the board, which does not answer ({type(error).__name__})"
            raise unavailable(why, _RETRY_AFTER_S) from error
        if answer.status_code != HTTPStatus.OK:
            raise _passed_on(answer, said)
        found: list[Json] = said["decisions"]
        if len(found) != len(questions):  # one fewer would give somebody another one's verdict
            raise unavailable("the board left an answer out", _RETRY_AFTER_S)
        return found


def _query(question: Question) -> Json:
    given = question.contact
    kind, value = (given.kind, given.value) if isinstance(given, Contact) else given
    return {
        "controller": question.controller,
        "contact": {"kind": kind, "value": value},
        "channel": question.channel,
        "purpose": question.purpose,
        "brand": question.brand,
        "product": question.product,
        "at": None if question.at is None else times.text(question.at),
    }


def _passed_on(answer: httpx2.Response, said: Mapping[str, Any]) -> Problem:
    """What the board objects to; its own trouble is not the caller's fault."""
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return unavailable(str(said.get("detail", "the board is in trouble")), _RETRY_AFTER_S)
    retry = answer.headers.get("retry-after")
    return Problem(
        answer.status_code,
        str(said.get("type", "")).rpartition(":")[2] or "refused",
        f"asked about the past: {said.get('detail', '')}",
        headers=None if retry is None else {"Retry-After": retry},
        extra={"errors": said["errors"]} if "errors" in said else None,
    )
