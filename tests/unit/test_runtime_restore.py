"""Reading a state partition: claims raise the epoch, values of an older owner are passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from noli.runtime.restore import Tail
from noli.runtime.store import DamagedState, Meta, PartitionStore
from schemas.codec import UnreadableError
from schemas.names import CLAIM_KEY
from tests.support.step import CODEC, state_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = b"\x01" + b"k" * 16


def claim(epoch: int) -> bytes:
    """A new owner's first record."""
    return CODEC.encode("noli.Claim", {"epoch": epoch, "owner": "w", "at": 0})


@pytest.fixture
def tail(tmp_path: Path) -> Iterator[Tail]:
    """A tail over an empty store."""
    store = PartitionStore(tmp_path / "0", "topic-1")
    yield Tail(store, 0, 0)
    store.close()


def test_a_late_record_of_a_former_owner_is_passed_over(tail: Tail) -> None:
    """What a paused worker writes after the new claim never becomes state."""
    tail.take(CLAIM_KEY, claim(5), 0)
    tail.take(KEY, state_record(5, mark=1), 1)
    tail.take(CLAIM_KEY, claim(9), 2)
    tail.take(KEY, state_record(5, mark=2), 3)
    tail.flush()
    assert tail.store.get(KEY) == state_record(5, mark=1)
    assert (tail.stale, tail.frontier, tail.epoch) == (1, 4, 9)


def test_what_was_passed_over_last_is_to_be_written_over(tail: Tail) -> None:
    """Not where the owner did so itself; and a copy on disk ends before it until it is done."""
    tail.take(KEY, state_record(5, mark=1), 0)
    tail.take(key(2), state_record(5, mark=1), 1)
    tail.take(CLAIM_KEY, claim(9), 2)
    tail.take(KEY, state_record(5, mark=2), 3)
    tail.take(key(2), state_record(5, mark=2), 4)
    tail.take(key(2), state_record(9, mark=1), 5)
    tail.flush()
    assert tail.late == {KEY: 3}
    assert (tail.store.meta.frontier, tail.frontier) == (3, 6)
    assert tail.store.get(key(2)) == state_record(9, mark=1)


def test_what_nobody_can_read_is_written_over_where_we_know_better(tail: Tail) -> None:
    """Of a contact we know nothing else of, the restore ends: it must not start on less."""
    tail.take(KEY, state_record(5, mark=1), 0)
    tail.take(KEY, b"?", 1)
    assert tail.late == {KEY: 1}
    tail.flush()
    tail.take(KEY, b"?", 2)
    assert tail.late == {KEY: 1}
    with pytest.raises(UnreadableError):
        tail.take(key(2), b"?", 3)


def test_the_newest_record_of_the_owner_counts(tail: Tail) -> None:
    """Later offsets of the same or a newer owner replace earlier ones."""
    tail.take(CLAIM_KEY, claim(5), 0)
    tail.take(KEY, state_record(5, mark=1), 1)
    tail.take(KEY, state_record(6, mark=2), 2)
    tail.flush()
    assert tail.store.get(KEY) == state_record(6, mark=2)


def test_a_tombstone_deletes_nothing(tail: Tail) -> None:
    """Nobody of ours writes tombstones; one that appears is counted, the value stays."""
    tail.take(KEY, state_record(5), 0)
    tail.flush()
    tail.take(KEY, None, 1)
    tail.flush()
    assert tail.store.get(KEY) == state_record(5)
    assert (tail.stale, tail.late) == (1, {KEY: 1})


def test_a_copy_of_another_topic_is_rebuilt(tmp_path: Path) -> None:
    """A store filled from another log is emptied, not trusted."""
    first = PartitionStore(tmp_path / "0", "topic-1")
    first.write([(KEY, state_record(5))], frontier=3, epoch=5)
    first.close()
    again = PartitionStore(tmp_path / "0", "topic-1")
    assert (again.get(KEY), again.meta.frontier, again.meta.epoch) == (state_record(5), 3, 5)
    again.close()
    other = PartitionStore(tmp_path / "0", "topic-2")
    assert (other.get(KEY), other.meta.frontier, other.meta.epoch) == (None, 0, 0)
    other.close()


LABEL = b"L" * 8


def key(number: int) -> bytes:
    """A contact token."""
    return b"\x01" + number.to_bytes(16, "big")


