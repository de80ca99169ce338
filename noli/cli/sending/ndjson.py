"""NDJSON: one CloudEvent a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from noli.cli.sending.line import Defaults, Flaw, Line


def lines(path: Path, defaults: Defaults) -> Iterator[Line]:
    """Every line that is not empty; what it leaves out is filled in."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        for number, text in enumerate(file, 1):
            if text.strip():
                yield _line(number, text.rstrip("\r\n"), defaults)


def _line(number: int, text: str, defaults: Defaults) -> Line:
    try:
        event = orjson.loads(text.encode("utf-8", "surrogateescape"))
    except orjson.JSONDecodeError as error:
        return Line(number, [text], [], Flaw("", f"not JSON: {error.msg}; write one event a line"))
    if not isinstance(event, dict):
        return Line(number, [text], [], Flaw("", "write one JSON object a line"))
    filled = {
        "specversion": "1.0",
        "id": defaults.id(number),
        "source": defaults.source,
        **({} if defaults.type is None else {"type": defaults.type}),
        **event,
    }
    data = filled.get("data")
    if defaults.controller is not None and isinstance(data, dict):
        filled["data"] = {"controller": defaults.controller, **data}
    return Line(number, [text], [filled])
