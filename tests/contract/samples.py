"""Values of an Avro schema, made without chance: variant n takes the n-th branch or symbol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

#: A value of each primitive type for variant n; the longs cross the varint's byte boundaries.
PRIMITIVES: Final[Mapping[str, Callable[[int], Any]]] = {
    "null": lambda _: None,
    "boolean": lambda n: n % 2 == 1,
    "int": lambda n: n * 1_000,
    "long": lambda n: 1_760_000_000_000 + n * 86_400_000,
    "float": lambda n: n / 4,
    "double": lambda n: n / 8,
    "bytes": lambda n: bytes(range(n % 5)),
    "string": lambda n: f"perché {n}",
}

#: Lengths of arrays and maps go round through 0, 1 and 2.
LENGTHS: Final = 3


def samples(schema: Any) -> list[Any]:  # noqa: ANN401 - an Avro schema is any JSON
    """As many values as the widest union or enum of the schema has branches or symbols."""
    nodes = list(walk(schema))
    named = {node["name"]: node for node in nodes if isinstance(node, dict) and "name" in node}
    variants = max(len(n) if isinstance(n, list) else len(n.get("symbols", "x")) for n in nodes)
    return [value(schema, n, named) for n in range(variants)]


def walk(node: Any) -> Iterator[Any]:  # noqa: ANN401
    """Every union (a list) and every type that is written out (a dict) in a schema."""
    if isinstance(node, list):
        yield node
        for branch in node:
            yield from walk(branch)
    elif isinstance(node, dict):
        yield node
        for inner in (node["type"], node.get("items"), node.get("values")):
            yield from walk(inner)
        for field in node.get("fields", ()):
            yield from walk(field["type"])


def value(node: Any, n: int, named: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Variant n of one type."""
    if isinstance(node, list):
        return branch(node, n, named)
    if isinstance(node, str):
        known = named.get(node.rpartition(".")[2])
        return value(known, n, named) if known else PRIMITIVES[node](n)
    makers: dict[str, Callable[[], Any]] = {
        "record": lambda: {
            field["name"]: value(field["type"], n + i, named)
            for i, field in enumerate(node["fields"])
        },
        "enum": lambda: node["symbols"][n % len(node["symbols"])],
        "fixed": lambda: bytes((n + i) % 256 for i in range(node["size"])),
        "array": lambda: [value(node["items"], n + i, named) for i in range(n % LENGTHS)],
        "map": lambda: {f"k{i}": value(node["values"], n + i, named) for i in range(n % LENGTHS)},
    }
    return makers.get(node["type"], lambda: value(node["type"], n, named))()


def branch(union: list[Any], n: int, named: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Variant n of a union; a record among several is given as `(full name, value)`."""
    chosen = union[n % len(union)]
    made = value(chosen, n, named)
    several = sum(each != "null" for each in union) > 1
    if several and isinstance(made, dict):
        name = chosen if isinstance(chosen, str) else chosen["name"]
        return f"noli.{name.rpartition('.')[2]}", made
    return made
