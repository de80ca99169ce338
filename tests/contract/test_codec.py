"""The codec: whole records round-trip, everything else is unreadable, never half read."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import HEADER, RECORDS, Codec, UnreadableError, leading_long
from tests.contract.released import plain, schema
from tests.contract.samples import samples

CODEC: Final = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
#: Every sample of every contract, with its record's name.
SAMPLES: Final = [
    (name, sample) for name, stem in sorted(RECORDS.items()) for sample in samples(schema(stem))
]


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_record_survives_the_wire(name: str) -> None:
    """Each branch and symbol of each contract decodes to what was encoded."""
    for sample in (sample for record, sample in SAMPLES if record == name):
        record, value = CODEC.decode(CODEC.encode(name, sample))
        assert record == name
        assert plain(value) == plain(sample)


@given(st.sampled_from(SAMPLES), st.data())
def test_a_cut_record_is_unreadable(sample: tuple[str, Any], data: st.DataObject) -> None:
    """Fewer bytes than were written never decode to anything."""
    whole = CODEC.encode(*sample)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(UnreadableError):
        CODEC.decode(whole[:cut])


@given(st.sampled_from(SAMPLES), st.binary(min_size=1))
def test_a_longer_record_is_unreadable(sample: tuple[str, Any], tail: bytes) -> None:
    """Bytes after the record's end are a fault of the writer, not padding."""
    with pytest.raises(UnreadableError):
        CODEC.decode(CODEC.encode(*sample) + tail)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_unreadable(body: bytes) -> None:
    """No bytes make the codec raise anything but `UnreadableError`."""
    for schema_id in range(len(RECORDS) + 2):
        data = HEADER.pack(0, schema_id) + body
        try:
            name, _ = CODEC.decode(data)
        except UnreadableError:
            continue
        assert name in RECORDS


@pytest.mark.parametrize("data", [None, b"", b"\0\0\0\0", b"\1\0\0\0\1abc", b"\0\0\0\xff\xffabc"])
def test_what_is_not_ours_is_unreadable(data: bytes | None) -> None:
    """No value, no header, another magic byte, an unknown schema: each is unreadable."""
    with pytest.raises(UnreadableError):
        CODEC.decode(data)


@given(st.integers(-(2**63), 2**63 - 1))
def test_the_epoch_is_read_without_the_rest(epoch: int) -> None:
    """`leading_long` reads what a claim, a beacon, a decision and a state begin with."""
    for name, sample in SAMPLES:
        if next(iter(sample)) == "epoch":
            assert leading_long(CODEC.encode(name, {**sample, "epoch": epoch})) == epoch
