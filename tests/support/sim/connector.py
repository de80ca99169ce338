"""A connector without its event loop: the parts of `connectors` in the order of the runner.

Read, offer, receipt, settle, commit: `connectors.runner` does the same with sockets and timers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from confluent_kafka import TopicPartition

from connectors.frontier import aligned_as_of
from connectors.inlet import Gained, Inlet, Lost
from connectors.lens import Lens
from connectors.protocol import Applied, Change, Reject
from connectors.tracks import Track
from connectors.waiting import Waiting
from noli.runtime.clock import now_ms, steady
from noli.runtime.settings import Settings
from schemas.codec import UnreadableError
from schemas.names import DECISIONS
from tests.support.checker import Aligned, Receipt
from tests.support.sim.target import Target
from tests.support.step import CODEC

_BATCH: Final = 20
#: Seconds until a change that was not taken is offered again.
_PAUSE_S: Final = 0.5
_CONFIRM_S: Final = 1.0


class Books:
    """What a connector told the world; it outlives the process, as topics do."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.aligned: list[Aligned] = []
        #: Changes that the application must be told again: somebody asked for a backfill.
        self.again: list[Change] = []


class Connector:
    """One connector process, from its start to its end."""

    def __init__(
        self, settings: Settings, target: Target, lens: Lens, books: Books,
        point: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._inlet = Inlet(settings, f"noli.app.{target.name}", DECISIONS)
        self._target = target
        self._lens = lens
        self._books = books
        self._point = point
        self._tracks: dict[int, Track] = {}
        self._waiting = Waiting()
        self._committed: dict[int, int] = {}
        self._confirm_at = 0.0
        #: It begins at its last commit, also where it lost its partitions for a while: that may be
        #: behind what it said last, and nobody is misled.
        self._held_by: tuple[str, ...] = ("restarted",)

    @property
    def idle(self) -> bool:
        """Whether everything read is settled."""
        return not len(self._waiting) and not any(t.frontier.open for t in self._tracks.values())

    @property
    def positions(self) -> dict[int, int]:
        """Next offset to read, by partition."""
        return {number: track.frontier.position for number, track in self._tracks.items()}

    def turn(self) -> None:
        """Read what came, offer what may be offered, tell how far it is."""
        for happened in self._inlet._poll():
            match happened:
                case Gained():
                    self._tracks[happened.partition] = Track.start(happened)
                    self._held_by = ("restarted",)
                case Lost():
                    self._tracks.pop(happened.partition, None)
                    self._committed.pop(happened.partition, None)
                    self._waiting.drop(happened.partition)
                case _:
                    track = self._tracks.get(happened.partition() or 0)
                    if track is not None:
                        self._take(track, happened)
        self._offer_again()
        if not any(track.catching_up for track in self._tracks.values()):
            self._offer()
        if steady() >= self._confirm_at:
            self._confirm()
            self._confirm_at = steady() + _CONFIRM_S

    def _take(self, track: Track, message: object) -> None:
        try:
            taken = track.take(message, CODEC, self._lens)  # type: ignore[arg-type] # of the double
        except UnreadableError:
            return
        if taken.change is not None:
            self._waiting.add(taken.change, taken.replaced)

    def _offer_again(self) -> None:
        again, self._books.again = self._books.again, []
        for change in again:
            if change.token not in self._waiting:
                self._waiting.add(change, again=True)

    def _offer(self) -> None:
        entries = self._waiting.take(_BATCH, steady())
        if not entries:
            return
        self._point("apply")
        results = [self._target.take(entry.change) for entry in entries]
        self._point("applied")
        settled: dict[int, set[int]] = {}
        at = now_ms()
        for entry, result in zip(entries, results, strict=True):
            if not isinstance(result, Applied | Reject):
                self._waiting.back(entry, steady() + _PAUSE_S)
                continue
            self._waiting.done(entry)
            change = entry.change
            receipt = Receipt(self._target.name, at, change.token, change.version, "applied")
            self._books.receipts.append(receipt)
            settled.setdefault(change.partition, set()).update(entry.offsets())
        self._point("receipts")
        for partition, offsets in settled.items():
            if partition in self._tracks:
                self._tracks[partition].frontier.settle(offsets)

    def _confirm(self) -> None:
        if not self._tracks:
            return
        as_of = aligned_as_of({p: track.frontier for p, track in self._tracks.items()})
        self._books.aligned.append(Aligned(self._target.name, now_ms(), as_of, self._held_by))
        self._held_by = ()
        marks = {number: track.mark() for number, track in self._tracks.items()}
        moved = {n: mark for n, mark in marks.items() if mark[0] != self._committed.get(n)}
        offsets = [
            TopicPartition(DECISIONS, number, offset, metadata=mark.text())
            for number, (offset, mark) in moved.items()
        ]
        if offsets and self._inlet._commit(offsets):
            self._committed |= {number: offset for number, (offset, _) in moved.items()}
