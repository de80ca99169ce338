"""The public doors a canary goes through, as any other client: HTTP with an API key of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

import httpx2
import orjson

from noli.domain import times
from noli.runtime.logging import get_logger
from noli.runtime.settings import Settings

log = get_logger()

T = TypeVar("T")

#: A door that has not answered by then is asked again, in seconds: the late bound.
_TIMEOUT_S: Final = 5.0


class KeyMissing(Exception):
    """The canary has no API key; says what to do."""


class Doors:
    """Intake and lookup. What goes wrong is logged once, until it goes well again."""

    def __init__(self, settings: Settings, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT_S, headers=headers)
        self._events = settings.intake_url.rstrip("/") + "/v1/events"
        self._decisions = settings.lookup_url.rstrip("/") + "/v1/decisions"
        self._wrong: dict[str, str] = {}

    async def offer(self, event: Mapping[str, Any]) -> int | None:
        """Post one event; when it was accepted (ms), None where it was not."""
        return await self._ask(self._events, event, HTTPStatus.ACCEPTED, _accepted)

    async def verdict(self, question: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Ask one question; None where there is no answer."""
        asked = {"queries": [question]}
        return await self._ask(self._decisions, asked, HTTPStatus.OK, _first)

    async def ready(self) -> bool:
        """Whether both say that they are."""
        for url in (self._events, self._decisions):
            try:
                answer = await self._client.get(url.partition("/v1/")[0] + "/readyz")
            except httpx2.HTTPError:
                return False
            if answer.status_code != HTTPStatus.OK:
                return False
        return True

    async def aclose(self) -> None:
        """Hang up."""
        await self._client.aclose()

    async def _ask(
        self, url: str, body: Mapping[str, Any], good: HTTPStatus, read: Callable[[Any], T]
    ) -> T | None:
        """What `read` makes of a good answer's JSON."""
        try:
            answer = await self._client.post(url, content=orjson.dumps(body))
            if answer.status_code != good:
                self._note(url, f"HTTP {answer.status_code}")
                return None
            found = read(answer.json())
        except httpx2.HTTPError as error:
            self._note(url, type(error).__name__)
            return None
        except (ValueError, LookupError, TypeError):
            self._note(url, "an answer that is not ours; is there a proxy between?")
            return None
        self._note(url, "")
        return found

    def _note(self, url: str, wrong: str) -> None:
        if wrong != self._wrong.get(url, ""):
            if wrong:
                log.warning("canary.turned_away", url=url, why=wrong)
            else:
                log.info("canary.let_in_again", url=url)
        self._wrong[url] = wrong


def _accepted(answer: Any) -> int:  # noqa: ANN401 - JSON
    return times.parse(answer["accepted"])


def _first(answer: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
    (found,) = answer["decisions"]
    return {"allowed": bool(found["allowed"]), "reasons": tuple(found["reasons"])}


def key(settings: Settings) -> str:
    """The canary's own API key. Raises `KeyMissing`."""
    path = settings.canary_key_file
    try:
        found = path.read_text("utf-8").strip()
    except OSError as error:
        remedy = (
            "make one with `noli keys add canary --scope events:write --scope decisions:read "
            "--scope canary > FILE`, and name the file in NOLI_CANARY_KEY_FILE"
        )
        raise KeyMissing(f"the canary's API key: {path}: {error.strerror}; {remedy}") from error
    return found
