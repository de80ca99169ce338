"""What a rule file is made of, and the clock by which its durations run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

#: Somebody is woken up.
PAGE: Final = "page"
#: Somebody looks at it in working hours.
TICKET: Final = "ticket"
#: For whoever watches that alerts arrive at all.
NONE: Final = "none"

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MS_PER_S: Final = 1_000
#: Two samples, at the fastest scrape a test makes, in seconds: of less there is no rate.
_LEAST_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Clock:
    """How fast the rules live: 1 in production, less in a test that cannot wait for hours.

    `windows` scales ranges and `for`; `ages` what an age is compared with, which may not fall below
    what a healthy system shows.
    """

    windows: float = 1.0
    ages: float = 1.0

    def window(self, text: str) -> str:
        """A duration such as `5m`, as this clock has it."""
        if self.windows == 1.0:
            return text
        scaled = int(text[:-1]) * _SECONDS[text[-1]] * self.windows
        return f"{int(max(scaled, _LEAST_S) * _MS_PER_S)}ms"

    def age(self, seconds: float) -> str:
        """A number of seconds to compare with."""
        return f"{seconds * self.ages:g}"


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule."""

    name: str
    expr: str

    def rule(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        return {"record": self.name, "expr": self.expr}


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert. `runbook`: a page of docs/runbooks, perhaps with an anchor.

    `summary` is one line with the labels that matter; `meaning` what it does to people.
    """

    name: str
    expr: str
    severity: str
    summary: str
    meaning: str
    runbook: str
    lasting: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def rule(self, pages: str) -> dict[str, Any]:
        """As Prometheus reads it; runbooks begin with `pages`."""
        return {
            "alert": self.name,
            "expr": self.expr,
            **({"for": self.lasting} if self.lasting else {}),
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.meaning,
                "runbook_url": pages + self.runbook,
            },
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, one after the other: one file."""

    name: str
    records: Sequence[Record] = ()
    alerts: Sequence[Alert] = ()


def happened(counter: str, within: str) -> str:
    """Whether a counter that must never move moved, also in a series that began above 0.

    A process that sees the unthinkable ends at once, and may have been scraped never before.
    """
    return f"increase({counter}[{within}]) > 0 or ({counter} > 0 unless {counter} offset {within})"
