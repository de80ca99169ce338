"""An older build on what a newer one wrote: it reads what it knows, and every doubt denies."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Final, cast

import fastavro
import pytest

from noli import wire
from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.domain.policy import Policy
from noli.domain.state import Basis, Grant, Latest, Mark, State
from noli.runtime.outputs import Outputs
from noli.runtime.part import Part, Record
from noli.runtime.restore import Tail
from noli.runtime.store import PartitionStore
from schemas.codec import HEADER, MAGIC, RECORDS, Codec, schema_text
from schemas.names import OBJECTIONS
from streams.suppress.step import Suppress
from streams.topology import SUPPRESS
from tests.support.law import objection
from tests.support.step import Memory, Sent

KEY: Final = b"\x01" + b"k" * 16
#: A schema id that this build never registered.
NEWER: Final = 4_711
CONSENTED: Final = State(
    "acme", Kind.PHONE, Contact(Kind.PHONE, "+393331234567"),
    grants=(Grant(Basis.CONSENT, 1 << 1, "*", "", "", 0, 1_000, 1_000),),
    marks=(Mark(Latest.CALL_SILENT, "", 5),),
)  # fmt: skip


def newer_schema() -> dict[str, Any]:
    """noli.ContactState as a release to come may have it: a field more, and a mark more."""
    schema: dict[str, Any] = json.loads(schema_text("noli.ContactState"))
    schema["fields"].append({"name": "sentiment", "type": "string", "default": ""})
    (marks,) = [field for field in schema["fields"] if field["name"] == "marks"]
    (what,) = [field for field in marks["type"]["items"]["fields"] if field["name"] == "what"]
    what["type"]["symbols"].append("sworn")
    return schema


def codec() -> Codec:
    """This build's, with a registry that knows the newer schema."""
    ids = {name: number for number, name in enumerate(RECORDS, 1)}
    return Codec(ids, lambda schema_id: json.dumps(newer_schema()) if schema_id == NEWER else "")


def written(epoch: int, *, sworn: bool) -> bytes:
    """The state as the newer build wrote it."""
    record = wire.state_to_record(CONSENTED, epoch, version=7)
    marks = [*record["marks"], *([{"what": "sworn", "key": "", "at": 9}] if sworn else [])]
    out = io.BytesIO(HEADER.pack(MAGIC, NEWER))
    out.seek(HEADER.size)
    fastavro.schemaless_writer(
        out, fastavro.parse_schema(newer_schema()), {**record, "marks": marks, "sentiment": "?"}
    )
    return out.getvalue()


def test_a_restore_takes_what_a_newer_build_wrote(tmp_path: Path) -> None:
    """What a restore looks at stands at the same place in every release."""
    store = PartitionStore(tmp_path / "0", "topic")
    tail = Tail(store, 0, 0)
    tail.take(KEY, written(5, sworn=True), 0)
    tail.flush()
    assert store.get(KEY) == written(5, sworn=True)
    store.close()


@pytest.mark.rule("OBJECT")
@pytest.mark.parametrize("sworn", [False, True])
def test_an_older_build_goes_on_with_it_and_doubts_what_it_does_not_know(sworn: bool) -> None:
    """The consent is known; a mark of unknown meaning denies everything; versions rise."""
    sent, memory = Sent(), Memory()
    memory[KEY] = written(5, sworn=sworn)
    step = Suppress(codec(), Policy())
    part = Part(0, 9, SUPPRESS, cast("PartitionStore", memory), cast("Outputs", sent))
    step.opened(part)
    step.rederive(KEY, part)
    part.send_decisions()
    (decision,) = sent.of(SUPPRESS.decisions)
    reasons = {reason for row in decision["rows"] for reason in row["reasons"]}
    assert ("QUARANTINED" in reasons) is sworn
    assert decision["version"] > 7
    step.process(fact(step), part)
    part.send_decisions()
    last = sent.of(SUPPRESS.decisions)[-1]
    assert not any(row["allowed"] for row in last["rows"] if "marketing" in row["purposes"])
    assert last["version"] > decision["version"]


def fact(step: Suppress) -> Record:
    """An objection of the contact, on its lane."""
    value = step._codec.encode("noli.Intent", wire.fact_to_intent(objection(2_000)))
    return Record(OBJECTIONS, 0, 1, KEY, value, 2_000)
