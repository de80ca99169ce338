"""The writer's second source: noli.campaigns, read whole at each start and followed.

It must never keep the decisions waiting, nor end the process: where it cannot be read, the copy's
part about campaigns grows old, and whoever names one is denied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from noli.replica.follow import Follower, LogUnavailable
from noli.replica.head import Position, Refused
from noli.replica.ratios import Board, Ratios, put
from noli.runtime.clock import now_us, steady
from noli.runtime.logging import get_logger
from noli.runtime.metrics.replica import CAMPAIGNS_AS_OF

if TYPE_CHECKING:
    from noli.replica.store import Store
    from noli.runtime.settings import Settings
    from schemas.codec import Codec

log = get_logger()

#: Seconds before a topic that could not be read is tried again.
_AGAIN_S: Final = 5.0
#: Records taken at once, and kilobytes fetched ahead: campaigns are few, beacons one a second.
_BATCH: Final = 2_000
_QUEUED_KB: Final = 1_024
_MS_PER_S: Final = 1000


class Campaigns:
    """Follows noli.campaigns beside the decisions."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._settings = settings
        self._codec = codec
        self._follower: Follower | None = None
        self._board = Board(codec, 0)
        self._store = ""
        self._written: Ratios | None = None
        # Drawn from the clock: no edition of an earlier life of this copy comes again.
        self._edition = now_us()
        self._try_at = 0.0

    def step(self, store: Store) -> None:
        """Take what is there, without waiting, and put what changed into the copy."""
        if store.name != self._store:
            self._store, self._written = store.name, None
        try:
            self._take()
        except (LogUnavailable, Refused) as error:
            log.warning("campaigns.unavailable", reason=str(error))
            self.close()
            return
        ratios = self._board.ratios()
        if self._board.whole and self._follower is not None and ratios != self._written:
            self._edition = put(store, ratios, self._written, self._edition)
            self._written = ratios
            CAMPAIGNS_AS_OF.set((ratios.as_of or 0) / _MS_PER_S)

    def close(self) -> None:
        """Let go of the topic; the next step begins it anew."""
        self._try_at = steady() + _AGAIN_S
        if self._follower is not None:
            self._follower.close()
            self._follower = None

    def _take(self) -> None:
        """Raises `LogUnavailable`, `Refused`."""
        if self._follower is None:
            if steady() < self._try_at:
                return
            self._begin()
        follower = self._follower
        while follower is not None:
            batch = follower.batch(0)
            self._board.take(batch.records)
            for partition, _ in batch.ends:
                self._board.reached(partition)
            if not batch.records and not batch.ends:
                return

    def _begin(self) -> None:
        self._try_at = steady() + _AGAIN_S
        follower = Follower(
            self._settings, topic=self._settings.campaigns_topic, batch=_BATCH, queued_kb=_QUEUED_KB
        )
        try:
            source = follower.source()
        except LogUnavailable:
            follower.close()
            raise
        self._board = Board(self._codec, len(source.first))
        follower.start([Position(first) for first in source.first])
        self._follower = follower
