"""Deployment files: valid by their own tools, and the same stack as `noli up`."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from noli.cli.stack import apps, workers

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
COMPOSE = ROOT / "docker-compose.yml"
BIN = Path(sys.executable).parent


def compose() -> dict[str, Any]:
    """The parsed compose file, anchors merged."""
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


def pom_versions() -> dict[str, str]:
    """Artifact → version of everything in the local stack's pom."""
    space = "{http://maven.apache.org/POM/4.0.0}"
    root = ET.parse(ROOT / "noli/cli/stack/local/pom.xml").getroot()
    return {
        str(item.findtext(f"{space}artifactId")): str(item.findtext(f"{space}version"))
        for kind in ("dependency", "artifactItem")
        for item in root.iter(f"{space}{kind}")
    }


def checked(*command: str | Path) -> None:
    """Run a checker; its output is the failure."""
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_compose_file_is_valid() -> None:
    """docker-compose.yml fits the compose specification."""
    checked(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


def test_the_dockerfile_is_clean() -> None:
    """Hadolint finds nothing in the Dockerfile."""
    checked(BIN / "hadolint", DOCKERFILE)


def test_both_stacks_are_of_one_version() -> None:
    """Kafka and registry of compose are those that `noli up` fetches."""
    services, pom = compose()["services"], pom_versions()
    assert services["kafka"]["image"] == f"apache/kafka:{pom['kafka_2.13']}"
    registry = pom["apicurio-registry-app"]
    assert services["registry"]["image"] == f"apicurio/apicurio-registry:{registry}"


def test_compose_runs_every_worker_of_the_stack() -> None:
    """Each module that `noli up` starts is a service, and nothing else is."""
    app = apps.App("crm", Path("/apps/crm.yaml"))
    ours = {row.module for row in workers.table([app], 1, statistics=True)}
    commands = [
        service["command"][0]
        for name, service in compose()["services"].items()
        if service.get("image") == "noli:local" and name != "setup"
    ]
    assert sorted(commands) == sorted(ours)


def test_compose_and_local_broker_have_the_same_settings() -> None:
    """A broker property set in one place is set to the same value in the other."""
    local = dict(
        line.split("=", 1)
        for line in (ROOT / "noli/cli/stack/local/server.properties").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    environment = compose()["services"]["kafka"]["environment"]
    docker = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
        for name, value in environment.items()
    }
    places = re.compile(r"listener|voters|log\.dirs|heap\.opts|num\.(network|io)\.threads")
    for name in {*local, *docker}:
        if not places.search(name):
            assert docker.get(name) == local.get(name), name


@pytest.mark.parametrize("service", ["kafka", "registry", "intake", "lookup", "status"])
def test_published_ports_can_be_moved_and_stay_on_this_machine(service: str) -> None:
    """Each published port is overridable by environment and bound to the loopback address."""
    for port in compose()["services"][service]["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:\$\{NOLI_[A-Z]+_PORT:-\d+\}:\d+", port)


def test_workers_wait_for_topics_and_schemas() -> None:
    """No worker starts before pepper, topics and schemas are there."""
    services = compose()["services"]
    for name, service in services.items():
        if service.get("image") == "noli:local" and name != "setup":
            condition = service["depends_on"]["setup"]["condition"]
            assert condition == "service_completed_successfully", name
    waits = services["setup"]["depends_on"]
    assert {wait["condition"] for wait in waits.values()} == {"service_healthy"}


def test_the_image_runs_as_nobody_in_particular_and_imports_only_its_own() -> None:
    """Numeric non-root user, `python -P`, an empty working directory."""
    text = DOCKERFILE.read_text()
    final = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert re.search(r"^WORKDIR /empty$", final, re.MULTILINE)
    assert 'ENTRYPOINT ["python", "-P", "-m"]' in final
    assert final.index("USER ") < final.index("ENTRYPOINT")


def test_no_secret_is_in_a_deployment_file() -> None:
    """Pepper and keys are minted into a volume; no file carries one."""
    for path in (COMPOSE, DOCKERFILE):
        assert not re.search(r"[0-9a-f]{32,}|noli_[A-Za-z0-9_-]{20,}", path.read_text())
