"""Copies of noli.decisions made by hand, without a broker: what replica tests stand on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.domain.token import Pepper, token
from noli.replica import store as copies
from noli.replica.build import Spool, fill
from noli.replica.head import FORMAT, Head, Position, pepper_check
from noli.replica.intern import Interner
from noli.replica.store import Store
from noli.replica.take import Taker
from schemas.codec import RECORDS, Codec
from schemas.names import BEACON_KEY, CLAIM_KEY

CODEC: Final = Codec({name: number for number, name in enumerate(RECORDS, 1)})
PEPPER: Final = Pepper(1, bytes(range(32)))
TOPIC_ID: Final = "a-topic"
CONTROLLER: Final = "acme"

ALICE: Final = Contact(Kind.PHONE, "+393331234567")
BOB: Final = Contact(Kind.EMAIL, "bob@example.it")

#: Tuesday 2026-11-24 09:00 UTC, in milliseconds since the epoch.
NOW: Final = 1_795_510_800_000


@dataclass(frozen=True)
class Message:
    """A Kafka record in the shape that `Taker` reads."""

    stands_in: int
    stands_at: int
    called: bytes | None
    says: bytes | None

    def key(self) -> bytes | None:
        """The key."""
        return self.called

    def value(self) -> bytes | None:
        """The value."""
        return self.says

    def partition(self) -> int:
        """The partition."""
        return self.stands_in

    def offset(self) -> int:
        """The offset."""
        return self.stands_at


class Log:
    """A topic in memory: appends give it offsets, in one partition unless told otherwise."""

    def __init__(self, partitions: int = 1) -> None:
        self.messages: list[Message] = []
        self._ends = [0] * partitions

    def append(self, key: bytes | None, value: bytes | None, partition: int = 0) -> None:
        """Append a record."""
        self.messages.append(Message(partition, self._ends[partition], key, value))
        self._ends[partition] += 1

    def claim(self, epoch: int, partition: int = 0) -> None:
        """A new owner."""
        record = {"epoch": epoch, "owner": "suppress-0", "at": NOW}
        self.append(CLAIM_KEY, CODEC.encode("noli.Claim", record), partition)

    def beacon(self, as_of: int = NOW, epoch: int = 1, partition: int = 0) -> None:
        """A sign of life."""
        record = {"epoch": epoch, "as_of": as_of}
        self.append(BEACON_KEY, CODEC.encode("noli.Beacon", record), partition)

    def decide(self, contact: Contact, record: Mapping[str, Any], partition: int = 0) -> None:
        """A decision."""
        key = token(PEPPER, CONTROLLER, contact)
        self.append(key, CODEC.encode("noli.Decision", record), partition)


def row(**over: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of the contract, as a dict
    """A row that allows operator calls for marketing on a consent, but for `over`."""
    return {
        "channels": ["operator_call"],
        "purposes": ["marketing"],
        "brand": "*",
        "allowed": True,
        "basis": "consent",
        "reasons": [],
        "conditions": [],
        "products": [],
        "until": None,
        "lapse": [],
        **over,
    }


def denial(*reasons: str, **over: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """A row that denies operator calls for marketing."""
    return row(allowed=False, basis=None, reasons=list(reasons), **over)


def decision(
    rows: Iterable[Mapping[str, Any]], *, version: int = 1, epoch: int = 1
) -> dict[str, Any]:
    """A decision of those rows, about nobody in particular."""
    return {
        "epoch": epoch,
        "version": version,
        "controller": CONTROLLER,
        "contact": {"kind": "phone", "value": ALICE.value},
        "accepted": NOW,
        "decided": NOW,
        "next_change": None,
        "rows": list(rows),
    }


def blank(partitions: int = 1, **over: Any) -> Head:  # noqa: ANN401 - fields of Head
    """The head of an empty copy."""
    fields = {
        "format": FORMAT,
        "topic_id": TOPIC_ID,
        "pepper_version": PEPPER.version,
        "pepper_check": pepper_check(PEPPER.secret),
        "positions": (Position(0),) * partitions,
        **over,
    }
    return Head(**fields)


def make(copy: Path, log: Log, head: Head | None = None) -> Path:
    """Build and publish a copy of `log`, as the writer does; its generation."""
    head = head or blank()
    interner = Interner(CODEC, [])
    taker = Taker(CODEC, interner, head.pepper_version, head.positions)
    generation = copies.next_generation(copy)
    spool = Spool(generation / "spool")
    spool.add(taker.take(log.messages).entries)
    with closing(Store(generation, write=True, durable=False)) as store:
        fill(store, spool, interner, head.at(taker.positions()))
    copies.publish(copy, generation)
    return generation


def fresh(copy: Path, decisions: Sequence[tuple[Contact, Mapping[str, Any]]]) -> Path:
    """A copy with a beacon of `NOW` and these decisions; its generation."""
    log = Log()
    log.claim(1)
    for contact, record in decisions:
        log.decide(contact, record)
    log.beacon()
    return make(copy, log)
