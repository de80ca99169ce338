"""Reading a state partition: claims raise the epoch, values of an older owner are passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from noli.runtime.restore import CLAIM_KEY, Tail
from noli.runtime.store import PartitionStore
from schemas.codec import Codec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = b"\x01" + b"k" * 16
CODEC = Codec({"noli.Claim": 1})


def record(epoch: int, mark: int = 0) -> bytes:
    """Bytes that begin with an epoch, as every state record does."""
    return CODEC.encode("noli.Claim", {"epoch": epoch, "owner": "w", "at": mark})


@pytest.fixture
def tail(tmp_path: Path) -> Iterator[Tail]:
    """A tail over an empty store."""
    store = PartitionStore(tmp_path / "0", "topic-1")
    yield Tail(store, 0, 0)
    store.close()


def test_a_late_record_of_a_former_owner_is_passed_over(tail: Tail) -> None:
    """What a paused worker writes after the new claim never becomes state."""
    tail.take(CLAIM_KEY, record(5), 0)
    tail.take(KEY, record(5, mark=1), 1)
    tail.take(CLAIM_KEY, record(9), 2)
    tail.take(KEY, record(5, mark=2), 3)
    tail.flush()
    assert tail.store.get(KEY) == record(5, mark=1)
    assert (tail.stale, tail.frontier, tail.epoch) == (1, 4, 9)


def test_the_newest_record_of_the_owner_counts(tail: Tail) -> None:
    """Later offsets of the same or a newer owner replace earlier ones."""
    tail.take(CLAIM_KEY, record(5), 0)
    tail.take(KEY, record(5, mark=1), 1)
    tail.take(KEY, record(6, mark=2), 2)
    tail.flush()
    assert tail.store.get(KEY) == record(6, mark=2)


def test_a_tombstone_deletes_nothing(tail: Tail) -> None:
    """Nobody of ours writes tombstones; one that appears is counted, the value stays."""
    tail.take(KEY, record(5), 0)
    tail.flush()
    tail.take(KEY, None, 1)
    tail.flush()
    assert tail.store.get(KEY) == record(5)
    assert tail.stale == 1


def test_a_copy_of_another_topic_is_rebuilt(tmp_path: Path) -> None:
    """A store filled from another log is emptied, not trusted."""
    first = PartitionStore(tmp_path / "0", "topic-1")
    first.write([(KEY, b"v")], frontier=3, epoch=5)
    first.close()
    again = PartitionStore(tmp_path / "0", "topic-1")
    assert (again.get(KEY), again.meta.frontier, again.meta.epoch) == (b"v", 3, 5)
    again.close()
    other = PartitionStore(tmp_path / "0", "topic-2")
    assert (other.get(KEY), other.meta.frontier, other.meta.epoch) == (None, 0, 0)
    other.close()
