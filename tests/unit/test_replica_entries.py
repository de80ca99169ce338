"""From a decision's bytes to an entry and back to its rows: nothing lost, nothing invented."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noli.domain.channel import CHANNELS, PURPOSES, Kind
from noli.domain.reason import Reason
from noli.domain.token import SIZE, token
from noli.domain.verdict import OTHER_BRANDS, Query, Row, answer_from
from noli.replica import raw
from noli.replica.encoding import (
    Damaged,
    Entry,
    pack,
    pack_stamp,
    pack_untils,
    seal,
    unpack,
    unseal,
)
from noli.replica.intern import Interner
from noli.replica.shape import Shape, take_apart
from schemas.codec import UnreadableError
from tests.support.copies import ALICE, CODEC, CONTROLLER, NOW, PEPPER, decision, denial, row

TOKEN = token(PEPPER, CONTROLLER, ALICE)

#: Long to decode, short, and before 1970: everything a long may be.
TIMES = st.integers(NOW - 10**10, NOW + 10**12) | st.integers(0, 10**6) | st.integers(-(10**12), -1)
WORDS = st.sampled_from(["", "*", "a", "caffè ☕", "\x02ÿÿÿÿÿ\x01", "x" * 90])
REASONS = st.lists(st.sampled_from(list(map(str, Reason))), max_size=3)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row that the contract can carry."""
    allowed = draw(st.booleans())
    products = [] if allowed else draw(st.lists(st.sampled_from(["shoes", "hats"]), max_size=2))
    return {
        "channels": draw(st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=9, unique=True)),
        "purposes": draw(st.lists(st.sampled_from(PURPOSES), min_size=1, max_size=4, unique=True)),
        "brand": draw(st.sampled_from(["*", OTHER_BRANDS, "a", "caffè ☕"])),
        "allowed": allowed,
        "basis": draw(st.sampled_from(["consent", "legitimate_interest"])) if allowed else None,
        "reasons": [] if allowed else draw(REASONS.filter(bool)),
        "conditions": draw(st.lists(WORDS, max_size=2)),
        "products": products,
        "until": draw(st.none() | TIMES),
        "lapse": draw(REASONS),
    }


@st.composite
def decisions(draw: st.DrawFn) -> dict[str, Any]:
    """A decision with every field of any length."""
    contact = st.fixed_dictionaries({"kind": st.sampled_from(["phone", "email"]), "value": WORDS})
    return {
        **decision(draw(st.lists(rows(), max_size=4))),
        "epoch": draw(st.integers(0, 2**53)),
        "version": draw(st.integers(0, 2**53)),
        "controller": draw(WORDS),
        "contact": draw(st.none() | contact),
        "next_change": draw(st.none() | TIMES),
    }


def law(record: dict[str, Any], query: Query, at: int) -> tuple[object, ...]:
    """What the law answers from a decision's rows as they came."""
    found = [
        Row(
            **{
                **each,
                "channels": tuple(each["channels"]),
                "purposes": tuple(each["purposes"]),
                "reasons": tuple(each["reasons"]),
                "conditions": tuple(each["conditions"]),
                "products": tuple(each["products"]),
                "lapse": tuple(each["lapse"]),
            }
        )
        for each in record["rows"]
    ]
    verdict = answer_from(found, Kind.PHONE, query, at)
    return (
        verdict.allowed,
        verdict.basis,
        tuple(map(str, verdict.reasons)),
        verdict.conditions,
        verdict.until,
    )


def copied(interner: Interner, value: bytes, query: Query, at: int) -> tuple[object, ...]:
    """What the copy answers from the entry it keeps of a decision."""
    stored = interner.entry(TOKEN, value, interner.opening(value))
    _, shapes = interner.unsaved()
    shape = Shape(shapes[int.from_bytes(stored[4:8], "big")])
    entry = unpack(TOKEN, stored, shape.times)
    ruling = shape.ruling(Kind.PHONE, query.channel, query.purpose, query.brand, query.product)
    until = None if ruling.until is None else entry.untils[ruling.until]
    verdict = ruling.now if until is None or at <= until else ruling.then
    return (
        verdict.allowed,
        verdict.basis,
        tuple(map(str, verdict.reasons)),
        verdict.conditions,
        until if verdict.until is not None else None,
    )


