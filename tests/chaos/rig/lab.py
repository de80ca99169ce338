"""A whole company to be broken: brokers, registry, database, applications, workers, all proxied.

with opened(tmp_path, Plan(brokers=1)) as rig:
    rig.proxy.down(pair("INTAKE", 1))
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from noli.cli import contracts
from noli.cli.stack import credentials, endpoints, ports, registry
from noli.cli.stack.apps import App
from noli.cli.stack.files import private_dir
from noli.cli.stack.jars import fetch
from noli.cli.stack.java import find_java
from noli.cli.stack.postgres import embedded_postgres
from noli.cli.stack.program import Program, Running, launch
from noli.cli.stack.workers import CONNECTORS, Shared, Worker, command, table
from noli.domain.token import Pepper
from noli.runtime.settings import Settings
from tests.chaos.rig import toxiproxy
from tests.chaos.rig.clocks import Skew
from tests.chaos.rig.crowd import Op
from tests.chaos.rig.disks import Disk, disk
from tests.chaos.rig.fleet import Member
from tests.chaos.rig.kafka import Cluster, built
from tests.chaos.rig.table import Table
from tests.chaos.rig.toxiproxy import Toxiproxy
from tests.support import blackbox
from tests.support.bad_app import HELD, SECRET, BadApp, bad_app
from tests.support.blackbox import CONTROLLER, Client, Dialer, Event, until
from tests.support.checker.records import Decided

#: Applications: two behind webhooks, of which one is made to misbehave, and a dialer's table.
STEADY: Final = "crm"
SCRIPTED: Final = "mailer"
TABLE: Final = "dialer"
#: Whatever is started is ready by then, the machine being shared, in seconds.
READY_S: Final = 180.0
#: What a webhook application may take for one answer, in seconds: hangs are shorter than a round.
_TIMEOUT_S: Final = 5.0
#: Between two looks at what was applied last, in seconds, and at all that is held, in hours: an
#: application put back from a backup is found by the latter.
_RECENT_S: Final = 2.0
_EVERY_H: Final = 0.004


@dataclass(frozen=True)
class Plan:
    """What a rig is made of. `disks`: MiB by directory, relative to the rig's data."""

    brokers: int = 1
    suppressors: int = 2
    seed: int = 0
    disks: Mapping[str, int] = field(default_factory=dict)
    #: Workers that run by clocks of their own, moved by `Rig.skew`.
    skewed: frozenset[str] = frozenset()


