"""Posting batches until each event is durable or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

import httpx2
import orjson

from noli.cli.problem import ProblemError
from noli.cli.sending.line import Event, Flaw
from noli.runtime.clock import steady

#: Longest single wait, whatever a server asks for, in seconds.
_WAIT_MAX_S: Final = 30.0
_WAIT_S: Final = 1.0

_LATER: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}

#: What became of an event: its receipt's members, or why it was refused.
Fate = dict[str, Any] | Flaw


class Poster:
    """Posts to one intake. `pause` waits that many seconds; `tell` is told why it waits."""

    def __init__(
        self,
        client: httpx2.Client,
        patience_s: float,
        pause: Callable[[float], object],
        tell: Callable[[str], object],
    ) -> None:
        self._client = client
        self._patience_s = patience_s
        self._pause = pause
        self._tell = tell

    def post(self, events: Sequence[Event]) -> list[Fate]:
        """The fate of each event, in order. Raises `ProblemError` when the intake stays away.

        A batch with refused events is posted again without them: a refusal concerns its own event.
        """
        fates: dict[int, Fate] = {}
        while open_ := [index for index in range(len(events)) if index not in fates]:
            answer = self._insist([events[index] for index in open_])
            if answer.status_code == HTTPStatus.ACCEPTED:
                fates.update(zip(open_, answer.json(), strict=True))
                continue
            body = answer.json()
            for error in body["errors"]:
                fates[open_[error["index"]]] = Flaw(error["field"], error["detail"])
            for stored in body["stored"]:
                fates[open_[stored["index"]]] = stored
        return [fates[index] for index in range(len(events))]

    def _insist(self, events: Sequence[Event]) -> httpx2.Response:
        """202 or 422, however often it takes."""
        body = orjson.dumps(events)
        began = steady()
        while True:
            answer, why, wait = self._attempt(body)
            if answer is not None:
                return answer
            if steady() - began > self._patience_s:
                raise ProblemError(
                    f"the intake does not take events: {why}",
                    "run the same command again later: what was accepted is not stored twice",
                )
            self._tell(f"{why}; trying again in {wait:g} s")
            self._pause(wait)

    def _attempt(self, body: bytes) -> tuple[httpx2.Response | None, str, float]:
        """An answer, or why there is none yet and the seconds to wait."""
        try:
            answer = self._client.post("/v1/events", content=body)
        except httpx2.TransportError as error:
            return None, f"no answer ({type(error).__name__})", _WAIT_S
        if answer.status_code in {HTTPStatus.ACCEPTED, HTTPStatus.UNPROCESSABLE_ENTITY}:
            return answer, "", 0.0
        if answer.status_code in _LATER or answer.is_server_error:
            return None, _detail(answer), _retry_after(answer)
        raise ProblemError(
            f"the intake answered {answer.status_code}: {_detail(answer)}",
            "correct the key (--key, NOLI_API_KEY) or the address (--intake)",
        )


def _detail(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase


def _retry_after(answer: httpx2.Response) -> float:
    said = answer.headers.get("retry-after", "")
    return min(float(said), _WAIT_MAX_S) if said.isdecimal() else _WAIT_S
