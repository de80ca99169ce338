"""Schema ids: from the registry once, then from the disk, so that a worker starts without it.

Only the Confluent API is used (Apicurio, Confluent, Karapace, Redpanda speak it).
"""

from __future__ import annotations

import hashlib
import json
import os
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from noli.runtime.clock import now_ms
from noli.runtime.logging import get_logger
from noli.runtime.metrics.process import SCHEMA_CACHE_AGE
from schemas.codec import RECORDS, Codec, UnreadableError, schema_hash, schema_text

if TYPE_CHECKING:
    from pathlib import Path

    from noli.runtime.settings import Settings

#: Seconds the registry may take for one answer.
_TIMEOUT_S: Final = 10.0

_CACHE_FILE: Final = "schema-ids.json"
_MS_PER_S: Final = 1000


class RegistryUnavailable(Exception):
    """The schema registry did not answer as it should."""


def codec(settings: Settings) -> Codec:
    """A codec with the id of every contract record.

    Raises `RegistryUnavailable` when an id is neither on disk nor to be had, naming the remedy.
    """
    cache = settings.data / _CACHE_FILE
    ids = _cached(cache)
    if ids is None:
        ids = {record: _look_up(settings.registry, record) for record in RECORDS}
        _store(cache, ids)
    SCHEMA_CACHE_AGE.set_function(lambda: max(0.0, now_ms() / _MS_PER_S - cache.stat().st_mtime))
    return Codec(ids, lambda schema_id: _schema_by_id(settings.registry, schema_id))


def _cached(path: Path) -> dict[str, int] | None:
    """What the disk knows; None where it knows nothing, is of another build, or is damaged.

    A wrong id would write records that nobody can read, so nothing is believed without its sum.
    """
    try:
        found = json.loads(path.read_bytes())
        entries: dict[str, Any] = found["entries"] if found["sum"] == _sum(found["entries"]) else {}
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, LookupError):
        entries = {}
    if not entries:
        get_logger().warning("schema_ids.discarded", why="damaged, or of an older build")
        return None
    if any(entries.get(record, {}).get("hash") != schema_hash(record) for record in RECORDS):
        return None
    return {record: entries[record]["id"] for record in RECORDS}


def _sum(entries: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def _store(path: Path, ids: dict[str, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    entries = {record: {"id": ids[record], "hash": schema_hash(record)} for record in ids}
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps({"entries": entries, "sum": _sum(entries)}, indent=1), "utf-8")
    fresh.replace(path)


def _look_up(registry: str, record: str) -> int:
    try:
        answer = _ask(f"{registry}/subjects/{record}", {"schema": schema_text(record)})
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            reason = f"{record} is not registered as this build knows it; run `noli topics apply`"
            raise RegistryUnavailable(reason) from error
        raise RegistryUnavailable(f"{record}: HTTP {error.code} from the registry") from error
    except OSError as error:
        raise RegistryUnavailable(f"no schema registry at {registry}: {error}") from error
    return int(answer["id"])


def _schema_by_id(registry: str, schema_id: int) -> str:
    """Text of a schema another build wrote with. An id nobody knows is poison, not an outage."""
    try:
        answer = _ask(f"{registry}/schemas/ids/{schema_id}")
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            raise UnreadableError(f"schema id {schema_id} is not in the registry") from error
        raise RegistryUnavailable(f"schema id {schema_id}: HTTP {error.code}") from error
    except OSError as error:
        raise RegistryUnavailable(f"no schema registry at {registry}: {error}") from error
    return str(answer["schema"])


def _ask(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - the operator's own registry address
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    try:
        return _answer(request)
    except ConnectionError:
        # A registry under load drops a connection now and then; one drop is no outage.
        return _answer(request)


def _answer(request: urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - as above
        answer: dict[str, Any] = json.load(response)
    return answer
