"""Killed at every place where it matters: nothing accepted is lost, nothing lifted, nothing ends.

One broker and one of each process for all; the process under test is started anew with a failpoint
armed, dies there while people object, and is started again. At the end of the run the history
checker holds everything observed against the law. Short: the first hit of every failpoint; long
(`make chaos`): the first three. A failpoint that nobody comes to fails its test.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from noli.domain import times
from noli.replica import store as copies
from noli.runtime.apps import Desk
from noli.runtime.clock import now_ms
from noli.runtime.failpoints import Failpoint
from noli.runtime.kafka import Acked
from noli.runtime.partition import partition_of
from noli.wire.apps import Verb
from schemas.names import APPS, DECISIONS
from tests.support.blackbox import Event, consent, event, until
from tests.support.checker import check
from tests.support.decisions import decision
from tests.support.dwellers import CHANNEL, Dwellers, beside
from tests.support.household import (
    APP,
    BOUNDS,
    PARTITIONS,
    PATIENCE_S,
    PEPPER,
    PROCESSES,
    Household,
    built,
    furnished,
)
from tests.support.log import append

LONG: Final = os.environ.get("NOLI_CHAOS") == "long"
HITS: Final = (1, 2, 3) if LONG else (1,)
#: A +39 number may be called for so long after its consent, in ms (REGISTER-FRESH).
FRESH_MS: Final = 15 * 86_400_000
SOON_MS: Final = 1_500
PHONE: Final = "operator_call"
#: Between two of those who speak, in seconds: what they say does not come as one batch.
_PAUSE_S: Final = 0.1
#: Bytes of LMDB's pages: the first two say where everything is.
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

#: The process that comes there, where the name does not say.
HOST: Final[Mapping[str, str]] = {
    "intake": "intake",
    "acked": "intake",
    "processor": "suppress-0",
    "takeover": "suppress-0",
    "parties": "parties-0",
    "connectors": f"connectors-{APP}",
    "replica": "replica",
}
#: Where a copy is built. A process comes there again where it must refuse what it has built.
BUILT: Final = frozenset({Failpoint.REPLICA_SPOOLED, Failpoint.REPLICA_FILLED})
#: Passed once in the life of the process, which is that of the command: there is no second hit.
BY_COMMAND: Final = {
    Failpoint.SNAPSHOT_MID_EXPORT: "export",
    Failpoint.SNAPSHOT_MID_IMPORT: "import",
}
#: What the checker must have had something of, or it proved nothing.
CHECKED: Final = ("operations", "denials", "decisions", "arrivals", "receipts", "watermarks")
KILLED: Final = [
    (name, hit) for hit, name in itertools.product(HITS, Failpoint) if name not in BY_COMMAND
]
#: Said aloud in the long round.
UNREACHABLE: Final = [
    pytest.param(
        name, hit, id=f"{name}-{hit}",
        marks=pytest.mark.skip(reason="a command comes there once, and ends: there is no such hit"),
    )
    for hit, name in itertools.product(HITS, BY_COMMAND) if hit > 1
]  # fmt: skip


@dataclass
class Run:
    """The household, who lives there, and where it was killed."""

    house: Household
    dwellers: Dwellers
    died: list[str] = field(default_factory=list)
    #: Set once the process under test has died and lives again: nobody needs to provoke any more.
    over: threading.Event = field(default_factory=threading.Event)
    #: Takeovers of the stream worker that somebody has seen.
    seen: int = 0
    #: The copy that was spoilt last.
    rotted: Path | None = None
    #: Of workers that join. One that was there is taken for who was killed, and nothing is dealt.
    others: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def armed(self, name: Failpoint, hit: int) -> int | None:
        """Die there while people say things; then live again, and all they said holds.

        How the process ended.
        """
        house, process = self.house, HOST[name.partition(".")[0]]
        house.kill(process)
        if name in BUILT:
            shutil.rmtree(house.folder / "replica")
        plant = "ledgered" if name is Failpoint.CONNECTORS_BEFORE_LEDGER else ""
        self.over.clear()
        self.seen = self.takeovers()
        with beside(lambda: self.talk(name, hit)):
            try:
                running = house.start(process, plant, **arms(name, hit))
                came = running.gone.wait(PATIENCE_S)
                house.kill(process)
                house.start(process, plant)
            finally:
                self.over.set()
        assert came, f"nobody came to {name} for the hit {hit}"
        self.died.append(f"{name}@{hit}")
        house.settled(self.dwellers)
        return running.code

    def talk(self, name: Failpoint, hit: int) -> None:
        """What everybody says until it is over, and what it takes to come to a failpoint."""
        for number in itertools.count():
            self.dwellers.live(2)
            for provoke in PROVOKED.get(name, ()) if number < hit else ():
                provoke(self)
            if self.over.wait(_PAUSE_S):
                return

    def waker(self) -> None:
        """Somebody whose verdict changes by itself in a moment."""
        who = self.dwellers.someone()
        self.dwellers.say(consent(who, PHONE, times.text(now_ms() - FRESH_MS + SOON_MS)))

    def revoked(self) -> None:
        """A source with somebody who rests on it is revoked."""
        who, source = self.dwellers.someone(), f"fair-{uuid.uuid4()}"
        given = consent(who, CHANNEL)
        given["data"]["source_id"] = source
        self.dwellers.say(given, said("source.revoked", source_id=source, reason="complaints"))
        self.dwellers.denied.append(who)

    def family(self) -> None:
        """Contacts of one person, who objects as a person."""
        party = f"crm:{uuid.uuid4()}"
        people = [self.dwellers.someone() for _ in range(2)]
        for who in people:
            self.dwellers.say(consent(who, CHANNEL), event("party.linked", who, party=party))
        self.dwellers.say(said("objection.raised", party=party, via="letter"))
        self.dwellers.denied += people

    def stranger(self) -> None:
        """A record of an owner that lost its partition long ago."""
        who = self.dwellers.denied[-1]
        key = self.house.token(who)
        late = self.house.codec.encode("noli.Decision", decision(1, 1, epoch=1, contact=None))
        append(self.house.settings(), DECISIONS, [(partition_of(key, PARTITIONS), key, late)])

    def backfill(self) -> None:
        """Everything is asked for again."""
        asyncio.run(self._backfill())

    async def _backfill(self) -> None:
        acked = Acked(self.house.settings(instance="somebody"))
        try:
            await Desk(acked, self.house.codec, APPS).act(APP, Verb.BACKFILL, by="somebody@here")
        finally:
            await acked.close()

    def rotten(self) -> None:
        """Every page of the copy but the first two is empty: its writer refuses it at its next."""
        copy = self.house.folder / "replica"
        known = self.rotted
        until(
            lambda: self.over.is_set() or copies.current(copy) not in {None, known},
            "a copy",
            PATIENCE_S,
        )
        generation = copies.current(copy)
        if self.over.is_set() or generation is None:
            return
        self.rotted, file = generation, generation / "data.mdb"
        with file.open("r+b") as pages:
            pages.seek(2 * _PAGE)
            pages.write(bytes(file.stat().st_size - 2 * _PAGE))

    def crowd(self) -> None:
        """Another worker joins, once the one under test has taken over: it will have to again.

        Of two that join at once it would take over once, and come nowhere a third time.
        """
        until(lambda: self.over.is_set() or self.takeovers() > self.seen, "taken", PATIENCE_S)
        self.seen = self.takeovers()
        if not self.over.is_set():
            self.house.start(f"suppress-{next(self.others)}")

    def takeovers(self) -> int:
        """How often the stream worker of the house took partitions, to the end."""
        return self.house.log("suppress-0").count("partitions.claimed")

    def alone(self) -> None:
        """Whoever joined goes again."""
        for name in list(self.house.running):
            if name.startswith("suppress-") and name != "suppress-0":
                self.house.kill(name)
                del self.house.running[name]


#: What it takes to come there beside people who consent and object.
PROVOKED: Final[Mapping[Failpoint, tuple[Callable[[Run], None], ...]]] = {
    Failpoint.PROCESSOR_CHORES: (Run.waker, Run.revoked),
    Failpoint.PROCESSOR_REPAIR: (Run.stranger,),
    Failpoint.PARTIES_FAN_OUT: (Run.family,),
    Failpoint.CONNECTORS_SURVEY_CHUNK: (Run.backfill,),
    **dict.fromkeys(BUILT, (Run.rotten,)),
    **dict.fromkeys([name for name in Failpoint if name.startswith("takeover.")], (Run.crowd,)),
}


def said(type_: str, **data: Any) -> Event:  # noqa: ANN401 - event data
    """An event that names no contact."""
    made = event(type_, ("phone", ""), **data)
    del made["data"]["contact"]
    return made


def arms(name: Failpoint, hit: int) -> dict[str, str]:
    """The environment that breaks a process there."""
    return {"NOLI_FAILPOINTS": f"{name}:kill@{hit}", "NOLI_FAILPOINTS_ALLOWED": "1"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A household in which everything works."""
    with built(tmp_path_factory.mktemp("failpoints")) as house:
        furnished(house)
        run = Run(house, Dwellers(house))
        run.dwellers.live()
        house.settled(run.dwellers)
        yield run


