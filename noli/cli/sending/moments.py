"""Times as spreadsheets write them, made RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

_ITALIAN: Final = re.compile(
    r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:[ ,T]+(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?)?", re.ASCII
)
_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?", re.ASCII
)
#: A day without an hour: its last instant for a denial, its first for anything else. Whichever of
#: two readings denies longer is taken.
_DAY_END: Final = time(23, 59, 59)


def rfc3339(text: str, zone: ZoneInfo, *, denying: bool) -> str:
    """`text` as RFC 3339: ISO 8601 or Italian (day/month/year), local to `zone` without an offset.

    What cannot be read is returned as it stands: the intake says what is wrong with it.
    """
    found = _iso(text) or _italian(text)
    if found is None:
        return text
    moment, dated_only = found
    if dated_only and denying:
        moment = datetime.combine(moment.date(), _DAY_END)
    if moment.tzinfo is None:
        moment = _local(moment, zone, later=denying)
    try:
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:  # 01/01/0001, which some systems write for "never"
        return text


def _iso(text: str) -> tuple[datetime, bool] | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text), len(text) == len("2026-11-22")
    except ValueError:
        return None


def _italian(text: str) -> tuple[datetime, bool] | None:
    form = _ITALIAN.fullmatch(text)
    if form is None:
        return None
    day, month, year, hour, minute, second = (int(part or 0) for part in form.groups())
    try:
        return datetime(year, month, day, hour, minute, second), form[4] is None  # noqa: DTZ001
    except ValueError:
        return None


def _local(moment: datetime, zone: ZoneInfo, *, later: bool) -> datetime:
    """The hour that clocks go back over exists twice: the later one for a denial."""
    return moment.replace(tzinfo=zone, fold=int(later))
