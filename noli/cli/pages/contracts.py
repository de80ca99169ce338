"""docs/reference/schemas.md, from `schemas/avro/*.avsc`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from noli.cli.pages.markdown import code, head, table
from schemas.codec import RECORDS, schema_text, topic_catalogue

_INTRODUCTION: Final = (
    "Avro, in the Confluent wire format (a zero byte, the schema id in four bytes, the body).\n"
    "The subject in the registry is the record's full name; compatibility is FULL_TRANSITIVE.\n"
    "All times are milliseconds since 1970-01-01T00:00:00Z. An enum symbol a reader does not\n"
    "know is read as `unknown`, and that as a no. A released contract is never edited\n"
    "(CONTRIBUTING.md)."
)


def page() -> str:
    """The page."""
    return "\n".join((head("Schemas", _INTRODUCTION), *map(section, RECORDS)))


def section(name: str) -> str:
    """One contract: its text, the topics that carry it, every type it defines."""
    schema = json.loads(schema_text(name))
    topics = [
        f"`{topic}`"
        for topic, entry in topic_catalogue()["topics"].items()
        if name in entry["records"]
    ]
    carried = f"Carried by {', '.join(topics)}. " if topics else ""
    file = f"Defined in `schemas/avro/{RECORDS[name]}.avsc`."
    parts = [f"## {name}\n\n{schema.get('doc', '')}\n\n{carried}{file}\n"]
    for node in definitions(schema):
        parts += [f"### {node['name']}\n"] if node is not schema else []
        parts += [f"{node['doc']}\n"] if node.get("doc") and node is not schema else []
        parts.append(fields(node) if node["type"] == "record" else symbols(node))
    return "\n".join(parts)


def definitions(node: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - a schema is any JSON
    """Every named type, in the order a reader meets them: a record before what it uses."""
    if isinstance(node, list):
        for each in node:
            yield from definitions(each)
    elif isinstance(node, dict):
        if node["type"] in {"record", "enum"}:
            yield node
        yield from definitions([node["type"], node.get("items"), node.get("values")])
        yield from definitions([field["type"] for field in node.get("fields", ())])


def fields(record: dict[str, Any]) -> str:
    """A record's fields as a table."""
    rows = [(code(f["name"]), kind(f["type"]), note(f)) for f in record["fields"]]
    return table(["field", "type", "meaning"], rows) if rows else "No fields.\n"


def note(field: dict[str, Any]) -> str:
    """A field's text, with its default where it has one."""
    default = f" Default: `{json.dumps(field['default'])}`." if "default" in field else ""
    return str(field.get("doc", "")) + default


def symbols(enum: dict[str, Any]) -> str:
    """An enum's symbols in one line."""
    return ", ".join(map(code, enum["symbols"])) + f". Default: `{enum.get('default')}`.\n"


def kind(node: Any) -> str:  # noqa: ANN401 - a schema is any JSON
    """A type in one cell."""
    if isinstance(node, list):
        names = [kind(each) for each in node if each != "null"]
        return " or ".join(names) + (", or null" if "null" in node else "")
    if isinstance(node, str):
        return node.rpartition(".")[2]
    match node["type"]:
        case "array":
            return f"list of {kind(node['items'])}"
        case "map":
            return f"map of {kind(node['values'])}"
        case "fixed":
            return f"{node['size']} bytes"
        case _:
            return str(node.get("name", node["type"]))
