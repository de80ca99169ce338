"""Noli's own records as the history checker reads them (tests/support/checker).

Only the contract is used, the bytes and their schemas: what a record means is the checker's affair.
Contacts are named by their tokens, in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from schemas.codec import HEADER, MAGIC, Codec, UnreadableError, leading_long
from schemas.names import BEACON_KEY, CLAIM_KEY
from tests.support.checker import Decided, Fact, Kind, Logged, Pair, fact_of

#: Bytes of a contact token: what a key must have to name somebody.
_TOKEN: Final = 17
#: Reasons that only a denial of the person, or of an unreadable record, gives.
_OBJECTED: Final = frozenset({"OBJECTED", "WITHDRAWN", "ERASED", "QUARANTINED"})
_REACH: Final = {
    "email": frozenset({"email"}),
    "phone": frozenset(["sms", "mms", "messaging", "fax", "automated_call", "operator_call"]),
    "postal": frozenset({"post"}),
}
_TYPES: Final = {
    "ObjectionRaised": "objection.raised",
    "ConsentWithdrawn": "consent.withdrawn",
    "ErasureRequested": "erasure.requested",
    "ConsentGiven": "consent.given",
    "SoftOptInRecorded": "soft_opt_in.recorded",
    "InterestRecorded": "interest.recorded",
    "ContactCollected": "contact.collected",
    "DirectoryStatus": "directory.status",
    "PartyLinked": "party.linked",
}

#: (controller, kind, value) → token: how a link's contact is named.
Naming = Callable[[str, str, str], bytes]


class Raw(NamedTuple):
    """A record as it stands in the log; `at` is the log's own time, ms."""

    topic: str
    partition: int
    offset: int
    at: int
    key: bytes | None
    value: bytes | None


def logged(codec: Codec, records: Iterable[Raw], naming: Naming) -> list[Logged]:
    """Records of the input lanes; a chunk gives one for each intent in it."""
    return [
        Logged(raw.topic, raw.partition, raw.offset, raw.at, fact)
        for raw in records
        for fact in _facts(codec, raw, naming)
    ]


def decided(codec: Codec, records: Iterable[Raw], brands: Iterable[str] = ()) -> list[Decided]:
    """Claims and decisions; beacons are left out. `brands`: those anybody may be asked about."""
    found = []
    for raw in records:
        if raw.key in {None, BEACON_KEY} or raw.value is None:
            continue
        place = (raw.partition, raw.offset, raw.at)
        if raw.key == CLAIM_KEY:
            found.append(Decided(*place, leading_long(raw.value)))
            continue
        datum = codec.decode(raw.value)[1]
        rows = datum["rows"]
        found.append(
            Decided(
                *place, datum["epoch"], (raw.key or b"").hex(), datum["version"],
                allowed(rows, brands), objected(rows), _cause(datum),
            )
        )  # fmt: skip
    return found


def _cause(datum: Mapping[str, Any]) -> int | None:
    """Acceptance of the fact behind a decision; one that no fact caused bears its own moment."""
    return None if datum["accepted"] == datum["decided"] else int(datum["accepted"])


def allowed(rows: Iterable[Mapping[str, Any]], brands: Iterable[str] = ()) -> frozenset[Pair]:
    """The pairs that rows of a decision, or verdicts of a webhook, allow.

    A brand without rows of its own is answered by the rows of the empty brand, else by those of
    `*`; a row's channels and purposes are lists, a verdict's are one each.
    """
    answers: dict[tuple[str, str], dict[str, bool]] = {}
    for row in rows:
        for pair in _pairs(row):
            answers.setdefault(pair, {})[row["brand"]] = row["allowed"]
    return frozenset(
        (*pair, brand)
        for pair, by_brand in answers.items()
        for brand in {*by_brand, *brands}
        if by_brand.get(brand, by_brand.get("", by_brand.get("*", False)))
    )


def objected(rows: Iterable[Mapping[str, Any]]) -> frozenset[Pair]:
    """The pairs denied for an objection, a withdrawal, an erasure or an unreadable record."""
    return frozenset(
        (*pair, row["brand"])
        for row in rows
        if not row["allowed"] and _OBJECTED & set(row["reasons"])
        for pair in _pairs(row)
    )


def _pairs(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    channels = row["channels"] if "channels" in row else [row["channel"]]
    purposes = row["purposes"] if "purposes" in row else [row["purpose"]]
    return [(channel, purpose) for channel in channels for purpose in purposes]


def _facts(codec: Codec, raw: Raw, naming: Naming) -> list[Fact]:
    try:
        return _read(codec, raw, naming)
    except (UnreadableError, ValueError, KeyError):
        place = f"unreadable:{raw.topic}:{raw.partition}:{raw.offset}"
        key = raw.key or b""
        contact = key.hex() if len(key) == _TOKEN else None
        return [Fact(place, Kind.UNREADABLE, raw.at, raw.at, contact)]


def _read(codec: Codec, raw: Raw, naming: Naming) -> list[Fact]:
    name, datum = codec.decode(raw.value)
    if name == "noli.BulkChunk":
        header = HEADER.pack(MAGIC, datum["schema_id"])
        items = [(item["key"], header + item["value"]) for item in datum["items"]]
        return [_fact(codec.decode(value)[1], key, naming) for key, value in items]
    if name != "noli.Intent":
        raise UnreadableError(f"{name} is not an intent")
    return [_fact(datum, raw.key, naming)]


def _fact(datum: Mapping[str, Any], key: bytes | None, naming: Naming) -> Fact:
    name, event = datum["event"]
    short = name.removeprefix("noli.")
    evidence = {
        "ref": datum["evidence_ref"],
        **{field: event.get(field) for field in _FORM if field in event},
    }
    said = {
        "source": datum["source"],
        "id": datum["id"],
        "type": f"noli.{_TYPES.get(short, short)}.v1",
        "data": {**datum, **event, "evidence": evidence},
    }
    contact = datum["contact"]
    if len(key or b"") == _TOKEN:
        who = (key or b"").hex()
    else:
        who = contact and naming(datum["controller"], contact["kind"], contact["value"]).hex()
    fact = fact_of(said, datum["time"], datum["accepted"], who)
    return fact._replace(reach=_REACH[contact["kind"]]) if contact else fact


_FORM: Final = ("box_purposes", "preticked", "required_for_contract")
