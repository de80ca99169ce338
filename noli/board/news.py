"""What the log says that a board shows, decoded: one thread listens, whoever asks is handed it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from noli.board.lags import POINTS, STEP_MS
from noli.runtime.part import Record
from schemas.codec import Codec, UnreadableError
from schemas.names import ALIGNMENT, APPS, CAMPAIGNS, CANARIES, QUARANTINE

TOPICS: Final = (APPS, ALIGNMENT, CANARIES, CAMPAIGNS, QUARANTINE)
#: Of these only the newest record of a key says anything.
_NEWEST: Final = frozenset({ALIGNMENT, CANARIES, CAMPAIGNS})
#: Of alignment younger than this (ms) each is told: a watcher that was replaced may write once more
#: what it knew, and only beside what stood before is that seen (`noli.wire.alignment.newer`).
FRESH_MS: Final = 60_000
#: In place of a record's name: nobody can read it; it takes back what its key said before.
UNREADABLE: Final = "?"
GONE: Final = ""


class News(NamedTuple):
    """A record. `name`: its full name, `UNREADABLE` or `GONE`; only these have no `datum`.

    `at`: the log's timestamp, ms.
    """

    topic: str
    partition: int
    offset: int
    key: str
    at: int
    name: str
    datum: dict[str, Any] | None


def read(records: Iterable[Record], codec: Codec, now: int) -> list[News]:
    """What is worth telling of some records at a moment (ms), in order; only that is decoded.

    Of the alignment of the last minute all, before that one a step of the curve, before that one.
    """
    return [_decoded(record, codec) for record in _told(records, now)]


def _told(records: Iterable[Record], now: int) -> Iterator[Record]:
    found: dict[object, Record] = {}
    for record in records:
        if record.topic not in _NEWEST:
            yield record
            continue
        place = (record.topic, record.key, _step(record, now))
        found.pop(place, None)  # so that the newest stands last
        found[place] = record
    yield from found.values()


def _step(record: Record, now: int) -> tuple[int, int]:
    """Of records of one key in one step only the newest is told."""
    age = now - record.at
    if record.topic != ALIGNMENT or age >= POINTS * STEP_MS:
        return 0, 0
    return record.at // STEP_MS, record.offset if age < FRESH_MS else 0


def _decoded(record: Record, codec: Codec) -> News:
    name, datum = GONE, None
    if record.value is not None:
        try:
            name, datum = codec.decode(record.value)
        except UnreadableError:
            name = UNREADABLE
    key = (record.key or b"").decode("utf-8", "replace")
    return News(record.topic, record.partition, record.offset, key, record.at, name, datum)
