"""KRaft brokers with a listener per class of clients, each advertised at its own proxy.

A client that was told of a broker by another listener would go around the proxy; so every class has
a listener of its own, and the brokers too (INTERNAL). Real JVMs: signals reach them as any process.
"""

from __future__ import annotations

import base64
import signal
import subprocess
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from noli.cli.stack import ports
from noli.cli.stack.files import stack_file
from noli.cli.stack.jars import fetch
from noli.cli.stack.java import find_java
from noli.cli.stack.program import Program, Running, launch
from noli.runtime import broker
from noli.runtime.settings import Settings
from tests.chaos.rig.toxiproxy import Toxiproxy
from tests.support.blackbox import until

#: Who talks to a broker: the write side, stream workers, connectors, the replica, the observer.
CLASSES: Final = ("INTAKE", "PROC", "CONN", "READ", "PROBE")
#: How brokers fetch from each other.
INTERNAL: Final = "INTERNAL"
START_S: Final = 120.0
STOP_S: Final = 20.0
_FORMAT_S: Final = 60.0
_LOOK_S: Final = 1.0
_HEAP: Final = ("-Xms96m", "-Xmx384m")
_JVM: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")


@dataclass
class Broker:
    """One node: its directory, its ports by listener, its process while it runs."""

    number: int
    directory: Path
    ports: Mapping[str, int]
    program: Program
    process: Running | None = None

    @property
    def log(self) -> Path:
        """Where its segments are."""
        return self.directory / "log"

    def start(self) -> None:
        """Start the process; it is not ready yet."""
        self.process = launch(self.program, with_parent=True)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the running process."""
        assert self.process is not None
        self.process.signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.gone.wait()

    def stop(self) -> None:
        """SIGTERM, SIGKILL where it does not obey; nothing where it does not run."""
        if self.process is not None:
            self.process.stop(STOP_S)


@dataclass
class Cluster:
    """All nodes. `bootstrap(class)` is what clients of a class are given."""

    proxy: Toxiproxy
    brokers: list[Broker]
    cluster_id: str
    #: Java and its options, before the class of a tool.
    tool: list[str]
    proxied: dict[str, list[str]] = field(default_factory=dict)

    def bootstrap(self, kind: str) -> str:
        """`host:port,…` of the proxies of a class."""
        return ",".join(self.proxied[kind])

    def settings(self, kind: str = "PROBE", **over: object) -> Settings:
        """Settings of a client of that class."""
        return Settings.model_validate({"kafka": self.bootstrap(kind), **over})

    def whole(self) -> bool:
        """Whether every node answers and leads or follows."""
        client = broker.admin(self.settings(instance="rig"))
        try:
            found = broker.look(client, _LOOK_S)
        except broker.BrokerUnavailable:
            return False
        return found.id == self.cluster_id and found.brokers == len(self.brokers)

    def wait(self, deadline_s: float = START_S) -> None:
        """Block until it is whole."""
        until(self.whole, "the brokers", deadline_s)

    def format(self, node: Broker) -> None:
        """Make an empty disk of a node one of this cluster again."""
        _format(self.tool, node.directory / "server.properties", self.cluster_id)

    def stop(self) -> None:
        """Stop every node: all are told first, since each waits for the others' good-bye."""
        for node in self.brokers:
            if node.process is not None:
                node.process.signal(signal.SIGCONT)
                node.process.signal(signal.SIGTERM)
        for node in self.brokers:
            node.stop()


def pair(kind: str, number: int) -> str:
    """Name of the proxy between a class of clients and a broker."""
    return f"{kind.lower()}-{number}"


def built(directories: Iterable[Path], proxy: Toxiproxy, logs: Path) -> Cluster:
    """A formatted cluster of one node per directory, its proxies listening; nothing runs yet."""
    java, jars = find_java(), fetch(print)
    count = len(folders := list(directories))
    identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    names = (*CLASSES, INTERNAL)
    wanted = [f"{name}-{n}{side}" for n in range(1, count + 1) for name in names for side in "lp"]
    port = ports.choose([*wanted, *(f"CONTROLLER-{n}l" for n in range(1, count + 1))])
    voters = ",".join(f"{n}@{ports.HOST}:{port[f'CONTROLLER-{n}l']}" for n in range(1, count + 1))
    log4j = f"-Dlog4j2.configurationFile={stack_file('log4j2.properties')}"
    common = [log4j, "-cp", jars.kafka_classpath]
    tool = [str(java.path), *_JVM, *common]
    cluster = Cluster(proxy, [], identity, tool, {name: [] for name in names})
    for number, folder in enumerate(folders, 1):
        listening = {name: port[f"{name}-{number}l"] for name in (*names, "CONTROLLER")}
        advertised = {name: port[f"{name}-{number}p"] for name in names}
        for name, at in advertised.items():
            upstream = f"{ports.HOST}:{listening[name]}"
            cluster.proxied[name].append(proxy.listen(pair(name, number), at, upstream))
        config = _configured(folder, number, count, voters, (listening, advertised))
        _format(tool, config, identity)
        argv = [str(java.path), *_HEAP, *_JVM, *common, "kafka.Kafka", str(config)]
        program = Program(f"kafka-{number}", argv, logs / f"kafka-{number}.log")
        cluster.brokers.append(Broker(number, folder, listening, program))
    return cluster


def _configured(
    folder: Path,
    number: int,
    count: int,
    voters: str,
    places: tuple[Mapping[str, int], Mapping[str, int]],
) -> Path:
    listening, advertised = places
    copies, in_sync = min(3, count), min(2, count)
    lines = {
        "process.roles": "broker,controller",
        "node.id": number,
        "controller.quorum.voters": voters,
        "listeners": ",".join(f"{n}://{ports.HOST}:{p}" for n, p in listening.items()),
        "advertised.listeners": ",".join(f"{n}://{ports.HOST}:{p}" for n, p in advertised.items()),
        "inter.broker.listener.name": INTERNAL,
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listening),
        "log.dirs": folder / "log",
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "group.initial.rebalance.delay.ms": 0,
        "log.cleaner.dedupe.buffer.size": 8_388_608,
        "num.network.threads": 2,
        "num.io.threads": 4,
        # A follower that cannot fetch leaves the in-sync set within a fault, not after it.
        "replica.lag.time.max.ms": 5_000,
        "broker.session.timeout.ms": 6_000,
    }
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "server.properties"
    config.write_text("".join(f"{key}={value}\n" for key, value in lines.items()), "utf-8")
    return config


def _format(java: list[str], config: Path, identity: str) -> None:
    tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={identity}", "-c", str(config)]
    run = subprocess.run(
        [*java, *tool], capture_output=True, text=True, check=False, timeout=_FORMAT_S
    )
    assert run.returncode == 0, run.stdout + run.stderr
