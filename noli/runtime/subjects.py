"""The contract records in the schema registry: what is registered, what would be, what must not.

One subject per record, named as the record (RecordNameStrategy). Each is held to FULL_TRANSITIVE:
any reader reads any record, older or newer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

import httpx2

from noli.runtime.registry import RegistryUnavailable
from noli.runtime.topics import Action, Step
from schemas.codec import RECORDS, schema_text

COMPATIBILITY: Final = "FULL_TRANSITIVE"
_TIMEOUT_S: Final = 15.0
_TYPE: Final = "application/vnd.schemaregistry.v1+json"


@contextmanager
def connected(registry: str) -> Iterator[httpx2.Client]:
    """A client of the registry; its failures come out as `RegistryUnavailable`."""
    try:
        with httpx2.Client(
            base_url=registry, timeout=_TIMEOUT_S, headers={"Content-Type": _TYPE}
        ) as client:
            yield client
    except httpx2.HTTPStatusError as error:
        reason = f"HTTP {error.response.status_code} for {error.request.url.path}"
        raise RegistryUnavailable(f"schema registry {registry}: {reason}") from error
    except httpx2.HTTPError as error:
        raise RegistryUnavailable(f"no schema registry at {registry}: {error}") from error


def plan(client: httpx2.Client) -> list[Step]:
    """What it takes to have every record registered and protected."""
    known = set(_answer(client.get("/subjects")) or ())
    everywhere = _level(client.get("/config"))
    steps: list[Step] = []
    for record in RECORDS:
        if record in known:
            steps += [_schema(client, record), *_protection(record, _effective(client, record))]
        else:
            steps += [
                Step(record, Action.CREATE, "first version"),
                *_protection(record, everywhere),
            ]
    return steps


def apply(client: httpx2.Client, steps: list[Step]) -> None:
    """Carry out CREATE and ALTER, then assert the effective protection of every subject.

    Raises `RegistryUnavailable` when the registry refuses, or says one thing and does another.
    """
    for step in steps:
        if step.action is Action.ALTER:
            _answer(_protect(client, step.name))  # 404: not there before its first version
    for step in steps:
        if step.action is Action.CREATE:
            body = {"schema": schema_text(step.name)}
            client.post(f"/subjects/{step.name}/versions", json=body).raise_for_status()
    for record in RECORDS:
        if _effective(client, record) != COMPATIBILITY:
            _protect(client, record).raise_for_status()
        if (level := _effective(client, record)) != COMPATIBILITY:
            raise RegistryUnavailable(
                f"{record} is held to {level}, not to {COMPATIBILITY}, although that was set"
            )


def _protect(client: httpx2.Client, record: str) -> httpx2.Response:
    return client.put(f"/config/{record}", json={"compatibility": COMPATIBILITY})


def _schema(client: httpx2.Client, record: str) -> Step:
    body = {"schema": schema_text(record)}
    found = _answer(client.post(f"/subjects/{record}", json=body))
    if found is not None:
        return Step(record, Action.SAME, f"version {found['version']}, id {found['id']}")
    versions = _answer(client.get(f"/subjects/{record}/versions")) or []
    check = client.post(
        f"/compatibility/subjects/{record}/versions", params={"verbose": "true"}, json=body
    )
    verdict = _answer(check) or {}
    if verdict.get("is_compatible"):
        return Step(record, Action.CREATE, f"a version after {max(versions, default=0)}")
    why = "; ".join(verdict.get("messages") or ()) or "the registry gives no reason"
    return Step(
        record,
        Action.REFUSE,
        f"not compatible with the versions {', '.join(map(str, versions))}",
        f"{why}. Add fields with a default, or make a record of a new name",
    )


def _protection(record: str, level: str) -> list[Step]:
    if level == COMPATIBILITY:
        return []
    return [Step(record, Action.ALTER, f"compatibility {level} → {COMPATIBILITY}")]


def _effective(client: httpx2.Client, record: str) -> str:
    own = client.get(f"/config/{record}", params={"defaultToGlobal": "true"})
    return _level(client.get("/config") if own.status_code == HTTPStatus.NOT_FOUND else own)


def _level(response: httpx2.Response) -> str:
    found = _answer(response) or {}
    return str(found.get("compatibilityLevel") or found.get("compatibility") or "NONE")


def _answer(response: httpx2.Response) -> Any:  # noqa: ANN401 - JSON
    """The body, None where there is no such subject. Raises `httpx2.HTTPStatusError`."""
    if response.status_code == HTTPStatus.NOT_FOUND:
        return None
    response.raise_for_status()
    return response.json()
