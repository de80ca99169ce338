"""The dashboard: committed as generated, every panel on metrics that exist, every query parsed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.observability.dashboards.files import FOLDER, NAME, ROWS, text
from deploy.observability.dashboards.panels import Panel
from deploy.observability.rules.files import groups
from deploy.observability.rules.model import Clock
from noli.cli.pages.metrics import catalogue
from tests.support import promtool
from tests.support.servers import installed

_SUFFIXES: Final = re.compile(r"_(bucket|count|sum)$")
_METRICS: Final = re.compile(r"\bnoli_[a-z0-9_]+\b")
_RECORDS: Final = re.compile(r"\bnoli:[a-z0-9_:]+\b")
_LABELS: Final = re.compile(r"\bby \(([a-z, ]+)\)")
#: What Prometheus and the scrape configuration add.
_ADDED: Final = {"process", "instance", "job", "le"}


def panels() -> Iterator[Panel]:
    """Every panel."""
    for _, row in ROWS:
        yield from row


def expressions() -> list[str]:
    """Every query."""
    return [query.expr for panel in panels() for query in panel.queries]


def test_the_committed_dashboard_is_the_generated_one() -> None:
    """A change of the code changes the JSON."""
    assert (FOLDER / NAME).read_text("utf-8") == text(), "run `make dashboards` and commit"


def test_every_metric_of_a_panel_is_in_the_catalogue() -> None:
    """A panel on a metric that nobody exports is empty, and looks like good news."""
    known = {metric.name for metric in catalogue()}
    used = {_SUFFIXES.sub("", name) for expr in expressions() for name in _METRICS.findall(expr)}
    assert used - known == set()
    recorded = {record.name for group in groups(Clock()) for record in group.records}
    assert {name for expr in expressions() for name in _RECORDS.findall(expr)} - recorded == set()


def test_what_is_grouped_by_is_a_label() -> None:
    """`by` something that the metric does not have would be one line for all."""
    labels = {metric.name: set(metric.labels) | _ADDED for metric in catalogue()}
    wrong = [
        expr
        for expr in expressions()
        for names in _LABELS.findall(expr)
        for metric in _METRICS.findall(expr)[:1]
        if set(names.split(", ")) - labels[_SUFFIXES.sub("", metric)]
    ]
    assert wrong == []


def test_every_panel_says_how_to_read_it() -> None:
    """Whoever is woken up has no time to guess."""
    assert [panel.title for panel in panels() if not panel.about or not panel.unit] == []


def test_the_panels_lie_beside_each_other() -> None:
    """Grafana gets each panel in a place of its own, and an id of its own is not missing."""
    made: dict[str, Any] = json.loads((FOLDER / NAME).read_text("utf-8"))
    places = [tuple(panel["gridPos"].get(key, 0) for key in "xywh") for panel in made["panels"]]
    assert len(set(places)) == len(places)
    assert all(x + w <= 24 for x, _, w, _ in places)


def test_prometheus_parses_every_query(tmp_path: Path) -> None:
    """With Grafana's variables filled in, as rules of a file."""
    installed(promtool.PROMTOOL, "prometheus")
    filled = [
        expr.replace("$__rate_interval", "1m").replace("$app", ".*") for expr in expressions()
    ]
    rules = [{"record": f"noli:panel{n}", "expr": expr} for n, expr in enumerate(filled)]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")
    done = promtool.check([path])
    assert done.returncode == 0, done.stdout + done.stderr
