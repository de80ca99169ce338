"""The intake as a process of its own, on a free port, with one API key."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import httpx2

from noli.runtime import apikeys
from noli.runtime.settings import Settings

#: The pepper of these processes, hexadecimal.
SECRET: Final = "c0ffee" * 10 + "cafe"
#: Seconds for a start, or for readiness to change, on a crowded machine.
START_S: Final = 60.0


@dataclass(frozen=True)
class Running:
    """A started intake. `url`: where it listens; `key`: may write events, give orders, look."""

    process: subprocess.Popen[str]
    url: str
    key: str

    def client(self) -> httpx2.Client:
        """With the key that may write."""
        return httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=30,
            trust_env=False,
        )

    def until_ready(self, *, ready: bool = True) -> None:
        """Wait until `/readyz` says so."""
        end = time.monotonic() + START_S
        with self.client() as client:
            while (client.get("/readyz").status_code == 200) is not ready:
                assert time.monotonic() < end, "readiness did not change"


def environment(settings: Settings, folder: Path) -> dict[str, str]:
    """The variables of an intake whose files are in `folder`."""
    return {
        **os.environ,
        "NOLI_KAFKA": settings.kafka,
        "NOLI_REGISTRY": settings.registry,
        "NOLI_DATA": str(folder / "data"),
        "NOLI_PEPPER": SECRET,
        "NOLI_API_KEYS_FILE": str(folder / "keys.json"),
        "NOLI_INSTANCE": "intake",
        "NOLI_HTTP_PORT": "0",
    }


@contextmanager
def started(
    settings: Settings, folder: Path, module: str = "noli.intake", **env: str
) -> Iterator[Running]:
    """A listening intake, killed at the end if it still lives."""
    key, line = apikeys.new("test", ["events:write", "evidence:read", "admin"])
    apikeys.write(folder / "keys.json", [line])
    process = launched({**environment(settings, folder), **env}, module)
    try:
        yield Running(process, f"http://127.0.0.1:{_port(process)}", key)
    finally:
        process.kill()
        process.wait()


def launched(env: Mapping[str, str], module: str = "noli.intake") -> subprocess.Popen[str]:
    """The process, its standard error in a pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", module], env=dict(env), stderr=subprocess.PIPE, text=True
    )


def _port(process: subprocess.Popen[str]) -> int:
    """From the line that says so; the rest is read and dropped, so that the pipe never fills."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    assert process.stderr is not None
    threading.Thread(target=_drain, args=(process.stderr, lines), daemon=True).start()
    while True:
        line = lines.get(timeout=START_S)
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("event") == "listening":
            return int(said["port"])


def _drain(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