def test_every_failpoint_is_broken_at() -> None:
    """Whoever adds one says which process comes there, or it is not of this test."""
    assert {name for name, hit in KILLED if hit == 1} | set(BY_COMMAND) == set(Failpoint)
    assert all(name.partition(".")[0] in HOST for name, _ in KILLED)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "name, hit", [pytest.param(*one, id="{}-{}".format(*one)) for one in KILLED] + UNREACHABLE
)
def test_a_process_killed_there_loses_nothing(run: Run, name: Failpoint, hit: int) -> None:
    """It dies at that hit, is started again, and everything acknowledged holds everywhere."""
    try:
        assert run.armed(name, hit) == -signal.SIGKILL
    finally:
        run.alone()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", BY_COMMAND)
def test_a_command_killed_there_leaves_nothing_half_done(
    run: Run, name: Failpoint, tmp_path: Path
) -> None:
    """No snapshot, or no copy, is taken for a whole one; the command, given again, does it."""
    house = run.house
    target, copy = tmp_path / "snapshot", tmp_path / "copy"
    source = {"NOLI_REPLICA": str(house.folder / "replica")}
    if BY_COMMAND[name] == "export":
        assert replica(house, "export", target, **source, **arms(name, 1)) == -signal.SIGKILL
        assert not target.exists()
    assert replica(house, "export", target, **source) == 0
    there = {"NOLI_REPLICA": str(copy)}
    if BY_COMMAND[name] == "import":
        assert replica(house, "import", target, **there, **arms(name, 1)) == -signal.SIGKILL
        assert not (copy / "CURRENT").exists()
    assert replica(house, "import", target, **there) == 0
    assert (copy / "CURRENT").exists()
    run.died.append(f"{name}@1")


