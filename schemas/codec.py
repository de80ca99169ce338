"""Bytes ⇄ plain dict: Avro in the Confluent wire format (magic 0, 4-byte schema id, body).

The only module that knows `fastavro`. It imports nothing of ours and does no I/O: schema ids come
from whoever talked to the registry (`noli.runtime.registry`).
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

import fastavro

Datum = dict[str, Any]

MAGIC: Final = 0
HEADER: Final = struct.Struct(">bI")

#: Full name of each contract record and the file that defines it. The registry subject is the
#: full name (RecordNameStrategy), so one topic may carry several record types.
RECORDS: Final[Mapping[str, str]] = {
    "noli.Intent": "intent",
    "noli.ContactState": "contact_state",
    "noli.Revocation": "revocation",
    "noli.PartyEntry": "party_entry",
    "noli.Decision": "decision",
    "noli.Beacon": "beacon",
    "noli.Claim": "claim",
    "noli.Receipt": "receipt.v2",
    "noli.Report": "report",
    "noli.Alignment": "alignment",
    "noli.PartyBeacon": "party_beacon",
    "noli.Quarantine": "quarantine",
    "noli.QuarantineResolved": "quarantine_resolved",
    "noli.Call": "call",
    "noli.Campaign": "campaign",
    "noli.CampaignBeacon": "campaign_beacon",
    "noli.Canary": "canary",
    "noli.BulkChunk": "bulk_chunk",
    "noli.AppAction": "app_action.v2",
    "noli.AppProgress": "app_progress",
}


class UnreadableError(Exception):
    """The bytes are not a record of ours; the caller quarantines them."""


def schema_text(record: str) -> str:
    """The released Avro schema of a record, as JSON text. Raises KeyError for an unknown name."""
    return resources.files("schemas").joinpath("avro", f"{RECORDS[record]}.avsc").read_text("utf-8")


def schema_hash(record: str) -> str:
    """SHA-256 of the schema's canonical JSON, hexadecimal; `released.lock` holds these."""
    canonical = json.dumps(json.loads(schema_text(record)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def topic_catalogue() -> dict[str, Any]:
    """`topics.toml`, parsed: keys `defaults` and `topics`."""
    return tomllib.loads(resources.files("schemas").joinpath("topics.toml").read_text("utf-8"))


@cache
def parsed(record: str) -> Any:  # noqa: ANN401 - fastavro's parsed schema has no type of its own
    """The schema of a record, parsed once."""
    return fastavro.parse_schema(json.loads(schema_text(record)))


@cache
def split(record: str) -> tuple[Any, Any]:
    """The schema of a record without its last field, which is an array, and that of its items."""
    schema = json.loads(schema_text(record))
    items = schema["fields"].pop()["type"]["items"]
    named: dict[str, Any] = {}  # the items may use types named in the head
    head = fastavro.parse_schema(schema, named_schemas=named)
    return head, fastavro.parse_schema({**items, "namespace": "noli"}, named_schemas=named)


_END_OF_ARRAY: Final = b"\x00"


class Codec:
    """Encodes and decodes contract records.

    `ids` maps full record names to the registry's schema ids. `resolve` fetches the text of an id
    that a newer writer used; it may raise, and the error reaches the caller (never a guess).
    """

    def __init__(self, ids: Mapping[str, int], resolve: Callable[[int], str] | None = None) -> None:
        self._headers = {name: HEADER.pack(MAGIC, schema_id) for name, schema_id in ids.items()}
        self._schemas = {name: parsed(name) for name in ids}
        self._writers: dict[int, tuple[str, Any]] = {
            schema_id: (name, parsed(name)) for name, schema_id in ids.items()
        }
        self._resolve = resolve

    def header(self, record: str) -> bytes:
        """What every record of this name that we write begins with."""
        return self._headers[record]

    def encode(self, record: str, datum: Mapping[str, Any]) -> bytes:
        """Wire bytes of `datum`. Raises ValueError/TypeError when it does not fit the schema."""
        out = io.BytesIO()
        out.write(self._headers[record])
        fastavro.schemaless_writer(out, self._schemas[record], datum)
        return out.getvalue()

    def encode_items(self, record: str, head: Mapping[str, Any], items: Sequence[bytes]) -> bytes:
        """Wire bytes of a record whose last field is an array, its items encoded beforehand.

        Avro lays a record out as its fields one after the other and an array as a count, the items
        and a zero, so parts that recur need encoding once (`encode_item`).
        """
        out = io.BytesIO()
        out.write(self._headers[record])
        fastavro.schemaless_writer(out, split(record)[0], head)
        if items:
            fastavro.schemaless_writer(out, "long", len(items))
            out.writelines(items)
        out.write(_END_OF_ARRAY)
        return out.getvalue()

    def encode_item(self, record: str, item: Mapping[str, Any]) -> bytes:
        """One item of the array that is the last field of `record`, without any header."""
        out = io.BytesIO()
        fastavro.schemaless_writer(out, split(record)[1], item)
        return out.getvalue()

    def decode(self, data: bytes | None) -> tuple[str, Datum]:
        """`(record name, datum)`; union branches come as `(name, dict)`.

        Raises `UnreadableError` for anything that is not a whole record of a known type.
        """
        if data is None or len(data) < HEADER.size:
            raise UnreadableError("no value" if data is None else f"{len(data)} bytes, no header")
        magic, schema_id = HEADER.unpack_from(data)
        if magic != MAGIC:
            raise UnreadableError(f"magic byte {magic}, not {MAGIC}")
        name, writer = self._writers.get(schema_id) or self._learn(schema_id)
        body = io.BytesIO(data)
        body.seek(HEADER.size)
        try:
            datum = fastavro.schemaless_reader(
                body,
                writer,
                self._schemas.get(name, writer),
                return_record_name=True,
                return_record_name_override=True,
            )
        except Exception as error:
            raise UnreadableError(f"{name}: {type(error).__name__} in the body") from error
        if body.tell() != len(data):
            raise UnreadableError(f"{name}: {len(data) - body.tell()} bytes after its end")
        return name, datum  # type: ignore[return-value]

    def _learn(self, schema_id: int) -> tuple[str, Any]:
        if self._resolve is None:
            raise UnreadableError(f"schema id {schema_id} is not known")
        text = json.loads(self._resolve(schema_id))
        name = f"{text.get('namespace', '')}.{text.get('name', '')}"
        if name not in self._schemas:
            raise UnreadableError(f"schema id {schema_id} is {name}, not a record of this topic")
        self._writers[schema_id] = (name, fastavro.parse_schema(text))
        return self._writers[schema_id]


class Lead(NamedTuple):
    """What state records begin with: read without decoding the rest."""

    epoch: int
    wake: int
    labels: bytes


def leading_long(data: bytes) -> int:
    """First field of a record whose schema begins with a `long` (the epoch), undecoded else."""
    return read_long(data, HEADER.size)[0]


def version_of(data: bytes) -> int:
    """Second field of a record whose schema begins with two `long`s: epoch, version."""
    _, at = read_long(data, HEADER.size)
    return read_long(data, at)[0]


def pack_lead(epoch: int, wake: int) -> bytes:
    """The `lead` field of a state record."""
    return _LEAD.pack(epoch, wake)


def lead(data: bytes) -> Lead:
    """Epoch, wake and labels of a state record. Raises `UnreadableError`."""
    at = HEADER.size + _LEAD.size
    if len(data) <= at:
        raise UnreadableError(f"{len(data)} bytes, no lead")
    epoch, wake = _LEAD.unpack_from(data, HEADER.size)
    if not data[at]:
        return Lead(epoch, wake, b"")
    size, at = read_long(data, at)
    return Lead(epoch, wake, data[at : at + size])


def indexed(data: bytes) -> tuple[bytes | None, bytes]:
    """Wake as 8 bytes that sort by time (None for never), and labels. As `lead`, but faster."""
    if len(data) <= _LABELS_AT:
        raise UnreadableError(f"{len(data)} bytes, no lead")
    wake = data[_WAKE_AT:_LABELS_AT]
    return None if wake == _NO_WAKE else wake, lead(data).labels if data[_LABELS_AT] else b""


_LEAD: Final = struct.Struct(">qq")
_LABELS_AT: Final = HEADER.size + _LEAD.size
_WAKE_AT: Final = _LABELS_AT - 8
_NO_WAKE: Final = bytes(8)
_VARINT_MORE: Final = 0x80
_VARINT_BITS: Final = 7


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """An Avro long (zigzag, variable length) and the place after it. Raises `UnreadableError`."""
    shift = result = 0
    try:
        while (byte := data[at]) >= _VARINT_MORE:
            result |= (byte & (_VARINT_MORE - 1)) << shift
            shift += _VARINT_BITS
            at += 1
    except IndexError:
        raise UnreadableError("no leading long") from None
    result |= byte << shift
    return (result >> 1) ^ -(result & 1), at + 1
