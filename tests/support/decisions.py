"""Writing noli.decisions in tests, as the suppress worker does: claims, beacons, verdicts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from noli.domain.channel import Kind, channels_of, reach
from noli.runtime.settings import Settings
from schemas.codec import RECORDS, Codec
from tests.support.log import append

CODEC: Final = Codec({name: number for number, name in enumerate(RECORDS, 1)})
CONTROLLER: Final = "acme"
CLAIM: Final = b"claim"
BEACON: Final = b"beacon"


def now() -> int:
    """The wall clock, ms."""
    return time.time_ns() // 1_000_000


def token(number: int) -> bytes:
    """The token of the contact of that number."""
    return b"\x01" + number.to_bytes(16, "big")


def rows(allowed: Iterable[str] = (), reasons: Iterable[str] = ("OBJECTED",)) -> list[Any]:
    """Marketing on the channels of a phone: those `allowed`, and the others denied."""
    allowed = list(allowed)
    denied = [c.value for c in channels_of(reach(Kind.PHONE)) if c.value not in allowed]
    return [
        row(channels=allowed, allowed=True, basis="consent"),
        row(channels=denied, reasons=list(reasons)),
    ]


def row(**over: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of the contract, as a dict
    """A row that denies no channel, but for `over`."""
    return {
        "channels": [],
        "purposes": ["marketing"],
        "brand": "*",
        "allowed": False,
        "basis": None,
        "reasons": [],
        "conditions": [],
        "products": [],
        "until": None,
        "lapse": [],
        **over,
    }


def decision(number: int, version: int, **over: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """A decision about the phone of that number: everything denied, but for `over`."""
    at = now()
    return {
        "epoch": 1,
        "version": version,
        "controller": CONTROLLER,
        "contact": {"kind": "phone", "value": f"+39333{number:07d}"},
        "accepted": at,
        "decided": at,
        "next_change": None,
        "rows": rows(),
        **over,
    }


@dataclass
class Desk:
    """The writer of a topic; partition 0 unless told otherwise."""

    settings: Settings
    topic: str
    epoch: int = 1
    codec: Codec = CODEC
    _batch: list[tuple[int, bytes | None, bytes]] = field(default_factory=list)

    def claim(self, epoch: int, partition: int = 0) -> Desk:
        """A new owner; what is written from here on is its own."""
        self.epoch = epoch
        record = {"epoch": epoch, "owner": "suppress-0", "at": now()}
        return self.put(CLAIM, self.codec.encode("noli.Claim", record), partition)

    def beacon(self, as_of: int, partition: int = 0, epoch: int | None = None) -> Desk:
        """A sign of life."""
        record = {"epoch": epoch or self.epoch, "as_of": as_of}
        return self.put(BEACON, self.codec.encode("noli.Beacon", record), partition)

    def decide(self, number: int, version: int, partition: int = 0, **over: Any) -> Desk:  # noqa: ANN401
        """A decision; see `decision`."""
        record: Mapping[str, Any] = decision(number, version, **{"epoch": self.epoch, **over})
        return self.put(token(number), self.codec.encode("noli.Decision", record), partition)

    def put(self, key: bytes | None, value: bytes, partition: int = 0) -> Desk:
        """Any record."""
        self._batch.append((partition, key, value))
        return self

    def send(self) -> Desk:
        """Append everything durably."""
        batch, self._batch = self._batch, []
        append(self.settings, self.topic, batch)
        return self
