"""EVIDENCE (001, 002, 004): all that the log holds about one contact, each fact with its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from noli import wire
from noli.domain.facts import Fact, Quarantined, SourceRevoked
from noli.runtime import chunks, scan
from noli.runtime.part import Record
from noli.runtime.partition import partition_of
from noli.runtime.settings import Settings
from schemas.codec import Codec
from schemas.names import BULK, CONTROL, GRANTS, OBJECTIONS

#: Where facts of a contact stand, by its token, alone or in chunks.
LANES: Final = (OBJECTIONS, GRANTS, BULK)


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact as it stands in the log; `place` is `topic:partition:offset`.

    `known` (ms) is when it began to count for the contact: its acceptance, or for a fact of the
    person behind it the moment it reached this contact, which may be later: at the link.
    """

    fact: Fact
    place: str
    known: int

    @property
    def revokes(self) -> bool:
        """Whether it takes back a source, for whoever rests on it."""
        return isinstance(self.fact.detail, SourceRevoked)

    @property
    def unreadable(self) -> bool:
        """Whether the record could not be read: quarantined, and the contact denied."""
        return isinstance(self.fact.detail, Quarantined)


@dataclass(frozen=True, slots=True)
class History:
    """`entries` in the order in which they counted, each fact once; `revoked`: of all sources.

    `unread` are the places of control records and chunks that could not be read.
    """

    entries: tuple[Entry, ...] = ()
    revoked: tuple[Entry, ...] = ()
    unread: tuple[str, ...] = ()

    def revocations(self, controller: str) -> tuple[Entry, ...]:
        """Of the sources of a controller that any of the contact's facts rests on."""
        sources = {entry.fact.source_id for entry in self.entries}
        return tuple(
            entry
            for entry in self.revoked
            if entry.fact.controller == controller and entry.fact.source_id in sources
        )


def read(settings: Settings, codec: Codec, key: bytes, progress: scan.Progress) -> History:
    """The history of the contact behind a token. Raises `scan.LogUnavailable`."""
    topics = (*LANES, CONTROL)
    counts = scan.partitions(settings, topics)
    number = partition_of(key, counts[LANES[0]])
    places = dict.fromkeys(topics, number)
    return collect(scan.records(settings, places, progress), codec, key)


def collect(records: Iterable[Record], codec: Codec, key: bytes) -> History:
    """The history in records of a partition, read in any order of the topics."""
    entries: dict[bytes, Entry] = {}
    revoked: dict[bytes, Entry] = {}
    unread: list[str] = []
    for record in records:
        if record.topic == CONTROL:
            entry = _revocation(record, codec)
            if entry is None:
                unread.append(record.place)
            else:
                _keep_earliest(revoked, entry)
        elif record.topic == BULK:
            for item in _chunk(record, codec, unread):
                if item.key == key:
                    _keep_earliest(entries, _entry(item, codec))
        elif record.key == key:
            _keep_earliest(entries, _entry(record, codec))
    return History(_ordered(entries), _ordered(revoked), tuple(unread))


def _entry(record: Record, codec: Codec) -> Entry:
    """The fact of a record; one that denies everything where it cannot be read."""
    try:
        fact = wire.read_contact_intent(codec, record.value)
    except wire.UNREADABLE as error:
        fact = wire.unreadable_fact(record.place, record.at, error)
    known = fact.accepted if fact.party is None else max(fact.accepted, record.at)
    return Entry(fact, record.place, known)


def _chunk(record: Record, codec: Codec, unread: list[str]) -> list[Record]:
    """The intents of a load; none of a chunk that cannot be read: it denied nobody."""
    try:
        return chunks.unpacked(record, codec)
    except wire.UNREADABLE:
        unread.append(record.place)
        return []


def _revocation(record: Record, codec: Codec) -> Entry | None:
    try:
        fact = wire.read_intent(codec, record.value)
    except wire.UNREADABLE:
        return None
    if not isinstance(fact.detail, SourceRevoked) or not fact.source_id:
        return None
    return Entry(fact, record.place, fact.accepted)


def _keep_earliest(found: dict[bytes, Entry], entry: Entry) -> None:
    """Of the same post taken twice, the earlier one counts."""
    known = found.get(entry.fact.fact_id)
    if known is None or entry.known < known.known:
        found[entry.fact.fact_id] = entry


def _ordered(found: dict[bytes, Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(found.values(), key=lambda entry: (entry.known, entry.place)))
