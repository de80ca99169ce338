"""What could not be read: kept whole for a human, and a fact that denies whoever it was about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noli import wire
from noli.runtime.logging import get_logger
from noli.runtime.metrics import stages
from schemas.names import QUARANTINE

if TYPE_CHECKING:
    from noli.domain.facts import Fact
    from noli.runtime.part import Part, Record
    from schemas.codec import Codec


def keep(record: Record, part: Part, codec: Codec, error: Exception, what: str = "intent") -> Fact:
    """Append the record to noli.quarantine and alarm; the fact to fold in its place.

    The record stands there before any offset behind it is committed. `what` names it in the alarm.
    """
    reason = wire.unreadable_reason(error)
    kept = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": record.key,
        "value": record.value,
        "reason": reason,
        "at": record.at,  # alignment is held from when the log took it, not from when we saw it
        "contact": None,
        "controller": None,
    }
    part.emit(QUARANTINE, record.key, codec.encode("noli.Quarantine", kept))
    stages.QUARANTINED.labels(f"unreadable_{what}").inc()
    get_logger().error(f"{what}.quarantined", place=record.place, reason=reason)
    return wire.unreadable_fact(record.place, record.at, error)
