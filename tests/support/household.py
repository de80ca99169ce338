"""A house of real processes, one of each kind, on one broker: started, broken and replaced by name.

Not `noli up`: nobody restarts what dies here but the test, which wants to say how it starts. Who
lives in it consents and objects (`Dwellers`); what was observed goes to the checker.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from noli.cli import contracts
from noli.cli.stack import ports, workers
from noli.cli.stack.embedded import Embedded, embedded
from noli.cli.stack.program import Program, Running, launch
from noli.cli.stack.workers import Worker
from noli.domain.channel import Kind
from noli.domain.contact import Contact as Point
from noli.domain.token import Pepper, token
from noli.replica.gate import Gate
from noli.runtime import apikeys, registry
from noli.runtime.clock import now_ms
from noli.runtime.settings import Settings
from schemas.codec import Codec
from schemas.names import CONTROL, DECISIONS, GRANTS, OBJECTIONS, PARTIES, RECEIPTS
from tests.support import checker, recorded
from tests.support.bad_app import SECRET, BadApp, bad_app
from tests.support.blackbox import CONTROLLER, Client, Contact, until
from tests.support.checker import Recorder
from tests.support.dwellers import CHANNEL, Dwellers
from tests.support.logreader import LogReader

APP: Final = "crm"
PEPPER: Final = Pepper(1, b"h" * 32)
#: Seconds for anything to happen on a machine that does other things too.
PATIENCE_S: Final = 60.0
#: Every process of the house, in the order of the data flow.
PROCESSES: Final = ("intake", "suppress-0", "parties-0", "replica", f"connectors-{APP}")
LANES: Final = (OBJECTIONS, GRANTS, PARTIES, CONTROL)
PARTITIONS: Final = 8
#: What a connector's own as_of speaks of; lookups of a household have a lease of 2 s.
BOUNDS: Final = checker.Bounds(lease_ms=2_500, covered=frozenset({OBJECTIONS}))
#: The recorder's file.
OPERATIONS: Final = "operations.jsonl"
_MODULES: Final = {
    "intake": "noli.intake", "suppress": "streams.suppress", "parties": "streams.parties",
    "replica": "noli.replica", "lookup": "noli.replica.lookup", "connectors": "connectors",
}  # fmt: skip


@dataclass
class Household:
    """The broker, the processes, the application behind the connector, and who says what."""

    folder: Path
    pair: Embedded
    app: BadApp
    codec: Codec
    recorder: Recorder
    gate: Gate
    log_reader: LogReader
    running: dict[str, Running] = field(default_factory=dict)
    #: Steady seconds to ms of the wall clock.
    epoch_ms: int = field(default_factory=lambda: now_ms() - int(time.monotonic() * 1000))

    def __post_init__(self) -> None:
        """Choose ports, write keys and manifest; nothing runs yet."""
        self.key, line = apikeys.new("house", ["events:write", "admin", "decisions:read"])
        apikeys.write(self.folder / "keys.json", [line])
        self._ports = ports.choose([*PROCESSES, "lookup"])
        intake, lookup = (f"http://127.0.0.1:{self._ports[name]}" for name in ("intake", "lookup"))
        self.client = Client(intake, lookup, self.key)
        config = {"url": self.app.url, "secret": SECRET, "allow_private_addresses": True}
        self.manifest = self.folder / f"{APP}.yaml"
        content = {"app": APP, "sink": "webhook", "controllers": [CONTROLLER], "config": config}
        self.manifest.write_text(yaml.safe_dump(content), "utf-8")

    def settings(self, **over: object) -> Settings:
        """Settings of a reader of this log."""
        found = {"kafka": self.pair.kafka, "registry": self.pair.registry, "instance": "reader"}
        return Settings.model_validate({**found, "data": self.folder / "reader", **over})

    # --- processes --------------------------------------------------------------------------------

    def start(self, name: str, plant: str = "", folder: str = "", **env: str) -> Running:
        """A process of that name; `plant`: with that bug in it, `folder`: with another disk."""
        kind = name.partition("-")[0]
        worker = Worker(name, _MODULES[kind], folder or name)
        shared = workers.Shared(
            data=self.folder,
            kafka=self.pair.kafka,
            registry=self.pair.registry,
            intake=self.client.intake,
            lookup=self.client.lookup,
            board="",
            pepper=PEPPER.secret.hex(),
            keys_file=self.folder / "keys.json",
        )
        port = self._ports.get(name, 0)
        environment = {
            **shared.environment(worker, port), "NOLI_APP_MANIFEST": str(self.manifest), **env
        }  # fmt: skip
        module = ["tests.chaos.plants", plant, worker.module] if plant else [worker.module]
        program = Program(
            name, [sys.executable, "-m", *module], self.folder / f"{name}.log", environment
        )
        # Told to stop when the thread that started it ends: only the main one lives as long as us.
        main = threading.current_thread() is threading.main_thread()
        self.running[name] = launch(program, with_parent=main)
        return self.running[name]

    def kill(self, name: str) -> None:
        """SIGKILL, and its end; nothing where it does not run."""
        process = self.running.get(name)
        if process is not None:
            process.signal(signal.SIGKILL)
            process.gone.wait()

    def log(self, name: str) -> str:
        """What processes of that name wrote."""
        return (self.folder / f"{name}.log").read_text("utf-8")

    def ready(self, name: str) -> bool:
        """Whether it calls itself ready; a failure of the test where it has ended."""
        process = self.running[name]
        assert not process.gone.is_set(), f"{name} ended: {self.log(name)[-2_000:]}"
        try:
            url = f"http://127.0.0.1:{self._ports[name]}/readyz"
            return httpx2.get(url, timeout=2).status_code == httpx2.codes.OK
        except httpx2.TransportError:
            return False

    # --- what holds -------------------------------------------------------------------------------

    def token(self, contact: Contact) -> bytes:
        """How the contact is known everywhere."""
        return token(PEPPER, CONTROLLER, Point(Kind(contact[0]), contact[1]))

    def held(self, contact: Contact) -> list[bool]:
        """What application and replica would do."""
        told = self.app.held.get(self.token(contact).hex())
        pair = (CHANNEL, "marketing", "*")
        answer = self.gate.check(CONTROLLER, contact, CHANNEL, "marketing")
        return [told is not None and told.allowed.get(pair, False), answer.allowed]

    def settled(self, dwellers: Dwellers, deadline_s: float = PATIENCE_S) -> None:
        """Wait until application and replica hold what everybody said who was acknowledged."""
        try:
            until(lambda: not self.unheeded(dwellers), "settled", deadline_s)
        except AssertionError as error:
            wrong = self.unheeded(dwellers)
            raise AssertionError(f"not settled: {wrong[:5]} of {len(wrong)}") from error

    def unheeded(self, dwellers: Dwellers) -> list[tuple[str, str, list[bool]]]:
        """Whose word does not hold now: what it was, the token, what application and replica do."""
        return [
            (what, self.token(who).hex(), self.held(who))
            for what, people, wanted in (
                ("denied", dwellers.denied, False),
                ("allowed", dwellers.allowed, True),
            )
            for who in people
            if self.held(who) != [wanted, wanted] or not self._knows(who)
        ]

    def _knows(self, contact: Contact) -> bool:
        return self.token(contact).hex() in self.app.held

    # --- what was observed ------------------------------------------------------------------------

    def history(self) -> checker.History:
        """For the checker: everything up to now."""
        self.log_reader.read()
        found = checker.read(self.folder / OPERATIONS)
        for topic in LANES:
            found.log += recorded.logged(self.codec, self.log_reader.of(topic), self._naming)
        # What a person said reaches the contacts' lane later: of it a connector's own as_of says
        # nothing (beacons of parties do), so it bears its own topic there too (`BOUNDS`).
        persons = {each.fact.id for each in found.log if each.topic == PARTIES}
        found.log = [
            each._replace(topic=PARTIES) if each.fact.id in persons else each for each in found.log
        ]
        found.aligned = list(self._aligned())
        found.receipts = list(self._receipts())
        found.arrivals = list(self._arrivals())
        found.dumps = {
            APP: {
                name: checker.Held(
                    held.version or 0, frozenset(p for p, yes in held.allowed.items() if yes)
                )
                for name, held in self.app.held.items()
            }
        }
        # Last: a word that came meanwhile was decided before it came.
        self.log_reader.read()
        found.decided = recorded.decided(self.codec, self.log_reader.of(DECISIONS))
        return found

    def next_changes(self) -> dict[tuple[str, int], int | None]:
        """When each decision changes by itself (ms), by contact and version; as last read."""
        found = {}
        for raw in self.log_reader.of(DECISIONS):
            name, datum = self.codec.decode(raw.value) if raw.value else ("", {})
            if name == "noli.Decision" and raw.key:
                found[raw.key.hex(), datum["version"]] = datum["next_change"]
        return found

    def _naming(self, controller: str, kind: str, value: str) -> bytes:
        return token(PEPPER, controller, Point(Kind(kind), value))

    def _receipts(self) -> Iterator[checker.Receipt]:
        for name, datum in self._told():
            for change in datum["changes"] if name == "noli.Receipt" else ():
                yield checker.Receipt(
                    datum["app"], datum["at"], change["token"].hex(), change["version"],
                    change["outcome"],
                )  # fmt: skip

    def _aligned(self) -> Iterator[checker.Aligned]:
        """What the connector told of itself, as soon as every partition is known.

        One that was killed begins at its last commit, which may stand behind what it said last: its
        frontier goes back, and so may its word; nobody is misled.
        """
        as_ofs: dict[int, int | None] = {}
        frontiers: dict[int, int] = {}
        for _, datum in self._told():
            again = False
            for point in datum.get("points", [datum]):
                number, frontier = point["partition"], point["frontier"]
                again |= frontier < frontiers.get(number, 0)
                as_ofs[number], frontiers[number] = point["as_of"], frontier
            known = [as_of for as_of in as_ofs.values() if as_of is not None]
            whole = len(known) == PARTITIONS
            held_by = ("restarted",) if again else ()
            yield checker.Aligned(APP, datum["at"], min(known) if whole else None, held_by)

    def _told(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for one in self.log_reader.of(RECEIPTS):
            yield self.codec.decode(one.value)

    def _arrivals(self) -> Iterator[checker.Told]:
        newest: dict[str, int] = {}
        for request in self.app.received:
            at = self.epoch_ms + int(request.at * 1000)
            for change in request.body["changes"] if request.step.applies else ():
                name, version = change["token"], change["version"]
                yield checker.Told(
                    APP, at, name, version, recorded.allowed(change["verdicts"]),
                    recorded.objected(change["verdicts"]), version > newest.get(name, 0),
                )  # fmt: skip
                newest[name] = max(version, newest.get(name, 0))


@contextmanager
def built(folder: Path, **broker: Any) -> Iterator[Household]:  # noqa: ANN401 - options of embedded
    """A house with nobody in it; at the end no process is left."""
    with ExitStack() as stack:
        pair = stack.enter_context(embedded(folder / "stack", lambda _: None, quick=True))
        settings = Settings(kafka=pair.kafka, registry=pair.registry, data=folder / "reader")
        contracts.apply(settings)
        recorder = Recorder(folder / OPERATIONS)
        stack.callback(recorder.close)
        reader = LogReader(settings, [*LANES, DECISIONS, RECEIPTS])
        stack.callback(reader.close)
        gate = Gate.open(folder / "replica", pepper=PEPPER)
        stack.callback(gate.close)
        house = Household(
            folder, pair, stack.enter_context(bad_app()), registry.codec(settings), recorder, gate,
            reader,
        )  # fmt: skip
        stack.callback(house.client.close)
        try:
            yield house
        finally:
            for name in house.running:
                house.kill(name)


def furnished(house: Household, names: Sequence[str] = PROCESSES, **plants: str) -> None:
    """Start all of them; `plants` by the first part of a name. Returns once all are ready."""
    for name in names:
        house.start(name, plants.get(name.partition("-")[0], ""))
    for name in names:
        until(partial(house.ready, name), f"{name} ready", PATIENCE_S)
