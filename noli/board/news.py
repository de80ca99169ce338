"""What the log says that a board shows, decoded: one thread listens, whoever asks is handed it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from noli.board.lags import STEP_MS
from noli.runtime.part import Record
from schemas.codec import Codec, UnreadableError
from schemas.names import ALIGNMENT, APPS, CAMPAIGNS, CANARIES, QUARANTINE

TOPICS: Final = (APPS, ALIGNMENT, CANARIES, CAMPAIGNS, QUARANTINE)
#: Of these only the newest record of a key says anything.
_NEWEST: Final = frozenset({ALIGNMENT, CANARIES, CAMPAIGNS})
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


def read(records: Iterable[Record], codec: Codec, since: int) -> list[News]:
    """What is worth telling of some records, in order; only that is decoded.

    Alignment is told once a step of its history from `since` (ms) on, before that once.
    """
    return [_decoded(record, codec) for record in _told(records, since)]


def _told(records: Iterable[Record], since: int) -> Iterator[Record]:
    found: dict[object, Record] = {}
    for record in records:
        if record.topic not in _NEWEST:
            yield record
            continue
        step = record.at // STEP_MS if record.topic == ALIGNMENT and record.at >= since else 0
        place = (record.topic, record.key, step)
        found.pop(place, None)  # so that the newest stands last
        found[place] = record
    yield from found.values()


def _decoded(record: Record, codec: Codec) -> News:
    name, datum = GONE, None
    if record.value is not None:
        try:
            name, datum = codec.decode(record.value)
        except UnreadableError:
            name = UNREADABLE
    key = (record.key or b"").decode("utf-8", "replace")
    return News(record.topic, record.partition, record.offset, key, record.at, name, datum)
