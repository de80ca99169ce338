"""Asks the processes of a stack whether they are ready, without blocking the supervisor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import httpx2

from noli.cli.stack import kafka, registry
from noli.cli.stack.unit import Probe
from noli.domain import times

#: A worker that needs longer for its own readiness is not ready.
SECONDS: Final = 2.0
_SHOWN: Final = 100


def worker(client: httpx2.AsyncClient, url: str) -> Probe:
    """`/readyz` of a worker; its own words when it is not ready."""

    async def probe() -> tuple[bool, str]:
        try:
            answer = await client.get(f"{url}/readyz")
        except httpx2.ConnectError:
            return False, "does not listen yet"
        except httpx2.HTTPError as error:
            return False, type(error).__name__
        return answer.status_code == HTTPStatus.OK, words(answer)

    return probe


def broker(node: kafka.Kafka) -> Probe:
    """Our own Kafka, known by its cluster id."""
    check = kafka.check(node)

    async def probe() -> tuple[bool, str]:
        return await asyncio.to_thread(check)

    return probe


def store(
    client: httpx2.AsyncClient, found: registry.Registry, pid: Callable[[], int | None]
) -> Probe:
    """Our own registry, known by who holds the port."""

    async def probe() -> tuple[bool, str]:
        try:
            answer = await client.get(found.health)
        except httpx2.HTTPError:
            return False, "does not answer"
        if answer.status_code != HTTPStatus.OK:
            return False, f"HTTP {answer.status_code}"
        return registry.listens(pid() or 0, found.port), "another registry answers on its port"

    return probe


def words(answer: httpx2.Response) -> str:
    """What a worker says of its readiness, short: what is absent or off is not said."""
    try:
        body = json.loads(answer.text)
    except ValueError:
        return " ".join(answer.text.split())[:_SHOWN]
    if not isinstance(body, dict):
        return str(body)[:_SHOWN]
    return ", ".join(
        f"{key} {_shown(key, value)}"
        for key, value in body.items()
        if key not in {"ready", "status"} and value is not None and value is not False
    )[:_SHOWN]


def _shown(key: str, value: object) -> object:
    """A moment as people write it; anything else as it is."""
    return times.text(value) if key.endswith("as_of") and isinstance(value, int) else value
