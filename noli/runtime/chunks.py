"""Chunks: intents of one partition's contacts, packed into one record of noli.bulk."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.codec import HEADER, MAGIC, UnreadableError
from schemas.template import long_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from noli.runtime.part import Record
    from schemas.codec import Codec

_RECORD: Final = "noli.BulkChunk"

#: Intents of a chunk, about 15 ms of a worker: that long an objection waits for the one begun.
ITEMS_MAX: Final = 100
#: Bytes of intents in a chunk, well under the broker's limit of 1 MB for a record.
BYTES_MAX: Final = 200_000


#: Lengths come again and again.
_length: Final = lru_cache(4096)(long_bytes)


class Item(NamedTuple):
    """An intent as the intake would write it: its contact's token, and its wire bytes."""

    key: bytes
    value: bytes


def packed(codec: Codec, job: str, number: int, items: Sequence[Item]) -> bytes:
    """The wire bytes of a chunk. Raises ValueError where the intents are not of one schema."""
    (header,) = {item.value[: HEADER.size] for item in items}
    head = {"job": job, "number": number, "schema_id": HEADER.unpack(header)[1]}
    # Two byte strings an item: laid out here, a third of what the encoder takes.
    return codec.encode_items(
        _RECORD,
        head,
        [
            b"%b%b%b%b"
            % (_length(len(key)), key, _length(len(value) - HEADER.size), value[HEADER.size :])
            for key, value in items
        ],
    )


class Chunk(NamedTuple):
    """A chunk that was read: the header that its intents were cut from, and each without it."""

    record: Record
    header: bytes
    items: Sequence[Item]

    def single(self, number: int) -> Record:
        """An intent as the record that would have carried it alone."""
        key, body = self.items[number]
        return self.record._replace(key=key, value=self.header + body, item=number)


def opened(record: Record, codec: Codec) -> Chunk:
    """The intents of a chunk. Raises `UnreadableError` for a record that is no whole chunk.

    Whether an intent can be read is found by whoever reads it.
    """
    name, datum = codec.decode(record.value)
    if name != _RECORD:
        raise UnreadableError(f"{name} is not a chunk")
    if datum["schema_id"] < 0:
        raise UnreadableError(f"schema id {datum['schema_id']} cannot be")
    header = HEADER.pack(MAGIC, datum["schema_id"])
    return Chunk(record, header, [Item(item["key"], item["value"]) for item in datum["items"]])


def unpacked(record: Record, codec: Codec) -> list[Record]:
    """The intents of a chunk, each as the record that would have carried it alone.

    Raises as `opened` does.
    """
    chunk = opened(record, codec)
    return [chunk.single(number) for number in range(len(chunk.items))]


def divided(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Intents in the order given, in groups that fit a chunk; one too large stands alone."""
    group: list[Item] = []
    size = 0
    for item in items:
        weight = len(item.key) + len(item.value)
        if group and (len(group) == ITEMS_MAX or size + weight > BYTES_MAX):
            yield group
            group, size = [], 0
        group.append(item)
        size += weight
    if group:
        yield group
