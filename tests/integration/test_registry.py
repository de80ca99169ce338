"""The registry holds every contract to FULL_TRANSITIVE; old readers read what is written newer."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import httpx2
import pytest

from noli.runtime import registry, subjects
from schemas.codec import HEADER, RECORDS, schema_text
from tests.contract.samples import samples
from tests.support.stack import Stack

Schema = dict[str, Any]
#: A record that nothing in the session's stack writes: a newer version of it disturbs nobody.
SPARE = "noli.BulkChunk"


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx2.Client]:
    """The session's registry, every contract registered and protected."""
    with subjects.connected(stack.registry) as connected:
        subjects.apply(connected, subjects.plan(connected))
        yield connected


def with_default(schema: Schema) -> None:
    """A new field that old writers need not know."""
    schema["fields"].append({"name": "added", "type": ["null", "string"], "default": None})


def without_default(schema: Schema) -> None:
    """A new field that old records cannot fill."""
    schema["fields"].append({"name": "added", "type": "string"})


def field_removed(schema: Schema) -> None:
    """A field that old readers still need."""
    schema["fields"] = [field for field in schema["fields"] if "default" in field]


def field_retyped(schema: Schema) -> None:
    """A field whose bytes mean something else."""
    schema["fields"][0] = {"name": schema["fields"][0]["name"], "type": "boolean"}


def compatible(client: httpx2.Client, record: str, change: Callable[[Schema], None]) -> bool:
    """What the registry says to a changed contract."""
    changed = json.loads(schema_text(record))
    change(changed)
    answer = client.post(
        f"/compatibility/subjects/{record}/versions", json={"schema": json.dumps(changed)}
    )
    return bool(answer.raise_for_status().json()["is_compatible"])


@pytest.mark.parametrize("record", sorted(RECORDS))
def test_a_contract_may_grow_and_may_not_break(client: httpx2.Client, record: str) -> None:
    """A field with a default is taken; one without, a lost one and a retyped one are refused."""
    assert compatible(client, record, with_default)
    assert not compatible(client, record, without_default)
    assert not compatible(client, record, field_removed)
    assert not compatible(client, record, field_retyped)


@pytest.mark.parametrize("record", ["noli.Decision", "noli.Intent", "noli.Receipt"])
def test_an_enum_may_grow(client: httpx2.Client, record: str) -> None:
    """A new symbol is taken in both directions: its old readers fall back to `unknown`."""

    def widen(schema: Schema) -> None:
        assert widened(schema)

    assert compatible(client, record, widen)


def widened(node: Any) -> bool:  # noqa: ANN401 - an Avro schema is any JSON
    """Add a symbol to every enum; whether there was one."""
    if isinstance(node, dict):
        if node.get("type") == "enum":
            node["symbols"].append("brand_new")
            return True
        return sum(map(widened, node.values())) > 0
    return isinstance(node, list) and sum(map(widened, node)) > 0


def test_an_old_reader_reads_what_a_newer_one_wrote(
    client: httpx2.Client, stack: Stack, tmp_path: Path
) -> None:
    """A record of a version this build does not have is looked up, resolved and decoded."""
    newer = json.loads(schema_text(SPARE))
    with_default(newer)
    body = {"schema": json.dumps(newer)}
    answer = client.post(f"/subjects/{SPARE}/versions", json=body).raise_for_status().json()
    out = io.BytesIO()
    sample = samples(json.loads(schema_text(SPARE)))[0]
    written = copy.deepcopy(sample) | {"added": "from the future"}
    fastavro.schemaless_writer(out, fastavro.parse_schema(newer), written)
    codec = registry.codec(stack.settings(data=tmp_path))
    name, value = codec.decode(HEADER.pack(0, answer["id"]) + out.getvalue())
    assert (name, value) == (SPARE, sample)
