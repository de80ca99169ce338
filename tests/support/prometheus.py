"""A real Prometheus over a running stack, on rules that live fast enough for a test."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from deploy.observability.rules.model import Clock
from noli.cli.stack import ports
from tests.support import promtool
from tests.support.blackbox import until
from tests.support.servers import installed, running

#: A minute of a rule is three seconds here. Ages shrink less: a healthy stack is a second behind.
CLOCK: Final = Clock(windows=1 / 20, ages=0.2)
_EVERY: Final = "1s"
#: Between two looks at what fires, in seconds.
_LOOK_S: Final = 0.25
_START_S: Final = 30.0


@dataclass
class Prometheus:
    """What it says. `fired`: when each alert was last seen firing (steady clock)."""

    url: str
    fired: dict[str, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        alerts = self._get("/api/v1/alerts")["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    def value(self, query: str) -> float | None:
        """A query's one value, or None."""
        found = self._get("/api/v1/query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None

    def series(self) -> set[str]:
        """Names of all metrics that some target exports."""
        response = httpx2.get(f"{self.url}/api/v1/label/__name__/values", timeout=5)
        return set(response.json()["data"])

    def targets(self) -> Mapping[str, str]:
        """Health of each process, by name."""
        found = self._get("/api/v1/targets", state="active")["activeTargets"]
        return {one["labels"]["process"]: one["health"] for one in found}

    def expect(self, names: Collection[str], since: float, deadline_s: float) -> None:
        """Wait until each of these was seen firing since a moment (steady clock)."""

        def missing() -> set[str]:
            return {name for name in names if self.fired.get(name, 0.0) < since}

        try:
            until(lambda: not missing(), "alerts", deadline_s)
        except AssertionError as error:
            raise AssertionError(f"did not fire within {deadline_s} s: {missing()}") from error

    def watch(self) -> None:
        """Note what fires, until told to stop: some alerts are short."""
        while not self._stop.wait(_LOOK_S):
            try:
                now, names = time.monotonic(), self.firing()
            except httpx2.HTTPError:
                continue
            self.fired.update(dict.fromkeys(names, now))

    def close(self) -> None:
        """Watch no longer."""
        self._stop.set()

    def _get(self, path: str, **params: str) -> Any:  # noqa: ANN401 - whatever the API says
        response = httpx2.get(f"{self.url}{path}", params=params, timeout=5)
        response.raise_for_status()
        return response.json()["data"]


@contextmanager
def prometheus(folder: Path, *targets: Path) -> Iterator[Prometheus]:
    """It scrapes the targets of these files each second, and judges by the scaled rules."""
    program = installed("prometheus", "prometheus")
    folder.mkdir()
    promtool.written(folder, CLOCK)
    scrape = {
        "job_name": "noli",
        "file_sd_configs": [{"files": [str(path) for path in targets], "refresh_interval": _EVERY}],
    }
    config = {
        "global": {
            "scrape_interval": _EVERY,
            "scrape_timeout": _EVERY,
            "evaluation_interval": _EVERY,
        },
        "rule_files": [str(folder / "*.yaml")],
        "scrape_configs": [scrape],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    address = f"127.0.0.1:{ports.choose(['prometheus'])['prometheus']}"
    found = Prometheus(f"http://{address}")
    arguments = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    with running("prometheus", arguments, folder):
        until(lambda: _ready(found.url), "Prometheus", _START_S)
        watching = threading.Thread(target=found.watch, daemon=True)
        watching.start()
        try:
            yield found
        finally:
            found.close()
            watching.join()


def _ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/-/ready", timeout=2).status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False


def target(path: Path, process: str, port: int) -> None:
    """A file of one target that no stack knows of."""
    told = [{"targets": [f"127.0.0.1:{port}"], "labels": {"process": process}}]
    path.write_text(json.dumps(told), "utf-8")
