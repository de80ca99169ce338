"""docs/reference/topics.md, from `schemas/topics.toml`."""

from __future__ import annotations

from typing import Any, Final

from noli.cli.pages.markdown import code, head, table
from schemas.codec import topic_catalogue

_INTRODUCTION: Final = (
    "The one catalogue, `schemas/topics.toml`. `noli topics plan` compares it with a broker,\n"
    "`noli topics apply` makes it so and refuses a dangerous change. Producers partition with\n"
    "`murmur2_random`. *personal*: values in clear; *pseudonymous*: contact tokens only."
)
_DAY_MS: Final = 86_400_000


def page() -> str:
    """The page."""
    catalogue = topic_catalogue()
    defaults = catalogue["defaults"]
    rows = [row(name, {**defaults, **topic}) for name, topic in catalogue["topics"].items()]
    columns = ["topic", "key", "partitions", "cleanup", "kept", "personal data", "written by"]
    return "\n".join(
        (
            head("Topics", _INTRODUCTION),
            table(columns, rows),
            table(["default", "value"], [(code(k), str(v)) for k, v in defaults.items()]),
            *(section(name, topic) for name, topic in catalogue["topics"].items()),
        )
    )


def row(name: str, topic: dict[str, Any]) -> list[str]:
    """One line of the table."""
    columns = [topic["key"], topic["partitions"], topic["cleanup"], kept(topic)]
    return [code(name), *map(str, columns), topic["pii"], topic["owner"]]


def kept(topic: dict[str, Any]) -> str:
    """How long a record stays."""
    if topic["cleanup"] == "compact":
        lag = topic.get("min_compaction_lag_ms", 0) // _DAY_MS
        return f"newest of each key; every record for {lag} d"
    milliseconds = topic["retention_ms"]
    return "for ever" if milliseconds < 0 else f"{milliseconds // _DAY_MS} d"


def section(name: str, topic: dict[str, Any]) -> str:
    """What a topic is for, and the records it carries."""
    records = ", ".join(f"[{record}](schemas.md#{anchor(record)})" for record in topic["records"])
    return f"## {name}\n\n{topic['doc']}\n\nRecords: {records}.\n"


def anchor(record: str) -> str:
    """The anchor Markdown gives a heading of that name."""
    return record.lower().replace(".", "")
