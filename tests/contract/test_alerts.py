"""The alerts: as generated, on metrics that exist, with runbooks; each fires, and rests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pytest
import typer
import yaml

from deploy.observability.rules.files import FOLDER, files, groups
from deploy.observability.rules.model import NONE, PAGE, Alert, Clock
from deploy.observability.rules.pipeline import VITAL
from noli.cli.main import app
from noli.cli.pages.metrics import catalogue
from tests.support import promtool
from tests.support.alert_cases import CASES
from tests.support.promtool import Case
from tests.support.servers import installed

ROOT: Final = Path(__file__).parents[2]
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
#: What Prometheus makes of a histogram, and itself.
_SUFFIXES: Final = re.compile(r"_(bucket|count|sum)$")
_NAMES: Final = re.compile(r"\bnoli_[a-z0-9_]+\b")
_CLOCKS: Final = (Clock(), Clock(windows=1 / 60, ages=0.2))
#: What a page says, by headings.
_SECTIONS: Final = ("What you see", "What it means", "What to do", "When it is over")


def alerts() -> list[Alert]:
    """Every alert."""
    return list(chain.from_iterable(group.alerts for group in groups(Clock())))


def test_the_committed_rules_are_the_generated_ones() -> None:
    """A change of deploy/observability/rules changes its files, and nothing else lies there."""
    committed = {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()}
    assert committed == files(Clock()), "run `make rules` and commit"


@pytest.fixture(scope="session")
def prometheus() -> str:
    """Prometheus' own tool; without it these tests are skipped and say so."""
    return installed(promtool.PROMTOOL, "prometheus")


@pytest.mark.parametrize("clock", _CLOCKS, ids=["production", "scaled"])
def test_prometheus_reads_the_rules(clock: Clock, tmp_path: Path, prometheus: str) -> None:
    """In production's time and in a test's."""
    done = promtool.check(promtool.written(tmp_path, clock))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_scrape_configuration_is_one(prometheus: str) -> None:
    """It finds the rules, and names the job that alerts count on."""
    path = FOLDER.parent / "prometheus.yml"
    done = promtool.check_config(path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(files(Clock()))} rule files found" in done.stderr + done.stdout
    assert [job["job_name"] for job in yaml.safe_load(path.read_text())["scrape_configs"]] == [
        "noli"
    ]


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory, prometheus: str) -> Sequence[Path]:
    """The rule files, and who reads them."""
    return promtool.written(tmp_path_factory.mktemp("rules"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_alert_fires_when_it_should_and_only_then(
    case: Case, rules: Sequence[Path], tmp_path: Path
) -> None:
    """Whatever the case says fires at that moment, with its labels; else nothing of that name."""
    done = promtool.run(case, rules, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def absent(*missing: str) -> Case:
    """Every vital series there, but these; the ten first minutes are over."""
    there = {series: "1x20" for series in VITAL if series not in missing}
    return Case("NoliSeriesAbsent", "", there, [{"series": name} for name in missing], "10m")


@pytest.mark.parametrize("series", VITAL)
def test_a_series_that_is_gone_pages(series: str, rules: Sequence[Path], tmp_path: Path) -> None:
    """An alert on a series that nobody exports would be silent for ever."""
    done = promtool.run(absent(series), rules, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_series_is_missed_where_all_are_there(rules: Sequence[Path], tmp_path: Path) -> None:
    """The other direction."""
    done = promtool.run(absent(), rules, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


#: Canaries for ten minutes, and none since.
FLOWN: Final = {'noli_probe_sent_total{app="crm"}': "0+60x10 stale"}
PROBER: Final = 'up{job="noli",process="canary"}'


@pytest.mark.parametrize(
    "what, there, at, fires",
    [
        ("their prober went away", FLOWN, "20m", True),
        ("their prober does not answer", FLOWN | {PROBER: "1x10 0x90"}, "20m", True),
        ("their prober has nobody to send any to", FLOWN | {PROBER: "1x100"}, "20m", False),
        ("they were switched off an hour ago", FLOWN, "75m", False),
        ("they were never on", {}, "20m", False),
    ],
)
def test_canaries_are_missed_where_some_flew(
    what: str,
    there: dict[str, str],
    at: str,
    fires: bool,
    rules: Sequence[Path],
    tmp_path: Path,
) -> None:
    """Where they are off, or everybody is paused, nobody is woken up."""
    vital = dict.fromkeys(VITAL, "1x100")
    missing = [{"series": "noli_probe_sent_total"}] if fires else []
    case = Case("NoliSeriesAbsent", what, vital | there, missing, at)
    done = promtool.run(case, rules, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_of_each_kind() -> None:
    """At least one in which it fires and one in which it does not."""
    fires = Counter(case.alert for case in CASES if case.firing)
    rests = Counter(case.alert for case in CASES if not case.firing)
    names = {alert.name for alert in alerts()} - {"NoliSeriesAbsent"}
    assert names - fires.keys() == set()
    assert names - rests.keys() == {"NoliDeadMan"}


def test_every_metric_of_a_rule_is_in_the_catalogue() -> None:
    """A typing error in a rule is an alert that never fires."""
    known = {metric.name for metric in catalogue()}
    used = {_SUFFIXES.sub("", name) for text in files(Clock()).values() for name in used_in(text)}
    assert used - known == set()


def used_in(text: str) -> set[str]:
    """Metrics that the expressions of a rule file name."""
    code = [line for line in text.splitlines() if not line.lstrip().startswith(("summary", "desc"))]
    return set(_NAMES.findall("\n".join(code)))


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: f"{alert.name}-{alert.severity}")
def test_every_alert_leads_to_a_page(alert: Alert) -> None:
    """The page names the alert; one that pages has a page of its own, by the four headings."""
    name, _, anchor = alert.runbook.partition("#")
    text = (RUNBOOKS / name).read_text("utf-8")
    assert f"`{alert.name}`" in text
    if anchor:
        titles = (
            title.lower().replace(" ", "-")
            for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        )
        assert anchor in titles
    if alert.severity == PAGE:
        assert [title for title in _SECTIONS if f"## {title}\n" not in text] == []


def test_no_page_is_about_an_alert_that_is_gone() -> None:
    """A runbook names alerts that exist."""
    known = {alert.name for alert in alerts()}
    named = {
        name
        for page in RUNBOOKS.glob("*.md")
        for name in re.findall(r"`(Noli[A-Z]\w+)`", page.read_text("utf-8"))
    }
    assert named - known == set()


def test_severities_are_three() -> None:
    """A page, a ticket, and the one that always fires."""
    assert {alert.severity for alert in alerts()} == {PAGE, "ticket", NONE}


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_a_runbook_names_metrics_and_commands_that_exist(page: Path) -> None:
    """Whoever is woken up by it must not be sent to a command that there is not."""
    text = page.read_text("utf-8")
    known = {metric.name for metric in catalogue()}
    assert {_SUFFIXES.sub("", name) for name in used_in(text)} - known == set()
    spoken = re.findall(r"`noli((?: [a-z-]+)+)", text)
    assert [words for words in spoken if not _is_command(words.split())] == []


def _is_command(words: Sequence[str]) -> bool:
    """Whether the words lead to a command; a group may be named alone."""
    here: Any = typer.main.get_command(app)
    for word in words:
        if not hasattr(here, "commands"):
            return True  # the rest is an argument in small letters
        if word not in here.commands:
            return False
        here = here.commands[word]
    return True
