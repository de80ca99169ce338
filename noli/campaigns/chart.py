"""The ratio of each day against the limit, as a drawing."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from noli.domain.campaigns import SILENT_MOST, exceeded, ratio

if TYPE_CHECKING:
    from datetime import date

    from noli.campaigns.report import Report
    from noli.domain.campaigns import Counts

#: Of the drawing, in its own units; and the room left for the scale, above and below.
_WIDTH: Final = 720
_HEIGHT: Final = 150
_LEFT: Final = 34
_TOP: Final = 10
_BOTTOM: Final = 22
#: The scale shows this much at least, so that the limit is never at the edge.
_SCALE_LEAST: Final = 4.0
#: A bar is as wide as this at most, and bars stand apart by this share of their place.
_BAR_MOST: Final = 28.0
_BAR_SHARE: Final = 0.7


def figure(report: Report) -> str:
    """The drawing with its caption."""
    days = report.days
    top = max(_SCALE_LEAST, *(ratio(counts) for _, counts in days)) * 1.05
    step = (_WIDTH - _LEFT) / len(days)
    bars = "".join(_bar(n, step, top, day) for n, day in enumerate(days))
    limit = _y(SILENT_MOST, top)
    over = sum(exceeded(counts) for _, counts in days)
    alt = (
        f"Chiamate mute ogni 100 andate a buon fine, per giorno, dal {days[0][0]} al {days[-1][0]};"
        f" giorni oltre il limite di {SILENT_MOST}: {over} su {len(days)}."
    )
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(alt)}"'
        ' font-family="sans-serif" font-size="10" fill="#333">'
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{_y(0, top):.1f}" y2="{_y(0, top):.1f}"'
        ' stroke="#888"/>'
        f"{bars}"
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{limit:.1f}" y2="{limit:.1f}" stroke="#b00020"'
        ' stroke-dasharray="5 3"/>'
        f'<text x="{_LEFT - 5}" y="{limit + 3:.1f}" text-anchor="end" fill="#b00020">'
        f"{SILENT_MOST}</text>"
        f'<text x="{_LEFT - 5}" y="{_y(0, top) + 3:.1f}" text-anchor="end">0</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{days[0][0]}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 6}" text-anchor="end">{days[-1][0]}</text></svg>'
        f'<figcaption>{escape(alt)} <span class="en" lang="en">Silent calls in 100 attended, by'
        f" day; over the limit: {over} of {len(days)} days.</span></figcaption></figure>"
    )


def _bar(place: int, step: float, top: float, day: tuple[date, Counts]) -> str:
    counts = day[1]
    width = min(_BAR_MOST, step * _BAR_SHARE)
    x = _LEFT + step * place + (step - width) / 2
    y = _y(ratio(counts), top)
    colour = "#b00020" if exceeded(counts) else "#4a6b8a"
    height = _y(0, top) - y
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
    )


def _y(value: float, top: float) -> float:
    return _TOP + (1 - value / top) * (_HEIGHT - _TOP - _BOTTOM)