@dataclass
class Rig:
    """All of it, running."""

    data: Path
    plan: Plan
    proxy: Toxiproxy
    cluster: Cluster
    registry: str
    members: dict[str, Member]
    apps: dict[str, BadApp]
    dialer: Dialer
    client: Client
    disks: dict[str, Disk]
    skew: Skew
    pepper: Pepper
    store: Running
    table: Table
    #: Applications that were put back: (name, when, to what they held when), ms.
    restored: list[tuple[str, int, int]] = field(default_factory=list)
    #: What decisions said that were deleted since: whoever was told of them remembers.
    bygone: list[Decided] = field(default_factory=list)
    #: What crowds posted, where a test has more than one.
    sent: list[Op] = field(default_factory=list)
    #: Events that the rig itself posted, by `source|id`.
    probes: dict[str, Event] = field(default_factory=dict)

    def settings(self, name: str = "rig") -> Settings:
        """Settings of the observer, who stands outside of every fault."""
        found = {"registry": self.registry, "data": self.data / "observer", "instance": name}
        return self.cluster.settings("PROBE", **found)

    def wait_ready(self, deadline_s: float = READY_S) -> float:
        """Block until every member that is wanted is ready; the seconds it took."""
        began = time.monotonic()
        for member in self.members.values():
            if member.wanted:
                left = deadline_s - (time.monotonic() - began)
                until(member.ready, f"{member.name} ready", max(left, 1.0))
        return time.monotonic() - began

    def twin(self, name: str) -> Member:
        """A second process under the name of a member, its state in a directory of its own."""
        member = self.members[name]
        port = ports.choose(["twin"])["twin"]
        data = str(self.data / f"{name}-twin")
        env = {**member.program.env, "NOLI_DATA": data, "NOLI_HTTP_PORT": str(port)}
        log = self.data / "logs" / f"{name}-twin.log"
        return Member(name, Program(name, member.program.argv, log, env), port)

    def probe(self, event: Event) -> None:
        """Post an event of our own until it is acknowledged."""
        self.probes[f"{event['source']}|{event['id']}"] = event
        self.client.send(event, patience_s=READY_S)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`noli … --data` of this rig, as an operator runs it."""
        return blackbox.run(*arguments, "--data", str(self.data))


#: Which listener a worker's Kafka clients use.
def kind_of(worker: str) -> str:
    """The class of clients a worker belongs to."""
    if worker.startswith(CONNECTORS):
        return "CONN"
    heads = {"intake": "INTAKE", "suppress": "PROC", "parties": "PROC"}
    return heads.get(worker.partition("-")[0], "READ")


@contextmanager
def opened(tmp: Path, plan: Plan) -> Iterator[Rig]:
    """A running rig for one block of code; nothing of it is left afterwards."""
    toxiproxy.binary()
    data = private_dir(tmp / "rig")
    logs = data / "logs"
    logs.mkdir()
    with ExitStack() as stack:
        disks = {
            name: stack.enter_context(disk(tmp / f"{name.replace('/', '-')}.img", data / name, mib))
            for name, mib in plan.disks.items()
        }
        proxy = stack.enter_context(toxiproxy.running(logs / "toxiproxy.log"))
        server = stack.enter_context(embedded_postgres(durable=False))
        apps = {name: stack.enter_context(bad_app()) for name in (STEADY, SCRIPTED)}
        cluster, store, direct = _ground(stack, data, plan, proxy)
        rig = Rig(
            data=data,
            plan=plan,
            proxy=proxy,
            cluster=cluster,
            registry=direct,
            members={},
            apps=apps,
            dialer=stack.enter_context(closing(Dialer(server.dsn))),
            client=Client("", "", ""),
            disks=disks,
            skew=Skew(data / "skew"),
            pepper=Pepper(1, bytes.fromhex(credentials.pepper(data))),
            store=store,
            table=Table(server.dsn),
        )
        rig.skew.set(0, *plan.skewed)
        contracts.apply(rig.settings())
        _manifests(rig, server.dsn)
        _people(stack, rig)
        for member in rig.members.values():
            member.start()
        rig.wait_ready()
        yield rig


def _ground(
    stack: ExitStack, data: Path, plan: Plan, proxy: Toxiproxy
) -> tuple[Cluster, Running, str]:
    """Brokers and registry, started beside each other."""
    logs = data / "logs"
    found = ports.choose(["registry", "management", "proxied"])
    pair = found["registry"], found["management"]
    schemas = registry.prepare(
        data / "registry", pair, fetch(print), find_java(), logs / "registry.log"
    )
    store = launch(schemas.program, with_parent=True)
    stack.callback(store.stop, registry.STOP_SECONDS)
    proxy.listen("registry", found["proxied"], f"{ports.HOST}:{found['registry']}")
    folders = [data / f"kafka-{n}" for n in range(1, plan.brokers + 1)]
    cluster = built(folders, proxy, logs)
    stack.callback(cluster.stop)
    for node in cluster.brokers:
        node.start()
    with ThreadPoolExecutor(1) as pool:
        ready = pool.submit(registry.wait_ready, schemas, store)
        cluster.wait()
        ready.result()
    return cluster, store, schemas.url


def _manifests(rig: Rig, dsn: str) -> None:
    folder = rig.data / "apps"
    folder.mkdir(exist_ok=True)
    found = ports.choose([*rig.apps, TABLE])
    for name, app in rig.apps.items():
        behind = _through(rig.proxy, name, found[name], app.url)
        config = {"url": behind, "secret": SECRET, "timeout_s": _TIMEOUT_S}
        config["read_back_url"] = behind.rpartition("/hooks")[0] + HELD
        _manifest(folder, name, "webhook", {**config, "allow_private_addresses": True})
    behind = _through(rig.proxy, TABLE, found[TABLE], dsn)
    _manifest(folder, TABLE, "postgres", {"dsn": behind}, channels=["sms", "operator_call"])
    blackbox.run("app", "check", "--fix", str(folder / f"{TABLE}.yaml"))
    rig.table.watch()


def _through(proxy: Toxiproxy, name: str, port: int, url: str) -> str:
    """The same URL, by way of a proxy named after what stands behind it."""
    head, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    who, at, upstream = place.rpartition("@")
    return f"{head}://{who}{at}{proxy.listen(name, port, upstream)}{slash}{path}"


def _manifest(folder: Path, app: str, sink: str, config: object, **more: object) -> None:
    fields = {"app": app, "sink": sink, "controllers": [CONTROLLER], "config": config, **more}
    fields["reconcile"] = {"recent_seconds": _RECENT_S, "every_hours": _EVERY_H}
    (folder / f"{app}.yaml").write_text(yaml.safe_dump(fields), "utf-8")


def _people(stack: ExitStack, rig: Rig) -> None:
    """Every worker as a member, not started; who sends and asks goes through proxies too."""
    folder = rig.data / "apps"
    apps = [App(name, folder / f"{name}.yaml") for name in (*rig.apps, TABLE)]
    # No canaries: whoever is in the log was posted by the crowd, or is a ghost.
    rows = table(apps, rig.plan.suppressors, canary=False)
    port = ports.choose([*(row.name for row in rows), "intake-p", "lookup-p"])
    places = {}
    for name in ("intake", "lookup"):
        upstream = f"{ports.HOST}:{port[name]}"
        places[name] = f"http://{rig.proxy.listen(name, port[f'{name}-p'], upstream)}"
    key = credentials.api_key(rig.data)
    for row in rows:
        rig.members[row.name] = _member(
            rig, row, port[row.name], (places["intake"], places["lookup"])
        )
        stack.callback(rig.members[row.name].stop)
    stack.callback(_silence, rig.members)
    rig.client = stack.enter_context(closing(Client(places["intake"], places["lookup"], key)))
    endpoints.Endpoints(
        intake=places["intake"],
        lookup=places["lookup"],
        status=places["lookup"],
        kafka=rig.cluster.bootstrap("PROBE"),
        registry=rig.registry,
        api_key=key,
        processes={},
    ).write(rig.data)


def _silence(members: Mapping[str, Member]) -> None:
    """Told to stop all at once: stopped one after the other they would wait for each other."""
    stops: list[Callable[[], None]] = [member.stop for member in members.values()]
    with ThreadPoolExecutor(len(stops)) as pool:
        for done in [pool.submit(stop) for stop in stops]:
            done.result()


def _member(rig: Rig, row: Worker, port: int, urls: tuple[str, str]) -> Member:
    data = rig.data
    shared = Shared(
        data,
        rig.cluster.bootstrap(kind_of(row.name)),
        _registry_url(rig),
        *urls,
        "",
        credentials.pepper(data),
        data / credentials.KEYS_FILE,
    )
    env = shared.environment(row, port)
    if row.name in rig.plan.skewed:
        env |= rig.skew.environment(row.name)
    program = Program(row.name, command(row), data / "logs" / f"{row.name}.log", env)
    return Member(row.name, program, port)


def _registry_url(rig: Rig) -> str:
    """As workers reach it: through its proxy."""
    listen = rig.proxy.proxies()["registry"]["listen"]
    return f"http://{listen}/apis/ccompat/v7"