@given(record=decisions(), other=decisions(), data=st.data())
def test_an_entry_answers_exactly_as_the_decisions_rows(
    record: dict[str, Any], other: dict[str, Any], data: st.DataObject
) -> None:
    """For any rows and any question: decoded in full, and recognised by its bytes alone."""
    interner = Interner(CODEC, [])
    value, another = CODEC.encode("noli.Decision", record), CODEC.encode("noli.Decision", other)
    query = Query(
        data.draw(st.sampled_from(CHANNELS)),
        data.draw(st.sampled_from(PURPOSES)),
        data.draw(st.sampled_from([None, "*", "", "a", "caffè ☕", "nobody's"])),
        data.draw(st.sampled_from([None, "shoes", "hats", "boats"])),
    )
    times = [each["until"] for each in record["rows"] if each["until"] is not None]
    at = data.draw(st.sampled_from([*times, *(t + 1 for t in times), NOW]).filter(lambda t: t >= 0))
    expected = law(clamped(record), query, at)
    assert copied(interner, value, query, at) == expected
    copied(interner, another, query, at)
    assert copied(interner, value, query, at) == expected


def clamped(record: dict[str, Any]) -> dict[str, Any]:
    """The decision as stored: a time before 1970 is one that has passed."""
    moved = [
        {**each, "until": None if each["until"] is None else max(0, each["until"])}
        for each in record["rows"]
    ]
    return {**record, "rows": moved}


@given(record=decisions(), later=st.lists(TIMES.filter(lambda t: t >= 0), min_size=4, max_size=4))
def test_the_same_rows_at_other_times_share_a_shape(
    record: dict[str, Any], later: list[int]
) -> None:
    """A decision that differs in its times only is the same shape, with its own times."""
    interner = Interner(CODEC, [])
    record = clamped(record)
    times = sorted({each["until"] for each in record["rows"] if each["until"] is not None})
    moved = dict(zip(times, sorted(set(later))[: len(times)], strict=False))
    if len(moved) < len(times):
        moved = {time: time + 1 for time in times}
    again = {
        **record,
        "rows": [{**r, "until": moved.get(r["until"], r["until"])} for r in record["rows"]],
    }
    entries = []
    for each in (record, again):
        value = CODEC.encode("noli.Decision", each)
        stored = interner.entry(TOKEN, value, interner.opening(value))
        shaped = take_apart(each["rows"])
        entries.append(unpack(TOKEN, stored, len(shaped.untils)))
        assert entries[-1].untils == shaped.untils
        assert (entries[-1].epoch, entries[-1].version) == (each["epoch"], each["version"])
    assert entries[0].shape == entries[1].shape


@given(record=decisions(), cut=st.integers(0, 400))
def test_a_decision_cut_short_is_unreadable_or_unchanged(record: dict[str, Any], cut: int) -> None:
    """The fast path never makes sense of half a record, even of rows it has seen before."""
    interner = Interner(CODEC, [])
    value = CODEC.encode("noli.Decision", record)
    interner.entry(TOKEN, value, interner.opening(value))
    half = value[: max(0, len(value) - 1 - cut)]
    with pytest.raises(UnreadableError):
        interner.entry(TOKEN, half, interner.opening(half))


