"""One partition of `noli.calls` in the hands of a watcher: its campaigns, and how far it is.

What stands in `noli.campaigns` is the only memory: the record of each campaign, and a beacon that
says below which offset of the calls everything is in these records. Whoever gets the partition
reads the calls from there; those counted already are known by their place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from noli.domain.campaigns import Counts
from noli.runtime.logging import get_logger
from noli.runtime.metrics import campaigns as metrics
from noli.wire.campaigns import CALL, Campaign, campaign_key, read_campaign, split_key
from schemas.codec import Codec, UnreadableError
from streams.watch.hands import Read
from streams.watch.tally import Tally

#: Before when every application of calls of a controller holds what was decided; None: unknown.
Confirmed = Callable[[str], int | None]


class Known:
    """`noli.campaigns` as far as it was read: of each partition its campaigns, its last beacon."""

    def __init__(self) -> None:
        self._campaigns: dict[int, dict[bytes, Campaign]] = {}
        self._read: dict[int, int] = {}

    def take(
        self, partition: int, key: bytes | None, name: str, datum: Mapping[str, object]
    ) -> None:
        """One more record, by its full name and decoded value."""
        if name == "noli.CampaignBeacon":
            # The last one: a replaced watcher that wrote late only lets more be read again.
            self._read[partition] = int(str(datum["read"]))
        elif name == "noli.Campaign" and key is not None:
            found = read_campaign(datum)
            known = self._campaigns.setdefault(partition, {})
            if found.supersedes(known.get(key)):
                known[key] = found

    def campaigns(self, partition: int) -> Mapping[bytes, Campaign]:
        """Those of a partition, by key."""
        return self._campaigns.get(partition, {})

    def read(self, partition: int) -> int:
        """Offset of noli.calls below which every call of the partition is counted."""
        return self._read.get(partition, 0)


class CampaignBook:
    """The partition. `position`: the next call to take; all below it are counted."""

    def __init__(self, partition: int, codec: Codec, known: Known, now: Callable[[], int]) -> None:
        self.partition = partition
        self.position = known.read(partition)
        self._codec = codec
        self._now = now
        self._tallies = {
            key: Tally(campaign) for key, campaign in known.campaigns(partition).items()
        }

    def catch_up(self, read: Read) -> None:
        """Take everything from `position` to the end of the log. Blocks."""
        for record in read(self.position):
            self.take(record.offset, record.value, record.key)

    def take(self, offset: int, value: bytes | None, key: bytes | None) -> None:
        """Take the call at `offset`, the next one or a later one; an earlier one was taken."""
        if offset < self.position:
            return
        self.position = offset + 1
        try:
            name, datum = self._codec.decode(value)
        except UnreadableError as error:
            name, datum = "", {}
            place = f"{self.partition}:{offset}"
            get_logger().error("call.unreadable", place=place, why=str(error))
        if name == CALL:
            key = campaign_key(datum["controller"], datum["campaign"])
            tally = self._tallies.get(key)
            if tally is None:
                campaign = Campaign(datum["controller"], datum["campaign"])
                tally = self._tallies[key] = Tally(campaign)
            _told(tally.take(datum))
        elif key is not None and (names := split_key(key)) is not None:
            # Whatever happened on it, it was a call of this campaign: the worst is assumed.
            _told(self._tallies.setdefault(key, Tally(Campaign(*names))).doubt(self._now()))

    def replaced(self, end: int) -> None:
        """The log ends before our position: it is another one, of which nothing is counted.

        What both hold is not counted again; places begin anew, so none is taken for a repeat.
        """
        self.position = end
        for tally in self._tallies.values():
            tally.begin_anew()

    def restate(self) -> None:
        """Somebody else wrote into noli.campaigns: ours is to stand behind it."""
        for tally in self._tallies.values():
            tally.changed = True

    def publishable(self, confirmed: Confirmed, now: int) -> list[Tally]:
        """The campaigns of which there is news, judged at `now` (ms)."""
        as_ofs: dict[str, int | None] = {}
        found = []
        for tally in self._tallies.values():
            if tally.pending:
                if tally.controller not in as_ofs:
                    as_ofs[tally.controller] = confirmed(tally.controller)
                tally.confirm(as_ofs[tally.controller])
            if (tally.changed or tally.over) and tally.judged(now):
                get_logger().warning(
                    "campaign.over" if tally.over else "campaign.within",
                    controller=tally.controller,
                    campaign=tally.campaign,
                )
            if tally.changed:
                found.append(tally)
        return found

    def all(self) -> list[Tally]:
        """Every campaign of the partition."""
        return list(self._tallies.values())


_SILENT: Final = metrics.CALLS.labels("silent")
_ATTENDED: Final = metrics.CALLS.labels("attended")
_LATE: Final = metrics.BREACHES.labels("late_cut")
_NOISELESS: Final = metrics.BREACHES.labels("no_comfort_noise")


def _told(one: Counts) -> None:
    """For Prometheus."""
    for child, many in (
        (_ATTENDED, one.attended),
        (_SILENT, one.silent),
        (_LATE, one.late_cuts),
        (_NOISELESS, one.no_comfort_noise),
    ):
        if many:
            child.inc(many)
