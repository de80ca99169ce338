"""One Kafka node (KRaft) on the loopback address: format, command, readiness."""

from __future__ import annotations

import base64
import re
import string
import subprocess
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noli.cli.problem import ProblemError
from noli.cli.stack.files import stack_file, write_atomic
from noli.cli.stack.jars import Jars
from noli.cli.stack.java import Java
from noli.cli.stack.ports import HOST
from noli.cli.stack.program import Program, Running, until
from noli.runtime import broker
from noli.runtime.settings import Settings

START_SECONDS: Final = 120.0
#: Kafka writes its log segments and says good-bye to the controller well within this.
STOP_SECONDS: Final = 15.0
_FORMAT_SECONDS: Final = 60.0
_PROBE_SECONDS: Final = 0.5
_HEAP: Final = ("-Xms96m", "-Xmx256m")
#: The first compiler only: a start costs 2.8 instead of 4.8 s of CPU, the broker is slower later.
QUICK: Final = "-XX:TieredStopAtLevel=1"
_TOOL_JVM: Final = ("-XX:+UseSerialGC", QUICK)
#: A broker out of memory must end, so that it is restarted, not linger.
_BROKER_JVM: Final = (*_HEAP, "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")


@dataclass(frozen=True, slots=True)
class Kafka:
    """A formatted node, ready to be started."""

    program: Program
    bootstrap: str
    cluster_id: str


def prepare(
    data: Path, ports: tuple[int, int], jars: Jars, java: Java, log: Path, jvm: Sequence[str] = ()
) -> Kafka:
    """Write the configuration (ports: broker, controller) and format the storage if it is new.

    `jvm`: further options of the broker's Java. An existing storage keeps its cluster id. Raises
    `ProblemError` when formatting fails.
    """
    data.mkdir(parents=True, exist_ok=True)
    config = data / "server.properties"
    template = string.Template(stack_file("server.properties").read_text("utf-8"))
    write_atomic(
        config, template.substitute(port=ports[0], controller_port=ports[1], log_dir=data / "log")
    )
    common = [
        f"-Dlog4j2.configurationFile={stack_file('log4j2.properties')}",
        "-cp",
        jars.kafka_classpath,
    ]
    cluster_id = _formatted(data) or _format(config, [str(java.path), *_TOOL_JVM, *common])
    argv = [str(java.path), *_BROKER_JVM, *jvm, *common, "kafka.Kafka", str(config)]
    return Kafka(Program("kafka", argv, log), f"{HOST}:{ports[0]}", cluster_id)


def wait_ready(kafka: Kafka, running: Running) -> None:
    """Block until our own broker answers; raises `ProblemError` when it dies or stays silent."""
    answers = check(kafka)
    until(lambda: answers()[0], running, START_SECONDS)


def check(kafka: Kafka) -> Callable[[], tuple[bool, str]]:
    """A blocking look at the broker: whether it is ours and answers, else why not."""
    client = broker.admin(Settings(kafka=kafka.bootstrap, instance="noli-up"))

    def look() -> tuple[bool, str]:
        try:
            found = broker.look(client, _PROBE_SECONDS)
        except broker.BrokerUnavailable:
            return False, "does not answer"
        if found.id != kafka.cluster_id:
            return False, f"another Kafka (cluster {found.id}) answers on {kafka.bootstrap}"
        return found.brokers > 0, ""

    return look


def _formatted(data: Path) -> str | None:
    """The cluster id of a storage that was formatted before."""
    meta = data / "log" / "meta.properties"
    if not meta.is_file():
        return None
    match = re.search(r"^cluster\.id=(.+)$", meta.read_text("utf-8"), re.MULTILINE)
    return match[1].strip() if match else None


def _format(config: Path, java: list[str]) -> str:
    # Made here, not by StorageTool: that would cost one more JVM start.
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    # One argument with `=`: an id may begin with a dash.
    command = [
        *java,
        "kafka.tools.StorageTool",
        "format",
        f"--cluster-id={cluster_id}",
        "-c",
        str(config),
    ]
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_FORMAT_SECONDS
    )
    if run.returncode:
        raise ProblemError(
            "Kafka's storage could not be formatted",
            f"see that {config.parent} is writable and has room",
            (run.stdout + run.stderr).strip()[-2000:],
        )
    return cluster_id
