"""What a copy is of, and how far it is: the record that decides whether anyone may use it."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

#: Changes with the layout of a copy; one of another format is rebuilt, never migrated.
FORMAT: Final = 2

#: What the pepper signs, so that a wrong one is told from a copy in which nobody stands.
_SIGNED: Final = b"noli replica: which pepper"
_CHECK_BYTES: Final = 8


class Refused(Exception):
    """This copy cannot be used; the message says why. Readers deny, the writer rebuilds."""


class Position(msgspec.Struct, array_like=True):
    """One partition of noli.decisions as far as the copy holds it.

    `frontier`: offsets below are in. `epoch`: the highest claim among them. `as_of`: the newest
    beacon among them, in milliseconds since the epoch; None before the first.
    """

    frontier: int
    epoch: int = 0
    as_of: int | None = None


class Head(msgspec.Struct, frozen=True):
    """Written in the same transaction as the data. `pepper_check` is empty where not known."""

    format: int
    topic_id: str
    pepper_version: int
    pepper_check: str
    positions: tuple[Position, ...]

    def at(self, positions: Iterable[Position]) -> Head:
        """The same copy, further on."""
        return msgspec.structs.replace(self, positions=tuple(positions))


def as_of(positions: Sequence[Position]) -> int | None:
    """The moment every partition is known up to, in milliseconds since the epoch.

    None while one of them has had no beacon.
    """
    known = [position.as_of for position in positions if position.as_of is not None]
    return min(known) if known and len(known) == len(positions) else None


def pepper_check(secret: bytes) -> str:
    """What tells two peppers apart and gives neither away; empty for an empty secret."""
    return hmac.digest(secret, _SIGNED, "sha256")[:_CHECK_BYTES].hex() if secret else ""


def check_readable(head: Head, pepper_version: int, check: str) -> None:
    """Raise `Refused` unless a reader with this pepper can read a copy with this head."""
    if head.format != FORMAT:
        raise Refused(f"format {head.format}, not {FORMAT}")
    if head.pepper_version != pepper_version:
        raise Refused(f"made for pepper version {head.pepper_version}, not {pepper_version}")
    if check and head.pepper_check and head.pepper_check != check:
        raise Refused("made with another pepper of the same version")


def check_resumable(head: Head, blank: Head, ends: Sequence[int]) -> None:
    """Raise `Refused` unless a writer may go on from `head`.

    `blank` is the head of a new copy: the topic as it is now, its positions at the first offsets
    that the log still holds. `ends` are the offsets to be written next.
    """
    check_readable(head, blank.pepper_version, blank.pepper_check)
    if head.topic_id != blank.topic_id:
        raise Refused("made of another topic")
    if len(head.positions) != len(blank.positions):
        raise Refused(f"{len(head.positions)} partitions, not {len(blank.positions)}")
    for number, (position, first, end) in enumerate(
        zip(head.positions, blank.positions, ends, strict=True)
    ):
        if not first.frontier <= position.frontier <= end:
            raise Refused(f"partition {number}: its frontier is outside of the log")
