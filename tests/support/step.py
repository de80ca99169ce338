"""A step without a broker: a store and an output that keep what they are given."""

from __future__ import annotations

from typing import Any

from schemas.codec import RECORDS, Codec, lead, pack_lead

#: Every record of the contract under some id.
CODEC = Codec({name: number for number, name in enumerate(RECORDS, 1)})


class Memory(dict[bytes, bytes]):
    """A store: what the step asks of it."""

    def starting(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Items by prefix."""
        return [item for item in self.items() if item[0].startswith(prefix)]

    def labelled(self, label: bytes, after: bytes, limit: int) -> list[bytes]:
        """Keys by label, in order."""
        found = sorted(key for key, value in self.items() if label in lead(value).labels)
        return [key for key in found if key > after][:limit]


class Sent:
    """An output: keeps what is sent, by topic."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes | None, bytes]] = []

    def send(self, topic: str, _partition: int | None, key: bytes | None, value: bytes) -> None:
        """Keep."""
        self.records.append((topic, key, value))

    def of(self, topic: str) -> list[dict[str, Any]]:
        """Decoded values of a topic."""
        return [CODEC.decode(value)[1] for name, _, value in self.records if name == topic]


def state_record(epoch: int, mark: int = 0, wake: int = 0, labels: bytes = b"") -> bytes:
    """A state record that carries a number: any that begins with a lead will do."""
    return CODEC.encode(
        "noli.Revocation",
        {
            "lead": pack_lead(epoch, wake),
            "labels": labels,
            "controller": "acme",
            "source_id": "s",
            "accepted": mark,
            "done": False,
        },
    )
