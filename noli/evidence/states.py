"""Every contact's state as it stands in noli.state, for whoever must look at all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from noli import wire
from noli.domain import token
from noli.domain.state import State
from noli.runtime import scan
from noli.runtime.part import Record
from noli.runtime.settings import Settings
from schemas.codec import Codec, lead, leading_long
from schemas.names import CLAIM_KEY, STATE


class Known(NamedTuple):
    """What stands under a contact's token. A later one of the same token is in place of it."""

    key: bytes
    state: State


def read(settings: Settings, codec: Codec, progress: scan.Progress) -> Iterator[Known]:
    """States of all partitions to their ends. Raises `scan.LogUnavailable`, `UnreadableError`."""
    count = scan.partitions(settings, [STATE])[STATE]
    for number in range(count):

        def passed(done: int, of: int, number: int = number) -> None:
            # In hundredths of a partition: how many records the others hold is not known yet.
            progress(number * 100 + done * 100 // max(of, 1), count * 100)

        yield from collect(scan.records(settings, {STATE: number}, passed), codec)


def collect(records: Iterable[Record], codec: Codec) -> Iterator[Known]:
    """States in the records of one partition; those of a superseded owner are passed over."""
    epoch = 0
    for record in records:
        key, value = record.key, record.value
        if key is None or value is None:
            continue
        if key == CLAIM_KEY:
            epoch = max(epoch, leading_long(value))
        elif len(key) == token.SIZE and lead(value).epoch >= epoch:
            yield Known(key, wire.record_to_state(codec.decode(value)[1])[0])
