"""RFC 3339 text and milliseconds since 1970-01-01T00:00:00Z, UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_FORM: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_EARLIEST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MS
_LATEST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS
_LEAP: Final = "60"


def parse(text: str) -> int:
    """Milliseconds of an RFC 3339 time with its offset; what is finer is cut off.

    A leap second is read as the first instant after it. Raises ValueError for anything else,
    a time without an offset included: a local time would be a guess.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise ValueError("not an RFC 3339 time with an offset")
    day, minute, second, fraction, offset = form.groups()
    leap = second == _LEAP
    zone = "+00:00" if offset in "Zz" else offset
    seconds = "59" if leap else second + (fraction or "")
    moment = datetime.fromisoformat(f"{day}T{minute}:{seconds}{zone}")
    return (moment - _EPOCH) // _MS + (SECOND if leap else 0)


def text(ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds only where there are any; at most the years 1 to 9999."""
    moment = _EPOCH + timedelta(milliseconds=min(max(ms, _EARLIEST), _LATEST))
    precision = "milliseconds" if ms % SECOND else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"