def test_a_record_seen_before_is_not_decoded_again() -> None:
    """Two contacts of a register: one decode, two entries of one shape."""
    decodes: list[bytes] = []

    class Counting:
        encode: Callable[..., bytes] = staticmethod(CODEC.encode)

        @staticmethod
        def decode(data: bytes) -> tuple[str, dict[str, Any]]:
            decodes.append(data)
            return CODEC.decode(data)

    interner = Interner(Counting(), [])  # type: ignore[arg-type] # a codec that counts
    listed = [denial("REGISTERED", until=NOW), denial("NO_BASIS", channels=["sms"], until=NOW + 5)]
    for version in range(1, 50):
        moved = [{**each, "until": each["until"] + version} for each in listed]
        value = CODEC.encode("noli.Decision", decision(moved, version=version))
        stored = interner.entry(TOKEN, value, interner.opening(value))
        assert unpack(TOKEN, stored, 2) == Entry(1, (NOW + version, NOW + 5 + version), 1, version)
    assert len(decodes) == 1


def test_the_fast_path_is_for_the_released_schema_only() -> None:
    """A record with another schema id, or of another type, goes to the codec."""
    interner = Interner(CODEC, [])
    value = CODEC.encode("noli.Decision", decision([row()]))
    assert interner.opening(value) == value[:6]
    assert interner.opening(b"\x00\x00\x00\x09\x99" + value[5:]) == b""
    beacon = CODEC.encode("noli.Beacon", {"epoch": 1, "as_of": NOW})
    assert interner.opening(beacon) == b""
    assert interner.opening(value[:5] + b"\xff" * 12) == b""
    with pytest.raises(UnreadableError):
        interner.entry(TOKEN, beacon, b"")


def test_raw_gives_up_rather_than_guess() -> None:
    """A negative or long length, an unknown union branch, an end too soon: `Unsure`."""
    value = CODEC.encode("noli.Decision", decision([row()]))
    start = raw.stamp_end(value)
    assert start == 7  # header 5, epoch 1, version 1: the controller's length
    assert raw.rows_at(value, start) < len(value)
    branch = start + 1 + len(CONTROLLER)
    for at, bad in ((start, (0x01, 0x80, 0xFF, 0xFE)), (branch, (0x04, 0x01, 0x80))):
        for byte in bad:
            with pytest.raises(raw.Unsure):
                raw.rows_at(value[:at] + bytes([byte]) + value[at + 1 :], start)
    for end in range(5):
        with pytest.raises(raw.Unsure):
            raw.stamp_end(value[: 5 + end - 4])
    for end in range(start, branch + 10):
        with pytest.raises(raw.Unsure):
            raw.rows_at(value[:end], start)


def test_an_unknown_symbol_denies_everywhere_and_allows_nowhere() -> None:
    """Of a newer writer: a denial for an unknown channel is one for all, an allowance for none."""
    newer = [row(channels=["unknown", "sms"]), row(channels=["mms"], basis="unknown")]
    shape = Shape(take_apart(newer).shape)
    assert _allowed(shape, "sms")
    assert not _allowed(shape, "mms")
    assert not _allowed(shape, "operator_call")
    for doubtful in (
        denial("OBJECTED", channels=["unknown"], brand="a"),
        denial("OBJECTED", purposes=["unknown"]),
        denial("PRODUCT_REQUIRED", channels=["unknown"], products=["shoes"]),
    ):
        shape = Shape(take_apart([*newer, doubtful]).shape)
        assert not _allowed(shape, "sms")
        assert not _allowed(shape, "sms", product="shoes")


def _allowed(shape: Shape, channel: str, product: str | None = None) -> bool:
    symbol = {each.value: each for each in CHANNELS}[channel]
    return shape.ruling(Kind.PHONE, symbol, PURPOSES[0], None, product).now.allowed


def test_an_unreadable_decision_is_superseded_by_the_next() -> None:
    """It replaces whatever stood; any decision of its epoch or a later one replaces it."""
    interner = Interner(CODEC, [])
    good = CODEC.encode("noli.Decision", decision([row()], version=7, epoch=3))
    entry = interner.entry(TOKEN, good, interner.opening(good))
    doubt = interner.unreadable(TOKEN, 3)
    assert interner.supersedes(doubt, entry)
    assert interner.supersedes(entry, doubt)
    assert interner.is_unreadable(doubt)
    assert not interner.is_unreadable(entry)


