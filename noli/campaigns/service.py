"""The writer of the statistics: follows noli.campaigns, and puts what changed into PostgreSQL.

It remembers nothing: at each start it reads the topic whole, and rows that stand are left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from noli.campaigns.log import Latest
from noli.campaigns.statistics import Statistics, Unusable
from noli.runtime.beside import Beside
from noli.runtime.clock import steady
from noli.runtime.logging import get_logger

if TYPE_CHECKING:
    from noli.runtime.part import Record
    from noli.runtime.process import Stop
    from noli.runtime.settings import Settings
    from noli.wire.campaigns import Campaign
    from schemas.codec import Codec

#: Seconds between two writes: a report may be this old.
EVERY_S: Final = 5.0
#: Seconds before a database that failed is asked again.
_AGAIN_S: Final = 5.0
#: Seconds for reading the topic at the start; some thousands of records.
_START_S: Final = 300.0
#: Writes that failed for so long make the process not ready, in seconds.
_LATE_S: Final = 60.0


class NotConfigured(ValueError):
    """There is no database to write to; the text names the setting."""


class Writer:
    """Made and run on one event loop."""

    def __init__(self, settings: Settings, codec: Codec) -> None:
        """Raises `NotConfigured`."""
        self._dsn = settings.campaigns_dsn.get_secret_value()
        if not self._dsn:
            raise NotConfigured("NOLI_CAMPAIGNS_DSN: name a PostgreSQL for the statistics")
        self._settings = settings
        self._latest = Latest(codec)
        self._log = get_logger()
        self._statistics: Statistics | None = None
        self._written_at: float | None = None

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """Ready while what the log says is written, and lately; from any thread."""
        late = None if self._written_at is None else round(steady() - self._written_at, 1)
        detail = {"campaigns": len(self._latest.campaigns), "written_s_ago": late}
        return late is not None and late < _LATE_S, detail

    async def run(self, stop: Stop) -> None:
        """Until asked to stop. Raises `BrokerUnavailable`, and `Behind` at the start."""
        topic = self._settings.campaigns_topic
        beside = Beside(self._settings, [topic], self._take)
        try:
            await beside.caught_up([topic], _START_S)
            while not await asyncio.to_thread(stop.wait, await self._turn()):
                pass
        finally:
            await beside.aclose()
            self._forget()

    def _take(self, record: Record) -> None:
        self._latest.take(record.key, record.value)

    async def _turn(self) -> float:
        """Put what changed; seconds until the next time."""
        due = self._latest.taken()
        try:
            rows = await asyncio.to_thread(self._write, due)
        except Unusable as error:
            self._log.error("statistics.unwritten", why=str(error))
            self._latest.again(due)
            self._forget()
            return _AGAIN_S
        self._written_at = steady()
        if rows:
            self._log.info("statistics.written", campaigns=len(due), rows=rows)
        return EVERY_S

    def _write(self, due: list[Campaign]) -> int:
        if self._statistics is None:
            self._statistics = Statistics.open(self._dsn)
            self._statistics.create()
        return self._statistics.put(due)

    def _forget(self) -> None:
        if self._statistics is not None:
            self._statistics.close()
            self._statistics = None
