"""A record of a contract with nothing in it, to be laid over: a new field breaks no test."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from schemas.codec import schema_text

Datum = dict[str, Any]

_PLAIN: Final = {
    "null": None, "boolean": False, "int": 0, "long": 0, "double": 0.0, "string": "", "bytes": b"",
}  # fmt: skip


def neutral(record: str, **over: Any) -> Datum:  # noqa: ANN401 - fields of any contract
    """Zeros, empty texts and lists, null where it may be; then `over`."""
    found = {field["name"]: _value(field["type"]) for field in _fields(record)}
    unknown = over.keys() - found.keys()
    assert not unknown, f"{record} has no {', '.join(sorted(unknown))}"
    return {**found, **over}


@cache
def _fields(record: str) -> list[Datum]:
    fields: list[Datum] = json.loads(schema_text(record))["fields"]
    return fields


def _value(kind: Any) -> Any:  # noqa: ANN401 - an Avro type, and a value of it
    if isinstance(kind, list):
        return _value(kind[0])
    if isinstance(kind, str):
        return _PLAIN[kind]
    if kind["type"] == "record":
        return {field["name"]: _value(field["type"]) for field in kind["fields"]}
    if kind["type"] in {"array", "map"}:
        return [] if kind["type"] == "array" else {}
    if kind["type"] == "enum":
        return kind["symbols"][0]
    return bytes(kind["size"])
