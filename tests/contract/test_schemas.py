"""Contracts last: released ones are never edited, their bytes stay readable, doubts read as no."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from schemas.codec import HEADER, RECORDS, Codec, topic_catalogue
from tests.contract import released as releases
from tests.contract.released import contracts, plain, released, schema

#: Ids our own schemas get here; golden bytes carry an id above, so they are read as a writer's
#: schema that this build meets for the first time.
IDS: Final = {name: number for number, name in enumerate(RECORDS, start=1)}
FOREIGN_ID: Final = 1_000

unreleased = pytest.mark.skipif(
    not released(),
    reason="nothing is released yet: `make schemas-release` once the schemas are final",
)


def enums(node: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - an Avro schema is any JSON
    """Every enum anywhere in a schema."""
    if isinstance(node, dict):
        if node.get("type") == "enum":
            yield node
        for value in node.values():
            yield from enums(value)
    elif isinstance(node, list):
        for value in node:
            yield from enums(value)


@unreleased
def test_no_released_contract_was_edited() -> None:
    """Every released file is there, with the meaning it was released with."""
    edited = [stem for stem, known in released().items() if releases.digest(stem) != known]
    assert edited == [], releases.EDITED.format(", ".join(edited))


@unreleased
def test_every_contract_is_released() -> None:
    """A new contract is locked, with golden bytes, before it ships."""
    assert contracts() == sorted(released()), "run `make schemas-release`"
    assert sorted(path.stem for path in releases.GOLDEN.glob("*.tsv")) == contracts()


@pytest.mark.parametrize("stem", sorted(released()))
def test_golden_bytes_stay_decodable(stem: str) -> None:
    """Bytes written at release decode today, through a reader that knows newer schemas too."""
    writer = (releases.AVRO / f"{stem}.avsc").read_text("utf-8")
    codec = Codec(IDS, {FOREIGN_ID: writer}.__getitem__)
    name = f"{schema(stem)['namespace']}.{schema(stem)['name']}"
    for body, expected in releases.golden(stem):
        record, value = codec.decode(HEADER.pack(0, FOREIGN_ID) + body)
        assert record == name
        assert contains(plain(value), expected)


def contains(value: Any, expected: Any) -> bool:  # noqa: ANN401 - two JSON values
    """Whether `value` says all that `expected` says; a newer reader may add fields."""
    if isinstance(expected, dict):
        return isinstance(value, dict) and all(
            key in value and contains(value[key], each) for key, each in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(value, list)
            and len(value) == len(expected)
            and all(map(contains, value, expected))
        )
    return bool(value == expected)


@pytest.mark.parametrize("stem", contracts())
def test_every_enum_falls_back_to_the_most_restrictive_symbol(stem: str) -> None:
    """An old reader takes a symbol it does not know for `unknown`, which is read as a no."""
    found = {enum["name"]: enum.get("default", "").lower() for enum in enums(schema(stem))}
    assert found == dict.fromkeys(found, "unknown")


def test_an_enum_has_the_same_symbols_everywhere() -> None:
    """Contracts that are written today and use one word mean the same set by it."""
    symbols: dict[str, set[str]] = {}
    for stem in RECORDS.values():
        for enum in enums(schema(stem)):
            symbols.setdefault(enum["name"], set()).add(json.dumps(enum["symbols"]))
    assert [name for name, variants in symbols.items() if len(variants) > 1] == []


def test_every_record_has_its_contract_and_its_topic() -> None:
    """RECORDS, the files and the catalogue name the same records, each under its full name."""
    named = {name: schema(stem) for name, stem in RECORDS.items()}
    assert {f"{each['namespace']}.{each['name']}" for each in named.values()} == set(RECORDS)
    used = {record for topic in topic_catalogue()["topics"].values() for record in topic["records"]}
    assert used <= set(RECORDS)


def test_every_topic_tells_its_class_of_personal_data() -> None:
    """Each topic of the catalogue has an owner, a text and a known PII class."""
    topics = topic_catalogue()["topics"].values()
    assert {topic["pii"] for topic in topics} <= {"none", "pseudonymous", "personal"}
    assert all(topic["owner"] and topic["doc"] and topic["key"] for topic in topics)
