"""What a panel is here, and the Grafana panel it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.builders.heatmap import Panel as Heatmap
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

#: The variable by which a user chooses the Prometheus.
SOURCE: Final = "datasource"
#: Of 24 columns, and 8 rows of the grid: three panels side by side.
_WIDTH: Final = 8
_HEIGHT: Final = 7

#: Of a range, as Grafana fits it to the scrape interval and the width of the panel.
RATE: Final = "[$__rate_interval]"

AnyPanel = TimeSeries | Stat | Heatmap


class Kind(Enum):
    """How it is drawn."""

    LINES = "lines"
    NUMBER = "number"
    HEATMAP = "heatmap"


_KINDS: Final[Mapping[Kind, Callable[[], AnyPanel]]] = {
    Kind.LINES: TimeSeries,
    Kind.NUMBER: Stat,
    Kind.HEATMAP: Heatmap,
}


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and the name of its lines (`{{label}}`)."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """`about`: how to read it. `red`: from this value on it is bad; None: no value is."""

    title: str
    about: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = Kind.LINES
    red: float | None = None
    width: int = _WIDTH

    def built(self) -> AnyPanel:
        """The panel for Grafana."""
        panel = _KINDS[self.kind]()
        panel.title(self.title).description(self.about).unit(self.unit)
        panel.span(self.width).height(_HEIGHT)
        panel.datasource(DataSourceRef(type_val="prometheus", uid=f"${{{SOURCE}}}"))
        for number, query in enumerate(self.queries):
            panel.with_target(self._target(number, query))
        if self.red is not None:
            steps = [Threshold(None, "green"), Threshold(self.red, "red")]
            panel.thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        return panel

    def _target(self, number: int, query: Query) -> Dataquery:
        target = Dataquery().ref_id(chr(ord("A") + number)).expr(query.expr)
        target.legend_format(query.legend or "__auto")
        if self.kind is Kind.HEATMAP:
            return target.format(PromQueryFormat.HEATMAP).legend_format("{{le}}").range()
        return target.instant() if self.kind is Kind.NUMBER else target.range()


def p99(histogram: str, by: str, labels: str = "") -> str:
    """The value that 99 of 100 stay under, by a label."""
    rate = f"rate({histogram}_bucket{labels}{RATE})"
    return f"histogram_quantile(0.99, sum by ({by}, le) ({rate}))"
