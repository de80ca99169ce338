"""`noli.Call` and `noli.Campaign`: calls of campaigns, and what they came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from noli.domain import campaigns
from noli.domain.campaigns import Counts
from noli.domain.facts import CallAttended, CallSilent, Fact

CALL: Final = "noli.Call"
CAMPAIGN: Final = "noli.Campaign"
CAMPAIGN_BEACON: Final = "noli.CampaignBeacon"

#: Types of facts that are calls.
CALLS: Final = frozenset({CallSilent, CallAttended})

_BETWEEN: Final = "\x1f"
_SILENT: Final = "silent"
_ATTENDED: Final = "attended"


class Place(NamedTuple):
    """Where a fact stands in the log: on one lane and partition they rise."""

    lane: str
    partition: int
    offset: int
    item: int = 0


class Pending(NamedTuple):
    """Holds of a day that wait for confirmation; `decided`: when the last of them was, ms."""

    day: int
    decided: int
    holds: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """What the calls of a campaign came to at `at` (ms): as a whole, and by day.

    `origins`: the last call counted of each lane and partition, as (offset, item).
    """

    controller: str
    campaign: str
    at: int = 0
    whole: Counts = campaigns.NONE
    over: bool = False
    over_since: int | None = None
    days: Mapping[int, Counts] = field(default_factory=dict)
    pending: tuple[Pending, ...] = ()
    origins: Mapping[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def supersedes(self, other: Campaign | None) -> bool:
        """Whether of two records of a campaign, `other` read before, this one stands.

        One that counted fewer calls was written late, by a watcher that had been replaced.
        """
        return other is None or self.whole.answered >= other.whole.answered


def campaign_key(controller: str, campaign: str) -> bytes:
    """The key of a campaign's records."""
    told = [text.strip().replace(_BETWEEN, " ") for text in (controller, campaign)]
    return _BETWEEN.join(told).encode(errors="replace")


def split_key(key: bytes) -> tuple[str, str] | None:
    """Controller and campaign of a key; None where it is none."""
    controller, between, campaign = key.decode(errors="replace").partition(_BETWEEN)
    return (controller, campaign) if between and controller and campaign else None


def call_of(fact: Fact) -> tuple[bytes, str] | None:
    """Key and campaign of a call; None for any other fact, and for a call of no campaign."""
    detail = fact.detail
    if not isinstance(detail, CallSilent | CallAttended):
        return None
    name = (detail.campaign or "").strip()
    return (campaign_key(fact.controller, name), name) if name else None


def call_record(
    fact: Fact, campaign: str, place: Place, *, token: bytes | None, decided: int, counts: bool
) -> dict[str, Any]:
    """The record of a call; `decided` in ms. Raises TypeError for a fact that is no call."""
    detail = fact.detail
    if not isinstance(detail, CallSilent | CallAttended):
        raise TypeError(f"{type(detail).__name__} is no call")
    return {
        "controller": fact.controller,
        "campaign": campaign,
        "outcome": _SILENT if isinstance(detail, CallSilent) else _ATTENDED,
        "answered_at": campaigns.answered_at(fact),
        "accepted": fact.accepted,
        "decided": decided,
        "token": token,
        "fact_id": fact.fact_id,
        "cut_after_ms": detail.cut_after_ms,
        "comfort_noise": detail.comfort_noise,
        **place._asdict(),
        "counts": counts,
    }


def call_counts(datum: Mapping[str, Any]) -> Counts:
    """What a call adds. An outcome of a newer build reads as silent."""
    silent = datum["outcome"] != _ATTENDED
    hold = Counts(holds_due=silent and datum["token"] is not None)
    if not datum["counts"]:
        return hold
    return hold.plus(
        campaigns.counted(
            silent=silent,
            cut_after_ms=datum["cut_after_ms"],
            comfort_noise=datum["comfort_noise"],
        )
    )


def read_campaign(datum: Mapping[str, Any]) -> Campaign:
    """The campaign of a record."""
    return Campaign(
        datum["controller"],
        datum["campaign"],
        datum["at"],
        counts_in(datum),
        datum["over"],
        datum["over_since"],
        {day["day"]: counts_in(day) for day in datum["days"]},
        tuple(Pending(**each) for each in datum["pending"]),
        {
            (each["lane"], each["partition"]): (each["offset"], each["item"])
            for each in datum["origins"]
        },
    )


def campaign_record(campaign: Campaign, watcher: str) -> dict[str, Any]:
    """The record of a campaign, written by `watcher`."""
    return {
        "controller": campaign.controller,
        "campaign": campaign.campaign,
        "at": campaign.at,
        "watcher": watcher,
        **campaign.whole._asdict(),
        "over": campaign.over,
        "over_since": campaign.over_since,
        "days": [{"day": day, **counts._asdict()} for day, counts in sorted(campaign.days.items())],
        "pending": [each._asdict() for each in campaign.pending],
        "origins": [
            {"lane": lane, "partition": partition, "offset": offset, "item": item}
            for (lane, partition), (offset, item) in sorted(campaign.origins.items())
        ],
    }


def counts_in(datum: Mapping[str, Any]) -> Counts:
    """What a record of a campaign, or of one of its days, counted."""
    return Counts(*[datum[name] for name in Counts._fields])
