"""Times of many rows: what the rows before said of them, they need not say again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from noli.cli.sending.moments import rfc3339
from noli.domain import times
from schemas.template import long_bytes

#: Texts remembered; then all are forgotten.
_KEPT: Final = 16_384
#: 2026-11-22T20:15:30Z: day, minute and second in UTC, each seen before in another time.
_UTC_LENGTH: Final = 20
_DAY, _MINUTE = slice(10), slice(10, 16)
_SECOND: Final = slice(16, None)
_MIDNIGHT: Final = "T00:00:00Z"
_WHOLE: Final = ":00Z"


class Moment(NamedTuple):
    """A time: RFC 3339, None where the row says none, and an Avro long."""

    text: str | None
    long: bytes


class Moments:
    """Reads times as `rfc3339` and the intake do. `zone` is that of times without an offset."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._known: dict[tuple[str, bool], Moment | None] = {}
        self._days: dict[str, int] = {}
        self._minutes: dict[str, int] = {}
        self._seconds: dict[str, int] = {}

    def read(
        self, said: str, denying: Callable[[Sequence[str]], bool], row: Sequence[str]
    ) -> Moment | None:
        """The moment of a row's time; None for one that may be refused.

        A time in UTC means the same whatever the row is; of others `denying` is asked.
        """
        if len(said) == _UTC_LENGTH:
            try:
                ms = (
                    self._days[said[_DAY]]
                    + self._minutes[said[_MINUTE]]
                    + self._seconds[said[_SECOND]]
                )
            except KeyError:
                pass
            else:
                return Moment(said, long_bytes(ms))
        key = said, denying(row)
        if key in self._known:
            return self._known[key]
        return self._learnt(key)

    def _learnt(self, key: tuple[str, bool]) -> Moment | None:
        said, denying = key
        if len(self._known) >= _KEPT:
            self._known.clear()
        found = None
        try:
            text = rfc3339(said, self._zone, denying=denying)
            ms = times.parse(text)
        except (ValueError, OverflowError):
            self._known[key] = found
            return found
        found = Moment(text, long_bytes(ms))
        if text == said and len(said) == _UTC_LENGTH:
            self._split(said, ms)
        else:
            self._known[key] = found
        return found

    def _split(self, said: str, ms: int) -> None:
        """What passed whole, unchanged, has parts that pass with any others that did."""
        if len(self._days) >= _KEPT:
            self._days.clear()
        day, minute, second = said[_DAY], said[_MINUTE], said[_SECOND]
        self._days[day] = midnight = times.parse(day + _MIDNIGHT)
        whole = times.parse(day + minute + _WHOLE)
        self._minutes[minute] = whole - midnight
        self._seconds[second] = ms - whole
