"""The input all engines read: single intents of the real contract, and raw records for the stub."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

from confluent_kafka import Producer

from noli import wire
from noli.domain import events
from noli.domain.facts import Fact
from noli.domain.token import Pepper, token
from noli.runtime.clock import now_ms
from noli.runtime.kafka import producer_config
from noli.runtime.settings import Settings
from schemas.codec import Codec

#: Contacts of a block; what was decided of those of the first is compared.
COMPARED: Final = 4_000
#: Raw records: a time and as many bytes as an intent has.
STAMP: Final = struct.Struct(">q")
RAW_SIZE: Final = 250

PEPPER: Final = Pepper(1, bytes(range(32)))
_SEED: Final = 20_261_122

Record = tuple[bytes, bytes]


def intents(codec: Codec, count: int) -> Iterator[Record]:
    """`count` intents on half as many contacts: a consent each, then a second event each.

    The second is an objection for every third contact, else a consent of another purpose. Contacts
    come `COMPARED` at a time, so an engine that is measured on fewer events has the same mix.
    """
    contacts = count // 2
    chance = random.Random(_SEED)
    for start in range(0, contacts, COMPARED):
        block = list(range(start, min(start + COMPARED, contacts)))
        for first in (True, False):
            chance.shuffle(block)
            for number in block:
                yield record(codec, number, first=first)


def record(codec: Codec, number: int, *, first: bool) -> Record:
    """Key and value of one event of contact `number`."""
    fact = events.parse(event(number, first=first), now_ms())
    return keyed(codec, fact)


def keyed(codec: Codec, fact: Fact) -> Record:
    """A fact as the intake writes it."""
    assert fact.contact is not None
    key = token(PEPPER, fact.controller, fact.contact)
    return key, codec.encode("noli.Intent", wire.fact_to_intent(fact))


def event(number: int, *, first: bool) -> dict[str, Any]:
    """A CloudEvent about contact `number`."""
    contact = {"kind": "phone", "value": f"+39333{number:07d}"}
    data: dict[str, Any] = {"controller": "acme", "contact": contact}
    kind = "consent.given"
    if first or number % 3:
        data["purpose"] = "marketing" if first else "profiling"
        data["channels"] = ["sms", "operator_call"]
        data["consent_id"] = f"c{number}-{int(first)}"
        data["evidence"] = {"ref": f"form-{number}", "box_purposes": [data["purpose"]]}
    else:
        kind, data["via"] = "objection.raised", "sms_stop"
    return {
        "specversion": "1.0",
        "id": f"{number}-{int(first)}",
        "source": "/bench",
        "type": f"noli.{kind}.v1",
        "time": "2026-10-01T10:00:00Z" if first else "2026-10-02T10:00:00Z",
        "data": data,
    }


def raw(count: int) -> Iterator[Record]:
    """`count` records of the stub's on half as many keys."""
    chance = random.Random(_SEED)
    keys = [b"\1" + chance.randbytes(16) for _ in range(count // 2)]
    for key in [*keys, *keys]:
        yield key, raw_value()


def raw_value() -> bytes:
    """A record of the stub's, stamped with the time."""
    return STAMP.pack(now_ms()).ljust(RAW_SIZE, b"\0")


def send(settings: Settings, topic: str, records: Iterator[Record]) -> int:
    """Append all and wait for the broker; how many."""
    failed: list[object] = []

    def report(error: object, _message: object) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer(producer_config(settings, linger_ms=20))
    count = 0
    for key, value in records:
        produce(producer, topic, key, value, report)
        count += 1
    producer.flush()
    if failed:
        raise RuntimeError(f"{len(failed)} records of the load were not taken: {failed[0]}")
    return count


def produce(
    producer: Producer, topic: str, key: bytes, value: bytes, report: Callable[..., None]
) -> None:
    """Queue one record, waiting where the queue is full."""
    while True:
        try:
            producer.produce(topic, value, key, on_delivery=report)
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return
