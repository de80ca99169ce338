"""The SQL of a sink: a file beside it, cut at the lines `-- name: …`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources


@cache
def statements(file: str) -> Mapping[str, str]:
    """Name → statement of a file beside the sinks."""
    text = resources.files("connectors.sinks").joinpath(file).read_text("utf-8")
    blocks = (block.split("\n", 1) for block in text.split("-- name: ")[1:])
    return {name.strip(): statement.strip() for name, statement in blocks}
