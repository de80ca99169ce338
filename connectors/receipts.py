"""What an application confirmed, written to `noli.receipts` before any offset is committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from connectors.frontier import Point
from connectors.waiting import Entry
from noli.runtime.kafka import Acked, Outgoing
from schemas.codec import Codec

#: `drifted`: read back, and found otherwise. It holds the alignment until it is `verified`.
Outcome = Literal["applied", "verified", "superseded", "rejected", "drifted"]

#: Changes in one record: far below the broker's limit of 1 MB at ~60 bytes each.
_MOST: Final = 5_000


class Settled(NamedTuple):
    """One contact the target answered for. `note`: why rejected, or how it was rounded."""

    entry: Entry
    outcome: Outcome
    note: str | None


class Standing(NamedTuple):
    """Where the application stands on a partition once `settled` are."""

    partition: int
    point: Point
    settled: Sequence[Settled] = ()


class Receipts:
    """The application's receipts. Keyed by application, so they stay in order."""

    def __init__(self, acked: Acked, codec: Codec, topic: str, app: str, worker: str) -> None:
        self._acked = acked
        self._codec = codec
        self._topic = topic
        self._app = app
        self._worker = worker

    async def write(self, standings: Sequence[tuple[Standing, int]]) -> None:
        """Returns once the broker holds them. Raises `NotDurable`: nothing may be committed then.

        With each: when the application confirmed, ms.
        """
        await self._acked.send_many(
            [record for standing, at in standings for record in self._records(standing, at)]
        )

    async def tell(self, report: Mapping[str, Any]) -> None:
        """Write a report (`connectors.report`) behind every receipt so far. Raises `NotDurable`."""
        value = self._codec.encode(
            "noli.Report", {"app": self._app, "worker": self._worker, **report}
        )
        await self._acked.send(self._topic, self._app.encode(), value)

    def _records(self, standing: Standing, at: int) -> Iterator[Outgoing]:
        changes = [change for settled in standing.settled for change in _changes(settled)]
        for start in range(0, max(1, len(changes)), _MOST):
            receipt = {
                "app": self._app,
                "worker": self._worker,
                "at": at,
                "partition": standing.partition,
                "frontier": standing.point.offset,
                "as_of": standing.point.as_of,
                "changes": changes[start : start + _MOST],
            }
            value = self._codec.encode("noli.Receipt", receipt)
            yield Outgoing(self._topic, self._app.encode(), value)


def _changes(settled: Settled) -> Iterator[dict[str, Any]]:
    change = settled.entry.change
    token = bytes.fromhex(change.token)
    for past in settled.entry.past:
        yield {"token": token, **past._asdict(), "outcome": "superseded", "reason": None}
    yield {
        "token": token,
        "version": change.version,
        "offset": change.offset,
        "accepted": change.accepted,
        "outcome": settled.outcome,
        "reason": settled.note,
    }
