"""Outputs: a gap between our own offsets is exactly what somebody else wrote."""

from __future__ import annotations

from typing import cast

import pytest
from confluent_kafka import KafkaError, Message

from noli.runtime.outputs import Claim, Gap, LostDelivery, Outputs
from noli.runtime.settings import Settings
from schemas.names import CLAIM_KEY

TOPIC = "noli.state"


class Confirmed:
    """The part of a delivery report that `Outputs` reads."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def topic(self) -> str:
        """Always the one topic."""
        return TOPIC

    def partition(self) -> int:
        """Always the first partition."""
        return 0

    def offset(self) -> int:
        """Where the record stands."""
        return self._offset


def report(outputs: Outputs, offset: int, error: KafkaError | None = None) -> None:
    """Serve one delivery report as librdkafka would."""
    outputs._report(error, cast("Message", Confirmed(offset)))


@pytest.fixture
def owned(monkeypatch: pytest.MonkeyPatch) -> Outputs:
    """Outputs that own partition 0 from offset 11 on."""
    outputs = Outputs(Settings(kafka="127.0.0.1:1"))
    monkeypatch.setattr(outputs, "send", lambda *_: None)
    monkeypatch.setattr(outputs, "deliver", lambda: report(outputs, 10))
    assert outputs.claim(TOPIC, {0: Claim(7, CLAIM_KEY, b"")}) == {0: 10}
    monkeypatch.undo()
    return outputs


def test_contiguous_offsets_are_no_gap(owned: Outputs) -> None:
    """What we wrote ourselves is never reported."""
    for offset in (11, 12, 13):
        report(owned, offset)
    assert owned.gaps() == []
    assert owned.next_offset(TOPIC, 0) == 14


def test_a_jump_is_the_foreign_range(owned: Outputs) -> None:
    """Offsets between two of ours belong to somebody else, to the record."""
    report(owned, 11)
    report(owned, 15)
    assert owned.gaps() == [Gap(TOPIC, 0, 12, 15)]


def test_the_partition_is_sound_up_to_what_is_not_mended(owned: Outputs) -> None:
    """A successor that begins there finds every foreign record that nobody wrote over."""
    assert owned.sound(TOPIC, 0) == 11
    report(owned, 13)
    report(owned, 17)
    assert owned.sound(TOPIC, 0) == 11
    first, second = owned.gaps()
    owned.mended(first)
    assert owned.sound(TOPIC, 0) == second.start == 14
    owned.mended(second)
    assert owned.sound(TOPIC, 0) == owned.next_offset(TOPIC, 0) == 18


def test_a_foreign_write_is_found_where_we_write_nothing(owned: Outputs) -> None:
    """An end behind our last record is a gap, once; an end we passed meanwhile is none."""
    owned.ends_at(TOPIC, 0, 11)
    assert owned.gaps() == []
    owned.ends_at(TOPIC, 0, 13)
    owned.ends_at(TOPIC, 0, 13)
    assert owned.gaps() == [Gap(TOPIC, 0, 11, 13)]
    report(owned, 13)
    owned.ends_at(TOPIC, 0, 13)
    owned.ends_at(TOPIC, 1, 99)
    assert owned.gaps() == [Gap(TOPIC, 0, 11, 13)]


def test_an_offset_going_back_ends_the_worker(owned: Outputs) -> None:
    """A log that lost its end is not written on."""
    report(owned, 9)
    with pytest.raises(LostDelivery, match="went back"):
        owned.deliver()


def test_a_refused_record_ends_the_worker(owned: Outputs) -> None:
    """A delivery error surfaces before anything is stored or committed."""
    report(owned, 11, KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    with pytest.raises(LostDelivery, match=TOPIC):
        owned.deliver()


def test_a_partition_given_up_is_not_watched(owned: Outputs) -> None:
    """After a revocation other owners' records are theirs."""
    report(owned, 15)
    owned.disown(0)
    report(owned, 30)
    assert owned.gaps() == []