def test_wakes_come_in_the_order_of_time(tail: Tail) -> None:
    """Whatever the order of writing, what is due first is given first, and only what is due."""
    for number, wake in ((1, 3_000), (2, 1_000), (3, 2_000), (4, 9_000)):
        tail.take(key(number), state_record(5, wake=wake), number)
    tail.flush()
    assert tail.store.due(3_000, 10) == [(1_000, key(2)), (2_000, key(3)), (3_000, key(1))]
    assert tail.store.due(3_000, 2) == [(1_000, key(2)), (2_000, key(3))]


def test_a_wake_seen_to_does_not_come_again_but_an_earlier_new_one_does(tail: Tail) -> None:
    """The scan starts behind what is done, and steps back for what is written later."""
    tail.take(key(1), state_record(5, wake=2_000), 0)
    tail.flush()
    tail.store.woken(tail.store.due(5_000, 10))
    assert tail.store.due(5_000, 10) == []
    tail.take(key(2), state_record(5, wake=1_000), 1)
    tail.flush()
    assert tail.store.due(5_000, 10) == [(1_000, key(2))]


def test_keys_are_found_by_their_labels_in_slices(tail: Tail) -> None:
    """Every key under a label once, none of another label."""
    for number in range(5):
        tail.take(key(number), state_record(5, labels=LABEL + b"M" * 8), number)
    tail.take(key(9), state_record(5, labels=b"M" * 8), 9)
    tail.flush()
    first = tail.store.labelled(LABEL, b"", 3)
    second = tail.store.labelled(LABEL, first[-1], 3)
    assert first + second == [key(number) for number in range(5)]
    assert tail.store.labelled(LABEL, second[-1], 3) == []


def test_indexes_survive_a_lost_disk(tmp_path: Path, tail: Tail) -> None:
    """They are derived from the records, so a restore from the topic brings them back."""
    stored = state_record(5, wake=1_000, labels=LABEL)
    fresh = PartitionStore(tmp_path / "1", "topic-1")
    again = Tail(fresh, 0, 0)
    again.take(key(1), stored, 0)
    again.flush()
    assert fresh.due(1_000, 1) == [(1_000, key(1))]
    assert fresh.labelled(LABEL, b"", 1) == [key(1)]
    fresh.close()
    assert tail.store.due(1_000, 1) == []


def _filled(path: Path) -> PartitionStore:
    """A store of some thousand keys, on disk, opened again."""
    first = PartitionStore(path, "topic-1")
    first.write([(_key(n), state_record(1, mark=n)) for n in range(4_000)], frontier=4_000, epoch=7)
    first.close()
    return PartitionStore(path, "topic-1")


def _key(number: int) -> bytes:
    return b"\x01" + number.to_bytes(16, "big")


def _read_all(store: PartitionStore) -> None:
    for number in range(4_000):
        assert store.get(_key(number)) is not None


def _break(file: Path, how: str) -> None:
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    elif how == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        end = max(
            len(content) - 60, len(content) // 2
        )  # within what is read first: index, footer, the last record
        file.write_bytes(content[:end] + bytes([content[end] ^ 4]) + content[end + 1 :])


@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
@pytest.mark.parametrize("pattern", ["*.sst", "MANIFEST-*", "CURRENT"])
def test_a_broken_copy_is_thrown_away(tmp_path: Path, pattern: str, how: str) -> None:
    """Files that are broken, cut or gone end no start: the topic is read from its beginning."""
    _filled(tmp_path / "0").close()
    for file in (tmp_path / "0").glob(pattern):
        _break(file, how)
    again = PartitionStore(tmp_path / "0", "topic-1")
    whole = again.meta.frontier == 4_000 and again.get(_key(3_999)) is not None
    assert whole or again.meta == Meta(topic_id="topic-1")
    again.close()


def test_damage_met_on_the_way_ends_the_process_and_the_next_start_is_empty(tmp_path: Path) -> None:
    """A block that fails its checksum is no missing key, and no end of a scan."""
    _filled(tmp_path / "0").close()
    (table,) = (tmp_path / "0").glob("*.sst")
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 4
    table.write_bytes(content)
    broken = PartitionStore(tmp_path / "0", "topic-1")
    with pytest.raises(DamagedState):
        broken.starting(b"\x01")
    with pytest.raises(DamagedState):
        _read_all(broken)
    broken.close()
    assert PartitionStore(tmp_path / "0", "topic-1").meta == Meta(topic_id="topic-1")


def test_a_copy_of_another_partition_is_not_believed(tmp_path: Path) -> None:
    """Put back under the wrong name, its frontier would pass over records it never read."""
    _filled(tmp_path / "0").close()
    (tmp_path / "0").rename(tmp_path / "1")
    assert PartitionStore(tmp_path / "1", "topic-1").meta == Meta(topic_id="topic-1", partition=1)
