"""The copy's one writer: resume or build, then follow.

A copy of another topic, pepper or format, a damaged one, and one whose frontier the log no longer
has are refused: withdrawn from readers, who then deny, and built anew from the beginning.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Final

import lmdb

from noli.replica import lives
from noli.replica import store as copies
from noli.replica.build import Spool, fill
from noli.replica.campaigns import Campaigns
from noli.replica.encoding import Damaged
from noli.replica.follow import Batch, Follower, Source
from noli.replica.head import (
    FORMAT,
    Head,
    Position,
    Refused,
    as_of,
    check_resumable,
    pepper_check,
)
from noli.replica.intern import Interner
from noli.replica.lock import only_writer
from noli.replica.put import put
from noli.replica.store import Store
from noli.replica.take import Entries, Taker
from noli.runtime.clock import now_ms, steady
from noli.runtime.failpoints import Failpoint, failpoint
from noli.runtime.lags import Lags, Look
from noli.runtime.logging import get_logger
from noli.runtime.metrics import replica as metrics
from noli.runtime.pepper import pepper
from noli.runtime.process import Stop
from noli.runtime.settings import Settings
from schemas.codec import Codec

log = get_logger()

_SPOOL: Final = "spool"

#: How often gauges are set and slots of dead readers freed, in seconds.
_TEND_EVERY_S: Final = 1.0

#: Name of the copy's reader where groups are told apart; it joins none.
_GROUP: Final = "noli.replica"

_MS_PER_S: Final = 1000


class Writer:
    """Keeps one copy equal to the log. `run` returns when asked to stop.

    Raises ValueError, naming the setting, where there is no pepper.
    """

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._copy = settings.replica
        self._codec = codec
        self._settings = settings
        # Without it we would build a copy that no gate opens.
        self._pepper = pepper(settings)
        self._campaigns = Campaigns(settings, codec)
        self._goal: tuple[int, ...] = ()
        self._positions: Sequence[Position] = ()
        self._published = False
        self._tend_at = 0.0
        self._held_at = 0.0
        self._lags = Lags(_GROUP)

    def run(self, stop: Stop) -> None:
        """Resume or build, then follow.

        Raises `SecondWriter`, `LogUnavailable`, `NoRoom`, LMDB's errors.
        """
        with only_writer(self._copy), closing(Follower(self._settings)) as follower:
            try:
                while not stop.requested:
                    self._live(follower, stop)
            except (lmdb.Error, OSError) as error:
                if copies.is_full(error):
                    fact = f"no room for more in {self._copy}, or its disk fails"
                    remedy = "free some, or set NOLI_REPLICA to another disk"
                    raise copies.NoRoom(f"{fact}: {remedy}") from error
                raise
            finally:
                self._campaigns.close()
                lives.end(self._copy)

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """Ready once everything the log held when we started is in the published copy."""
        positions = self._positions
        missing = sum(
            max(0, end - position.frontier)
            for end, position in zip(self._goal, positions, strict=False)
        )
        moment = as_of(positions)
        age = None if moment is None else (now_ms() - moment) / _MS_PER_S
        return self._published and missing == 0, {"missing": missing, "as_of_age_s": age}

    def _live(self, follower: Follower, stop: Stop) -> None:
        """One life of a copy: until asked to stop, or until it must be refused."""
        self._published = False
        source = follower.source()
        self._goal = source.end
        blank = self._blank(source)
        opened = self._resume(blank) or self._build(follower, blank, stop)
        if opened is None:
            return
        store, interner = opened
        with closing(store):
            try:
                self._follow(follower, store, interner, stop)
            except (Refused, lmdb.Error) as error:
                self._refuse(error)

    def _resume(self, blank: Head) -> tuple[Store, Interner] | None:
        """The copy as it stands, or None where it must be built."""
        generation = copies.current(self._copy)
        copies.sweep(self._copy)
        if generation is None:
            metrics.REBUILDS.labels("missing").inc()
            return None
        store = None
        try:
            lives.begin(self._copy, generation.name)
            self._held_at = steady() + lives.HELD_S
            store = Store(generation, write=True)
            check_resumable(store.head(), blank, self._goal)
            return store, Interner(self._codec, store.all_shapes())
        except (Refused, Damaged, lmdb.Error) as error:
            if store is not None:
                store.close()
            self._refuse(error)
            return None

    def _refuse(self, error: Refused | Damaged | lmdb.Error) -> None:
        """Take the copy away from readers. Raises `error` where the copy is not to blame."""
        if isinstance(error, lmdb.Error) and not copies.is_broken(error):
            raise error
        log.warning("replica.refused", reason=f"{type(error).__name__}: {error}")
        metrics.REBUILDS.labels("refused").inc()
        copies.withdraw(self._copy)

    def _build(self, follower: Follower, blank: Head, stop: Stop) -> tuple[Store, Interner] | None:
        """Fill a new generation and publish it. None where asked to stop before."""
        copies.sweep(self._copy)
        generation = copies.next_generation(self._copy)
        started = steady()
        interner = Interner(self._codec, [])
        taker = Taker(self._codec, interner, blank.pepper_version, blank.positions)
        spool = Spool(generation / _SPOOL)
        follower.start(blank.positions)
        while any(p.frontier < end for p, end in zip(taker.positions(), self._goal, strict=True)):
            if stop.requested:
                return None
            spool.add(self._take(taker, follower.batch()))
            self._positions = taker.positions()
            self._tend(follower, None)
        failpoint(Failpoint.REPLICA_SPOOLED)
        with closing(Store(generation, write=True, durable=False)) as filling:
            head = blank.at(taker.positions())
            if not fill(filling, spool, interner, head, lambda: stop.requested):
                return None
            contacts = filling.entries()
        failpoint(Failpoint.REPLICA_FILLED)
        shutil.rmtree(generation / _SPOOL, ignore_errors=True)
        copies.publish(self._copy, generation)
        log.info("replica.built", contacts=contacts, seconds=round(steady() - started, 3))
        return Store(generation, write=True), interner

    def _follow(self, follower: Follower, store: Store, interner: Interner, stop: Stop) -> None:
        head = store.head()
        taker = Taker(self._codec, interner, head.pepper_version, head.positions)
        self._positions, self._published = head.positions, True
        follower.start(head.positions)
        while not stop.requested:
            batch = follower.batch()
            if batch.records or batch.ends:
                entries = self._take(taker, batch)
                head = head.at(taker.positions())
                failpoint(Failpoint.REPLICA_BEFORE_PUT)
                superseded = put(store, interner, entries, head)
                failpoint(Failpoint.REPLICA_AFTER_PUT)
                metrics.RECORDS.labels("superseded").inc(superseded)
                self._positions = head.positions
            self._campaigns.step(store)
            self._tend(follower, store)

    def _take(self, taker: Taker, batch: Batch) -> Entries:
        taken = taker.take(batch.records)
        for partition, end in batch.ends:
            taker.reached(partition, end)
        for outcome, count in taken.outcomes.items():
            metrics.RECORDS.labels(outcome).inc(count)
        return taken.entries

    def _blank(self, source: Source) -> Head:
        return Head(
            FORMAT,
            source.topic_id,
            self._pepper.version,
            pepper_check(self._pepper.secret),
            tuple(Position(first) for first in source.first),
        )

    def _tend(self, follower: Follower, store: Store | None) -> None:
        if steady() < self._tend_at:
            return
        self._tend_at = steady() + _TEND_EVERY_S
        topic, at = self._settings.decisions_topic, now_ms()
        for number, lag in enumerate(follower.lag(self._positions)):
            position = self._positions[number].frontier
            self._lags.seen(Look(topic, number, position + lag, at, position))
        metrics.AS_OF.set((as_of(self._positions) or 0) / _MS_PER_S)
        if store is not None:
            metrics.CONTACTS.set(store.entries())
            metrics.BYTES.set(store.size())
            store.env.reader_check()
        if self._held_at and steady() >= self._held_at:
            self._held_at = 0.0
            lives.end(self._copy)
