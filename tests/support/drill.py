"""A stack, its application, who watches it, and who speaks: for drills under Prometheus."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from noli.cli.stack import records
from noli.runtime.settings import Settings
from tests.support.bad_app import BadApp
from tests.support.blackbox import Client, Stack
from tests.support.prometheus import Prometheus


@dataclass
class Drill:
    """A stack, its application, who watches it, and who speaks."""

    stack: Stack
    app: BadApp
    watched: Prometheus
    client: Client
    tmp: Path

    @contextmanager
    def stopped(self, *names: str) -> Iterator[float]:
        """Processes that answer nobody any more, for a block; when it began (steady clock)."""
        pids = [
            identity.pid
            for name, identity in records.read(self.stack.data).items()
            if name in names
        ]
        assert len(pids) == len(names)
        began = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield began
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def settings(self, **over: object) -> Settings:
        """Settings that point at its log."""
        found = self.stack.endpoints()
        given = {
            "kafka": found["kafka"],
            "registry": found["registry"],
            "data": self.tmp / "reader",
        }
        return Settings.model_validate({**given, **over})

    def scrape(self) -> dict[str, str]:
        """What every process exports now, by name."""
        found = {}
        for process, place in self.places().items():
            found[process] = httpx2.get(f"http://{place}/metrics", timeout=5).text
        return found

    def places(self) -> dict[str, str]:
        """Address of each process."""
        told = self.watched._get("/api/v1/targets", state="active")["activeTargets"]
        return {one["labels"]["process"]: one["labels"]["instance"] for one in told}
