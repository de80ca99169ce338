"""docs/reference/metrics.md, from the sources of `noli.runtime.metrics`.

The source and not the objects: what to do when a metric moves stands in the comment above it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import resources
from typing import Final, NamedTuple

from noli.cli.pages.markdown import code, head, table
from noli.runtime.metrics import SECTIONS

_INTRODUCTION: Final = (
    "Every process serves `/metrics` (Prometheus text) on its own port, and exports the sections\n"
    "of what it does. Labels are closed sets: never a contact, never a token."
)
_KINDS: Final = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
_SECTION: Final = re.compile(r"^# --- (?P<title>.+?) -+$")


class Metric(NamedTuple):
    """One declaration; `advice` is its comment: how to read it, what to do when it moves."""

    name: str
    kind: str
    labels: list[str]
    text: str
    advice: str
    section: str


def page() -> str:
    """The page."""
    found = catalogue()
    parts = [head("Metrics", _INTRODUCTION)]
    for title in dict.fromkeys(metric.section for metric in found):
        rows = [row(metric) for metric in found if metric.section == title]
        columns = ["metric", "kind", "labels", "what it counts", "how to read it"]
        parts.append(f"## {title[:1].upper()}{title[1:]}\n\n{table(columns, rows)}")
    return "\n".join(parts)


def catalogue() -> list[Metric]:
    """Every metric of every section, in the order of the page."""
    folder = resources.files("noli.runtime.metrics")
    return [
        metric
        for section in SECTIONS
        for metric in declared(folder.joinpath(f"{section}.py").read_text("utf-8"))
    ]


def row(metric: Metric) -> list[str]:
    """One line of a table."""
    labels = ", ".join(map(code, metric.labels))
    return [code(metric.name), metric.kind.lower(), labels, metric.text, metric.advice]


def declared(source: str) -> Iterator[Metric]:
    """Every metric declared at the top of a module's source, in order."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        call = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in _KINDS:
            above = lines[: node.lineno - 1]
            name, text, *labels = [ast.literal_eval(arg) for arg in call.args]
            kind = ast.unparse(call.func)
            given = [label for group in labels for label in group]
            yield Metric(name, kind, given, text, advice(above), section(above))


def advice(above: list[str]) -> str:
    """The `#:` comment that ends these lines."""
    comment: list[str] = []
    for line in reversed(above):
        if not line.startswith("#:"):
            break
        comment.insert(0, line.removeprefix("#:").strip())
    return " ".join(comment)


def section(above: list[str]) -> str:
    """The title of the last `# --- title ---` line."""
    titles = [match["title"] for line in above if (match := _SECTION.match(line))]
    return titles[-1] if titles else "General"