def replica(house: Household, command: str, path: Path, **env: str) -> int:
    """`noli replica COMMAND PATH`; its exit code."""
    environment = {
        **os.environ, "NOLI_KAFKA": house.pair.kafka, "NOLI_REGISTRY": house.pair.registry,
        "NOLI_PEPPER": PEPPER.secret.hex(), **env,
    }  # fmt: skip
    argv = [sys.executable, "-m", "noli.cli", "replica", command, str(path)]
    argv += [] if command == "verify" else ["--data", str(house.folder)]
    return subprocess.run(argv, env=environment, check=False, timeout=PATIENCE_S).returncode


@pytest.mark.rule("OBJECT")
@pytest.mark.timeout(240)
def test_the_whole_run_is_right(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The history of all of it, against the law: nothing lost, lifted, older, unfounded."""
    if not run.died:
        pytest.skip("nothing was killed: run the tests above")
    for name in PROCESSES:
        until(partial(run.house.ready, name), f"{name} ready", PATIENCE_S)
    run.house.settled(run.dwellers)
    report = check(run.house.history(), BOUNDS)
    with capsys.disabled():
        print(f"\nfailpoints: {len(run.died)} kills, {report}")
    assert report.findings == [], str(report)
    assert all(
        report.checked[what]
        for what in ("operations", "denials", "arrivals", "receipts", "watermarks")
    )
