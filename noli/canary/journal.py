"""`noli.canaries`: what a prober that starts takes over from the one before it."""

from __future__ import annotations

from collections.abc import Iterable

from noli.canary.probe import Probe, recalled, record
from noli.runtime import scan
from noli.runtime.clock import now_ms
from noli.runtime.kafka import Acked, NotDurable, Outgoing
from noli.runtime.logging import get_logger
from noli.runtime.settings import Settings
from schemas.codec import Codec, UnreadableError
from schemas.names import CANARIES

log = get_logger()


def recall(settings: Settings, codec: Codec) -> dict[str, Probe]:
    """The newest record of each application; blocks. Raises `noli.runtime.scan.LogUnavailable`."""
    found: dict[str, Probe] = {}
    for partition in range(scan.partitions(settings, [CANARIES])[CANARIES]):
        for stood in scan.records(settings, {CANARIES: partition}):
            try:
                datum = codec.decode(stood.value)[1]
            except UnreadableError:
                continue  # a newer build's: its application is counted anew
            found[datum["app"]] = recalled(datum)
    return found


class Journal:
    """Writes what changed since it wrote last."""

    def __init__(self, acked: Acked, codec: Codec) -> None:
        self._acked = acked
        self._codec = codec
        self._written: dict[str, Probe] = {}

    async def write(self, probes: Iterable[Probe]) -> None:
        """A log that does not take it now is asked again with the next."""
        changed = [one for one in probes if self._written.get(one.app) is not one]
        at = now_ms()
        records = [
            Outgoing(CANARIES, one.app.encode(), self._codec.encode("noli.Canary", record(one, at)))
            for one in changed
        ]
        try:
            await self._acked.send_many(records)
        except NotDurable as error:
            log.warning("canary.not_written", why=str(error))
            return
        self._written.update((one.app, one) for one in changed)
