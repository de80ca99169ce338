"""The schema registry (Apicurio, Confluent API) on the loopback address: command, readiness."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx2
import psutil

from noli.cli.stack.jars import Jars
from noli.cli.stack.java import Java
from noli.cli.stack.ports import HOST
from noli.cli.stack.program import Program, Running, until
from noli.runtime.subjects import COMPATIBILITY

START_SECONDS: Final = 180.0
STOP_SECONDS: Final = 10.0
_PROBE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Registry:
    """How to start it, where clients reach it, where it says that it is ready."""

    program: Program
    url: str
    health: str
    port: int


def prepare(data: Path, ports: tuple[int, int], jars: Jars, java: Java, log: Path) -> Registry:
    """The command of a registry that keeps its schemas in `data` (ports: API, management)."""
    data.mkdir(parents=True, exist_ok=True)
    options = {
        "quarkus.http.host": HOST,
        "quarkus.http.port": ports[0],
        "quarkus.management.host": HOST,
        "quarkus.management.port": ports[1],
        "quarkus.http.access-log.enabled": "false",
        "apicurio.datasource.url": f"jdbc:h2:file:{data / 'registry'}",
        "apicurio.datasource.jdbc.initial-size": 2,
        "apicurio.datasource.jdbc.min-size": 1,
        "apicurio.datasource.jdbc.max-size": 10,
        # Apicurio's own default is NONE: schemas would be unprotected.
        "apicurio.rules.global.compatibility": COMPATIBILITY,
    }
    argv = [
        str(java.path),
        "-Xms64m",
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        *(f"-D{key}={value}" for key, value in options.items()),
        "-jar",
        str(jars.registry_jar),
    ]
    return Registry(
        Program("registry", argv, log),
        f"http://{HOST}:{ports[0]}/apis/ccompat/v7",
        f"http://{HOST}:{ports[1]}/health/ready",
        ports[0],
    )


def wait_ready(registry: Registry, running: Running) -> None:
    """Block until our own registry is ready; raises `ProblemError` when it dies first."""
    with httpx2.Client(timeout=_PROBE_SECONDS) as client:

        def ready() -> bool:
            try:
                status = client.get(registry.health).status_code
            except httpx2.HTTPError:
                return False
            return status == HTTPStatus.OK and listens(running.pid, registry.port)

        until(ready, running, START_SECONDS)


def listens(pid: int, port: int) -> bool:
    """Whether that process holds the port: somebody else's registry would be healthy there too."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)
