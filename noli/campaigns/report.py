"""The report of one campaign, for an inspection: what is told, and the digest of it. Pure."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import orjson

from noli.domain import times
from noli.domain.campaigns import IN_CALLS, NONE, SILENT_MOST, Counts, exceeded, ratio
from noli.wire.campaigns import Campaign

TYPE: Final = "noli.campaign_report.v1"
_EPOCH: Final = date(1970, 1, 1)
#: What a spreadsheet's formula begins with.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Report:
    """A campaign over the days `first` to `last`. `source`: where the numbers were read.

    `made`: when it was, ms.
    """

    campaign: Campaign
    first: date
    last: date
    source: str
    made: int

    @property
    def days(self) -> list[tuple[date, Counts]]:
        """Days on which a call was answered, in order."""
        found = ((day_date(day), counts) for day, counts in sorted(self.campaign.days.items()))
        return [(day, counts) for day, counts in found if self.first <= day <= self.last]

    @property
    def period(self) -> Counts:
        """All of these days together."""
        whole = NONE
        for _, counts in self.days:
            whole = whole.plus(counts)
        return whole

    def data(self) -> dict[str, Any]:
        """What is told, and nothing of who printed it when: the same numbers, the same digest."""
        known = self.campaign
        return {
            "type": TYPE,
            "controller": known.controller,
            "campaign": known.campaign,
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "counted_until": times.text(known.at),
            "limit": {"silent": SILENT_MOST, "in": IN_CALLS},
            "over": known.over,
            "over_since": None if known.over_since is None else times.text(known.over_since),
            "whole": _told(known.whole),
            "period": _told(self.period),
            "days": [{"day": day.isoformat(), **_told(counts)} for day, counts in self.days],
        }

    def sha256(self) -> str:
        """SHA-256 of `data` as JSON with sorted keys and no blanks, hexadecimal."""
        return hashlib.sha256(orjson.dumps(self.data(), option=orjson.OPT_SORT_KEYS)).hexdigest()

    def json(self) -> bytes:
        """For programs."""
        told = {
            "data": self.data(),
            "sha256": self.sha256(),
            "source": self.source,
            "made": times.text(self.made),
        }
        return orjson.dumps(told, option=orjson.OPT_INDENT_2)

    def csv(self) -> str:
        """A row per day."""
        out = io.StringIO(newline="")
        columns = ["controller", "campaign", "day", *_told(NONE)]
        writer = csv.DictWriter(out, columns, lineterminator="\r\n")
        writer.writeheader()
        for row in self.data()["days"]:
            known = {
                "controller": _cell(self.campaign.controller),
                "campaign": _cell(self.campaign.campaign),
            }
            exceeds = "true" if row["exceeded"] else "false"
            writer.writerow({**known, **row, "exceeded": exceeds})
        return out.getvalue()


def report(
    campaign: Campaign, first: date | None, last: date | None, source: str, made: int
) -> Report:
    """Over the days asked for, else from the campaign's first to its last.

    Raises ValueError where the first is after the last.
    """
    days = sorted(campaign.days) or [campaign.at // times.DAY]
    report = Report(campaign, first or day_date(days[0]), last or day_date(days[-1]), source, made)
    if report.first > report.last:
        raise ValueError(f"no day from {report.first} to {report.last}")
    return report


def day_date(day: int) -> date:
    """The date of a day since 1970-01-01."""
    return _EPOCH + timedelta(days=day)


def _cell(text: str) -> str:
    """A name that a spreadsheet does not take for a formula: it is the sender's own."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _told(counts: Counts) -> dict[str, Any]:
    # Text: every program writes it the same way, so the digest can be made anew by any of them.
    return {**counts._asdict(), "ratio": f"{ratio(counts):.2f}", "exceeded": exceeded(counts)}
