"""CloudEvents over HTTP: structured, batched and binary mode become plain dicts.

CloudEvents 1.0 HTTP protocol binding, §3; JSON format, §4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import orjson

from noli.runtime.problem import Problem

#: Most events in one post.
BATCH_MAX: Final = 1_000

_JSON: Final = "application/json"
_EVENT: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
_BINARY_PREFIX: Final = "ce-"


class Post(NamedTuple):
    """The events of one request, unread; `single` when one object was posted, not an array."""

    events: list[Any]
    single: bool


def decode(body: bytes, headers: Mapping[str, str]) -> Post:
    """The events of a request body. Raises `Problem` 400, 413 or 415."""
    media = headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    if media not in {_JSON, _EVENT, _BATCH}:
        raise Problem(415, "unsupported-media-type", f"send {_JSON}, {_EVENT} or {_BATCH}")
    content = _json(body)
    if media == _JSON and "ce-specversion" in headers:
        return Post([_binary(content, headers)], single=True)
    if isinstance(content, list):
        if len(content) > BATCH_MAX:
            detail = f"{len(content)} events; send at most {BATCH_MAX} in one post"
            raise Problem(413, "too-large", detail)
        return Post(content, single=False)
    if isinstance(content, dict) and media != _BATCH:
        return Post([content], single=True)
    raise Problem(400, "malformed", "send one CloudEvent object or an array of them")


def _json(body: bytes) -> Any:  # noqa: ANN401 - whatever JSON says
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        detail = f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        raise Problem(400, "malformed", detail) from error


def _binary(data: object, headers: Mapping[str, str]) -> dict[str, Any]:
    """An event whose attributes are percent-encoded `ce-` headers and whose body is its data."""
    attributes = {
        name.removeprefix(_BINARY_PREFIX): unquote(value)
        for name, value in headers.items()
        if name.startswith(_BINARY_PREFIX)
    }
    return {**attributes, "data": data}
