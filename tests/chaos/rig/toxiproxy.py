"""Toxiproxy: built once from its Go module, one server per rig, and its HTTP API in a few calls.

Every pair of process kinds talks through a proxy of this server, so that the pair can be slowed,
cut, or cut in one direction, without touching either process.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib import error, request

import pytest

from noli.cli.stack import ports
from noli.cli.stack.jars import cache_dir
from noli.cli.stack.program import Program, launch, until

#: `@latest` resolves to 2.5.0 (the module path changed), so the version is named.
MODULE: Final = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"
_DIRECTORY: Final = "toxiproxy-2.12.0"
#: A first build: some 30 s of CPU, and the download of its modules.
_BUILD_S: Final = 600.0
_START_S: Final = 20.0
_STOP_S: Final = 5.0
_ANSWER_S: Final = 20.0


def binary() -> Path:
    """The server's program, built into the user's cache if need be.

    Skips the test, with the reason, where there is no Go to build it with.
    """
    folder = cache_dir() / _DIRECTORY
    found = folder / "server"
    if found.exists():
        return found
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if go is None:
        pytest.skip("toxiproxy is built from its Go module: apt-get install golang-go")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            _build(go, folder)
    return found


def _build(go: str, folder: Path) -> None:
    environment = {**os.environ, "GOBIN": str(folder), "GOFLAGS": "-trimpath"}
    run = subprocess.run(
        [go, "install", MODULE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_BUILD_S,
        check=False,
        cwd=folder,
    )
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1:] or ["no output"]
        pytest.skip(f"toxiproxy cannot be built here: {last[0]}")


@dataclass(frozen=True, slots=True)
class Toxiproxy:
    """A running server, by the base URL of its API."""

    api: str

    def listen(self, name: str, port: int, upstream: str) -> str:
        """A proxy on a loopback port in front of `upstream` (host:port); its own host:port."""
        here = f"{ports.HOST}:{port}"
        self._call("POST", "/proxies", {"name": name, "listen": here, "upstream": upstream})
        return here

    def toxic(
        self, proxy: str, kind: str, stream: str = "downstream", *, odds: float = 1.0, **of: int
    ) -> None:
        """Add a toxic of that kind to one direction; `odds`: share of the connections it hits."""
        body = {"name": f"{kind}-{stream}", "type": kind, "stream": stream, "toxicity": odds}
        self._call("POST", f"/proxies/{proxy}/toxics", {**body, "attributes": of})

    def down(self, proxy: str) -> None:
        """Refuse connections, and end those that stand."""
        self._call("POST", f"/proxies/{proxy}", {"enabled": False})

    def up(self, proxy: str) -> None:
        """Take connections again."""
        self._call("POST", f"/proxies/{proxy}", {"enabled": True})

    def heal(self) -> None:
        """Every proxy up, and no toxic left."""
        self._call("POST", "/reset", {})

    def clean(self, proxy: str) -> None:
        """That proxy up, without a toxic: made anew.

        Taking a toxic away waits until the bytes it holds back are through, which some never are.
        """
        found = self._call("GET", f"/proxies/{proxy}", None)
        self._call("DELETE", f"/proxies/{proxy}", None)
        fresh = {key: found[key] for key in ("name", "listen", "upstream")}
        self._call("POST", "/proxies", fresh)

    def proxies(self) -> Mapping[str, Any]:
        """Every proxy by name, as the API tells it."""
        found: Mapping[str, Any] = self._call("GET", "/proxies", None)
        return found

    def _call(self, verb: str, path: str, body: object) -> Any:  # noqa: ANN401 - its JSON
        content = None if body is None else json.dumps(body).encode()
        asked = request.Request(f"{self.api}{path}", content, method=verb)
        asked.add_header("Content-Type", "application/json")
        with request.urlopen(asked, timeout=_ANSWER_S) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@contextmanager
def running(log: Path) -> Iterator[Toxiproxy]:
    """A server for one block of code, told to stop at its end."""
    port = ports.choose(["toxiproxy"])["toxiproxy"]
    argv = [str(binary()), "-host", ports.HOST, "-port", str(port)]
    server = launch(Program("toxiproxy", argv, log, {"LOG_LEVEL": "error"}), with_parent=True)
    found = Toxiproxy(f"http://{ports.HOST}:{port}")

    def answers() -> bool:
        try:
            return not found.proxies()
        except (error.URLError, ConnectionError):
            return False

    try:
        until(answers, server, _START_S)
        yield found
    finally:
        server.stop(_STOP_S)
