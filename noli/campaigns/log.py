"""What noli.campaigns holds, read to its end: where no PostgreSQL is configured."""

from __future__ import annotations

from collections.abc import Iterable

from noli.runtime import scan
from noli.runtime.logging import get_logger
from noli.runtime.settings import Settings
from noli.wire.campaigns import CAMPAIGN, Campaign, campaign_key, read_campaign
from schemas.codec import Codec, UnreadableError


class Latest:
    """Campaigns by key, as the last record that stands has them."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.campaigns: dict[bytes, Campaign] = {}
        #: Keys of campaigns told anew since the last `taken`.
        self.fresh: set[bytes] = set()

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """One more record; one that cannot be read is logged and passed over."""
        try:
            name, datum = self._codec.decode(value)
        except UnreadableError as error:
            get_logger().error("campaign.unreadable", why=str(error))
            return
        if name != CAMPAIGN or key is None:
            return
        found = read_campaign(datum)
        if found.supersedes(self.campaigns.get(key)):
            self.campaigns[key] = found
            self.fresh.add(key)

    def taken(self) -> list[Campaign]:
        """The campaigns told anew; they are not given again."""
        found = [self.campaigns[key] for key in sorted(self.fresh)]
        self.fresh.clear()
        return found

    def again(self, campaigns: Iterable[Campaign]) -> None:
        """Give these once more: what they were taken for did not come off."""
        self.fresh.update(campaign_key(each.controller, each.campaign) for each in campaigns)


def campaigns(settings: Settings, codec: Codec) -> list[Campaign]:
    """Every campaign, by controller and name. Raises `noli.runtime.scan.LogUnavailable`."""
    topic = settings.campaigns_topic
    latest = Latest(codec)
    for partition in range(scan.partitions(settings, [topic])[topic]):
        for record in scan.records(settings, {topic: partition}):
            latest.take(record.key, record.value)
    return sorted(latest.campaigns.values(), key=lambda each: (each.controller, each.campaign))
