"""The generated pages of docs tell what the code is: regenerated, they equal what is committed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Final

import pytest

from noli.cli.pages.metrics import catalogue, declared
from noli.cli.reference import PAGES, read
from noli.runtime.metrics import SECTIONS
from noli.runtime.metrics.exposition import REGISTRY

DOCS: Final = Path(__file__).parents[2] / "docs"
SOURCE: Final = """\
#: of another thing
X = 1
# --- the loop ---
#: rises when
#: it is late
LAG = Gauge("noli_lag", "Lag.", ["topic"], registry=R)
"""


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_committed_page_equals_the_regenerated_one(name: str) -> None:
    """A change of a setting, topic, metric, command or contract changes its page."""
    assert read(DOCS / name) == PAGES[name](), "run `make docs` and commit"


def test_every_metric_is_found_and_says_how_to_read_it() -> None:
    """The page misses no metric of the registry, and each carries advice beside its meaning."""
    found = {metric.name: metric for metric in catalogue()}
    for section in SECTIONS:
        importlib.import_module(f"noli.runtime.metrics.{section}")
    exposed = {family.name for family in REGISTRY.collect()}
    assert {name.removesuffix("_total") for name in found} == exposed
    assert [name for name, metric in found.items() if not (metric.advice and metric.text)] == []
    assert [name for name in found if not name.startswith("noli_")] == []


def test_advice_is_the_comment_right_above() -> None:
    """Several comment lines join; a comment of something else, above, does not count."""
    (metric,) = declared(SOURCE)
    assert metric == ("noli_lag", "Gauge", ["topic"], "Lag.", "rises when it is late", "the loop")
