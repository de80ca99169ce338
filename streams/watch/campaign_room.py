"""The room that counts calls: follows `noli.calls`, publishes each campaign once a second.

After the campaigns of a partition, once they are in the log, goes its beacon: how far the calls are
counted, and as of when. A watcher that lags, or is cut off, sends none, and the leases of those who
answer for campaigns run out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from noli.runtime.beside import Beside
from noli.runtime.clock import now_ms
from noli.runtime.logging import get_logger
from noli.runtime.metrics import campaigns as metrics
from noli.wire.campaigns import CAMPAIGN, CAMPAIGN_BEACON, campaign_key, campaign_record
from schemas.codec import Codec, UnreadableError
from schemas.names import ALIGNMENT, APPS, BEACON_KEY, CALLS, CAMPAIGNS
from streams.watch.campaigns import CampaignBook, Known
from streams.watch.hands import Hands
from streams.watch.rhythm import DELIVERY_S, Rhythm
from streams.watch.serving import Serving

if TYPE_CHECKING:
    import faust

    from noli.runtime.part import Record
    from noli.runtime.settings import Settings

_TOPICS: Final = (CAMPAIGNS, ALIGNMENT, APPS)
#: For reading all of that at the start, and for the brokers to tell where the calls end, seconds.
_START_S: Final = 300.0

#: A record to be published: its partition, key and value.
_Outgoing = tuple[int, bytes, bytes]


class NotAlike(Exception):
    """The calls of a campaign and its record do not stand on partitions of one number."""


class CampaignRoom:
    """Counts the calls of its partitions. Raises `NotAlike` where these cannot be counted."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        self._settings = settings
        self._codec = codec
        self._log = get_logger()
        self._known = Known()
        self._serving = Serving(codec)
        self._beside = Beside(settings, _TOPICS, self._heard)
        calls, campaigns = (self._beside.partitions.get(name) for name in (CALLS, CAMPAIGNS))
        if calls != campaigns:
            raise NotAlike(f"{CALLS} has {calls} partitions, {CAMPAIGNS} has {campaigns}")
        self._hands = Hands(settings, CALLS, self._book)
        #: Per partition: an end of the calls, and when it was asked for (ms), not reached yet.
        self._ends: dict[int, tuple[int, int]] = {}
        #: Per partition: the next offset of noli.campaigns, if nobody else writes there.
        self._next: dict[int, int] = {}
        self._rhythm = Rhythm("campaigns", settings.instance, self._hands, self)
        self._target: Any = None

    def enter(self, app: faust.App) -> None:
        """One agent on the calls, one task that publishes."""
        self._target = app.topic(CAMPAIGNS, key_type=bytes, value_type=bytes)
        self._hands.enter(app, "campaigns")
        app.task(self._rhythm.run)

    async def aclose(self) -> None:
        """Follow no longer."""
        self._rhythm.close()
        await self._beside.aclose()

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """Ready once what is owned was published, and lately."""
        ready, late = self._rhythm.ready()
        return ready, {"campaigns_published_s_ago": late}

    def _heard(self, record: Record) -> None:
        try:
            if record.topic == CAMPAIGNS:
                name, datum = self._codec.decode(record.value)
                self._known.take(record.partition, record.key, name, datum)
            else:
                self._serving.take(record.topic, record.key, record.value)
        except UnreadableError as error:
            # Of a newer build: a campaign is then counted again from what is known of it.
            self._log.error("campaigns.unreadable", topic=record.topic, why=str(error))

    def _book(self, partition: int) -> CampaignBook:
        self._ends.pop(partition, None)
        self._next.pop(partition, None)
        return CampaignBook(partition, self._codec, self._known, now_ms)

    async def known(self) -> None:
        """Return once campaigns, and who has confirmed their holds, were read whole."""
        await self._beside.caught_up(_TOPICS, _START_S)

    async def found(self) -> list[_Outgoing]:
        """What changed."""
        await self._ask()
        return self._changed(now_ms())

    async def deliver(self, found: list[_Outgoing], upto: Mapping[int, int]) -> None:
        """What changed, then the beacons."""
        await self._deliver(found)
        await self._deliver(self._beacons(upto))

    async def _ask(self) -> None:
        """Where the calls end now; a partition that has yet to get there keeps its end."""
        asked = now_ms()
        ends = (await self._beside.ends([CALLS]))[CALLS]
        for number, book in self._hands.books.items():
            if ends[number] < book.position:
                self._log.error("calls.replaced", partition=number, end=ends[number])
                book.replaced(ends[number])
            self._ends.setdefault(number, (ends[number], asked))

    def _changed(self, now: int) -> list[_Outgoing]:
        found = []
        for number, book in self._hands.books.items():
            for tally in book.publishable(self._serving.confirmed, now):
                tally.changed = False  # whatever comes from here on is told the next time
                record = campaign_record(tally.record(now), self._settings.instance)
                key = campaign_key(tally.controller, tally.campaign)
                found.append((number, key, self._codec.encode(CAMPAIGN, record)))
        return found

    def _beacons(self, upto: Mapping[int, int]) -> list[_Outgoing]:
        """One of each partition whose calls are counted up to where they ended."""
        found = []
        for number, position in upto.items():
            end, asked = self._ends.get(number, (position + 1, 0))
            if position < end:
                continue
            del self._ends[number]
            beacon = {
                "partition": number, "as_of": asked, "at": now_ms(), "read": position,
                "watcher": self._settings.instance,
            }  # fmt: skip
            found.append((number, BEACON_KEY, self._codec.encode(CAMPAIGN_BEACON, beacon)))
        return found

    async def _deliver(self, found: list[_Outgoing]) -> None:
        """Return once the broker has all; anything else ends the process."""
        sent = [
            await self._target.send(partition=number, key=key, value=value)
            for number, key, value in found
        ]
        async with asyncio.timeout(DELIVERY_S):
            placed = await asyncio.gather(*sent)
        for place in sorted((place.partition, place.offset) for place in placed):
            self._stands(*place)

    def _stands(self, partition: int, offset: int) -> None:
        """A record of ours stands there; before it another watcher's, if it is not the next."""
        if offset > self._next.get(partition, offset):
            self._log.warning("campaigns.foreign", partition=partition, offset=offset)
            if (book := self._hands.books.get(partition)) is not None:
                book.restate()
        self._next[partition] = offset + 1

    def tell(self) -> None:
        """For Prometheus."""
        tallies = [tally for book in self._hands.books.values() for tally in book.all()]
        metrics.OVER.set(sum(tally.over for tally in tallies))
        metrics.HOLDS_PENDING.set(sum(tally.pending for tally in tallies))