@pytest.mark.parametrize(
    "epoch, version, wins",
    [(1, 7, False), (3, 6, False), (3, 7, False), (3, 8, True), (4, 1, True)],
)
def test_a_contact_never_regresses_within_an_epoch(epoch: int, version: int, wins: bool) -> None:
    """Of two entries the one of the later epoch stands, then the one of the higher version."""
    interner = Interner(CODEC, [])
    standing = _entry(interner, 3, 7)
    assert interner.supersedes(_entry(interner, epoch, version), standing) is wins


def _entry(interner: Interner, epoch: int, version: int) -> bytes:
    value = CODEC.encode("noli.Decision", decision([row()], version=version, epoch=epoch))
    return interner.entry(TOKEN, value, interner.opening(value))


def test_a_damaged_entry_is_replaced_by_what_the_log_says() -> None:
    """Bytes that name no shape cannot hold a decision off."""
    interner = Interner(CODEC, [])
    assert interner.supersedes(_entry(interner, 1, 1), b"")
    assert interner.supersedes(_entry(interner, 1, 1), b"\xff" * 12)


@given(
    shape=st.integers(0, 2**32 - 1),
    untils=st.lists(st.integers(0, 2**48 - 1), max_size=5).map(tuple),
    epoch=st.integers(-(2**62), 2**62),
    version=st.integers(-(2**62), 2**62),
    flip=st.integers(0, 10**6),
)
def test_an_entry_comes_back_or_is_damaged(
    shape: int, untils: tuple[int, ...], epoch: int, version: int, flip: int
) -> None:
    """Packed and unpacked it is the same; with any one bit changed it is refused."""
    stored = pack(TOKEN, shape, pack_untils(untils), pack_stamp(epoch, version))
    assert unpack(TOKEN, stored, len(untils)) == Entry(shape, untils, epoch, version)
    bit = flip % (8 * len(stored))
    changed = bytearray(stored)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Damaged):
        unpack(TOKEN, bytes(changed), len(untils))
    with pytest.raises(Damaged):
        unpack(bytes(SIZE), stored, len(untils))


@given(st.binary().filter(lambda value: value != bytes(4)))  # that is a sealed nothing
def test_bytes_that_nobody_wrote_are_damaged(value: bytes) -> None:
    """Reading rubbish ends in `Damaged` and nothing else."""
    with pytest.raises(Damaged):
        unpack(TOKEN, value, 3)
    with pytest.raises(Damaged):
        unseal(value)
    assert unseal(seal(value)) == value


def test_a_stamp_is_what_avro_writes() -> None:
    """Epoch and version are packed as the codec packs them, so a record's own can be copied."""
    record = decision([], version=1_795_510_800_000_123, epoch=77)
    value = CODEC.encode("noli.Decision", record)
    assert io.BytesIO(value[5:]).read(10) == pack_stamp(77, record["version"])[:10]


def test_a_stored_shape_that_is_not_rows_is_damaged() -> None:
    """JSON of another form cannot be answered from."""
    for stored in (b"", b"{}", b"[[1]]"):
        with pytest.raises(Damaged):
            Shape(stored)


def test_a_register_contact_takes_few_bytes() -> None:
    """Token, LMDB's node and value: 27 bytes and at most 25 more, half of what is allowed."""
    interner = Interner(CODEC, [])
    value = CODEC.encode(
        "noli.Decision",
        decision(
            [denial("REGISTERED")], version=1_795_510_800_000_000, epoch=1_795_510_800_000_000
        ),
    )
    assert len(interner.entry(TOKEN, value, interner.opening(value))) <= 25
