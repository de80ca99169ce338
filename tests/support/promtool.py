"""Prometheus' own judgement of the rules: what fires when series look like this."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.observability.rules.files import files
from deploy.observability.rules.model import Clock

PROMTOOL: Final = "promtool"
_TIMEOUT_S: Final = 60


@dataclass(frozen=True)
class Case:
    """One look at one alert: `series` by promtool's notation, a sample each `every`, until `at`.

    `firing`: the labels that matter of each alert that fires then; empty: none does.
    """

    alert: str
    why: str
    series: Mapping[str, str]
    firing: Sequence[Mapping[str, str]] = field(default_factory=tuple)
    at: str = "10m"
    every: str = "1m"

    def __str__(self) -> str:
        """For pytest's list."""
        return f"{self.alert}: {self.why}"


def written(folder: Path, clock: Clock | None = None) -> list[Path]:
    """The rule files, in a folder."""
    paths = []
    for name, text in files(clock or Clock()).items():
        paths.append(folder / name)
        paths[-1].write_text(text, "utf-8")
    return paths


def run(case: Case, rules: Sequence[Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """`promtool test rules` of a case."""
    keys = sorted({key for labels in case.firing for key in labels})
    firing = f'ALERTS{{alertname="{case.alert}",alertstate="firing"}}'
    expected: list[dict[str, Any]] = [
        {"labels": _selector(labels), "value": 1} for labels in case.firing
    ]
    test = {
        # The one file that has it: to evaluate the others beside it costs most of the time.
        "rule_files": [str(p) for p in rules if f"alert: {case.alert}\n" in p.read_text("utf-8")],
        "evaluation_interval": case.every,
        "tests": [
            {
                "name": str(case),
                "interval": case.every,
                "input_series": [
                    {"series": series, "values": values} for series, values in case.series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": f"group by ({', '.join(keys)}) ({firing})",
                        "eval_time": case.at,
                        "exp_samples": expected,
                    }
                ],
            }
        ],
    }
    path = folder / "case.yaml"
    path.write_text(yaml.safe_dump(test, sort_keys=False), "utf-8")
    return subprocess.run(
        [PROMTOOL, "test", "rules", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )


def check(rules: Sequence[Path]) -> subprocess.CompletedProcess[str]:
    """`promtool check rules`."""
    return subprocess.run(
        [PROMTOOL, "check", "rules", *map(str, rules)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )


def check_config(path: Path) -> subprocess.CompletedProcess[str]:
    """`promtool check config`."""
    return subprocess.run(
        [PROMTOOL, "check", "config", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_S,
    )


def _selector(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'{key}="{value}"' for key, value in labels.items()) + "}"
