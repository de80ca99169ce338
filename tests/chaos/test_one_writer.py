"""One writer per partition, with compaction at once: whoever else writes, no reader goes back.

Workers are stopped past their session and continued, started twice, put on yesterday's disk, on a
clock an hour behind, on a state that a newer build wrote. A follower by the documented rule, a
replica and an application watch all the time; at the end the compacted topic is read from its
beginning, and must be the truth (ADR 3, ADR 15).
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from typing import Final

import psutil
import pytest

from noli.domain.token import SIZE
from noli.runtime.clock import now_ms
from noli.runtime.failpoints import Failpoint
from schemas.names import DECISIONS, STATE
from tests.support import recorded
from tests.support.blackbox import Contact, consent, until
from tests.support.checker import check
from tests.support.compaction import compacted, hurry
from tests.support.dwellers import CHANNEL, Dwellers
from tests.support.follower import Follower, following
from tests.support.household import BOUNDS, PATIENCE_S, Household, built, furnished
from tests.support.logreader import LogReader

LONG: Final = os.environ.get("NOLI_CHAOS") == "long"
WORKER: Final = "suppress-0"
OTHER: Final = "suppress-1"
CROWD: Final = 12
_OLD: Final = "2024-01-01T00:00:00Z"
#: Where a worker is stopped: its outputs are under way; its states are; nothing is told of either.
STOPPED: Final = (
    [Failpoint.PROCESSOR_OUTPUTS_SENT, Failpoint.PROCESSOR_STATES_SENT]
    if not LONG
    else [name for name in Failpoint if name.startswith("processor.") and name not in {
        Failpoint.PROCESSOR_CHORES, Failpoint.PROCESSOR_REPAIR}]
)  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """A household in which everything works."""
    with built(tmp_path_factory.mktemp("writers")) as house:
        furnished(house)
        yield house


@pytest.fixture(scope="module")
def follower(house: Household) -> Iterator[Follower]:
    """It reads from the first decision to the last; then the cleaner never sleeps.

    Not before: what it took unseen would be a word to an application that nobody had decided.
    """
    with following(house) as follower:
        house.log_reader.read()
        hurry(house.settings(), [STATE, DECISIONS])
        yield follower


@pytest.fixture
def people(house: Household, follower: Follower) -> Iterator[Dwellers]:
    """Who consented, everywhere; in the end one worker is there again, and it is healthy."""
    people, before = numbered(house), len(follower.told)
    people.live()
    people.consented(CROWD)
    house.settled(people)
    yield people
    assert len(follower.told) > before
    for name in (WORKER, OTHER):
        house.kill(name)
    house.start(WORKER)


def numbered(house: Household, _known: dict[int, Dwellers] = {}) -> Dwellers:  # noqa: B006 - of the module
    """People of this test, with numbers that nobody had before."""
    before = _known.get(id(house))
    fresh = Dwellers(house) if before is None else Dwellers(house, before.numbers)
    _known[id(house)] = fresh
    return fresh


@pytest.mark.rule("OBJECT")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("where", STOPPED)
def test_a_worker_stopped_past_its_session_regresses_nobody(
    house: Household, people: Dwellers, follower: Follower, where: Failpoint
) -> None:
    """It is stopped with work in hand, replaced, and continued: what it then writes is mended."""
    house.kill(WORKER)
    arms = {"NOLI_FAILPOINTS": f"{where}:stop@2", "NOLI_FAILPOINTS_ALLOWED": "1"}
    stopped = house.start(WORKER, **arms)
    until(lambda: talked(people) and is_stopped(stopped.pid), "stopped", PATIENCE_S)
    people.object(*people.allowed[:CROWD])
    house.start(OTHER)
    house.settled(people)
    people.say(*(consent(who, CHANNEL, _OLD) for who in people.denied))
    truth(house, people)
    stopped.signal(signal.SIGCONT)
    until(lambda: stopped.gone.is_set() or not is_stopped(stopped.pid), "continued", PATIENCE_S)
    people.live()
    house.settled(people)
    mended(house, people)
    settled_and_right(house, people, follower)


@pytest.mark.rule("OBJECT")
@pytest.mark.timeout(300)
def test_of_two_workers_that_believe_to_own_everything_one_ends(
    house: Household, people: Dwellers, follower: Follower
) -> None:
    """A second group over the same lanes: the newer claim wins, the other says so and ends."""
    for newer, plant, older in ((OTHER, "another_group", WORKER), (WORKER, "", OTHER)):
        house.start(newer, plant)
        until(house.running[older].gone.is_set, f"{older} superseded", PATIENCE_S)
        assert "Superseded" in house.log(older)
        people.live()
        house.settled(people)
    mended(house, people)
    settled_and_right(house, people, follower)


@pytest.mark.rule("OBJECT")
@pytest.mark.timeout(300)
def test_a_state_directory_of_yesterday_is_caught_up(
    house: Household, people: Dwellers, follower: Follower
) -> None:
    """Objections decided since the copy was made are known: an old consent lifts none of them."""
    disk, yesterday = house.folder / WORKER / "state", house.folder / "yesterday"
    house.kill(WORKER)
    shutil.rmtree(yesterday, ignore_errors=True)
    shutil.copytree(disk, yesterday)
    house.start(WORKER)
    people.object(*people.allowed[:CROWD])
    house.settled(people)
    truth(house, people)
    house.kill(WORKER)
    shutil.rmtree(disk)
    shutil.copytree(yesterday, disk)
    house.start(WORKER)
    people.say(*(consent(who, CHANNEL, _OLD) for who in people.denied))
    people.live()
    house.settled(people)
    settled_and_right(house, people, follower)


@pytest.mark.rule("OBJECT")
@pytest.mark.timeout(300)
def test_a_successor_whose_clock_is_behind_gives_no_older_version(
    house: Household, people: Dwellers, follower: Follower
) -> None:
    """Its predecessor died with decisions delivered and no state to tell of their versions."""
    house.kill(WORKER)
    arms = {
        "NOLI_FAILPOINTS": f"{Failpoint.PROCESSOR_OUTPUTS_DELIVERED}:kill",
        "NOLI_FAILPOINTS_ALLOWED": "1",
    }
    people.object(*people.allowed[:CROWD])
    assert house.start(WORKER, **arms).gone.wait(PATIENCE_S)
    shutil.rmtree(house.folder / WORKER / "state")
    began = now_ms()
    house.start(WORKER, "clock_behind")
    until(lambda: not told(house, people.denied), "told of every objection", PATIENCE_S)
    # Its beacons are an hour old: meanwhile no copy is fresh, and everybody is denied.
    until(lambda: not any(house.held(who)[1] for who in people.allowed), "stale", PATIENCE_S)
    house.kill(WORKER)
    house.start(WORKER)
    house.settled(people)
    settled_and_right(house, people, follower, behind=(began, now_ms()))


def told(house: Household, people: list[Contact]) -> list[Contact]:
    """Whom the application would still contact."""
    return [who for who in people if house.held(who)[0]]


def talked(people: Dwellers) -> bool:
    """Somebody consents and objects; done."""
    people.live(2)
    return True


def is_stopped(pid: int) -> bool:
    """Whether no thread of a process runs."""
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


def mended(house: Household, people: Dwellers) -> None:
    """Wait until the compacted topics end right, whatever was written late."""
    until(lambda: ends_right(house, people), "written over", PATIENCE_S)
    truth(house, people)
    assert ends_right(house, people)


def truth(house: Household, people: Dwellers) -> None:
    """Compact both topics, really; what is read from the beginning then is what people said."""
    for topic in (DECISIONS, STATE):
        reader = LogReader(house.settings(), [topic])
        reader.read()
        compacted(house.settings(), topic, reader.of(topic), people.live)
        reader.close()
    house.settled(people)
    until(lambda: ends_right(house, people), "ends right", PATIENCE_S)


def ends_right(house: Household, people: Dwellers) -> bool:
    """The last record of everybody is their verdict; every contact has a state."""
    reader = LogReader(house.settings(), [DECISIONS, STATE])
    reader.read()
    reader.close()
    pair = (CHANNEL, "marketing", "*")
    last = {
        each.contact: pair in each.allowed
        for each in recorded.decided(house.codec, reader.of(DECISIONS))
    }
    known = {raw.key for raw in reader.of(STATE) if raw.key and len(raw.key) == SIZE}
    return all(
        last.get(house.token(who).hex()) is wanted and house.token(who) in known
        for who, wanted in wanted_of(people)
    )


def wanted_of(people: Dwellers) -> Iterator[tuple[Contact, bool]]:
    """Everybody, and whether they may be contacted."""
    yield from ((who, False) for who in people.denied)
    yield from ((who, True) for who in people.allowed)


def settled_and_right(
    house: Household, people: Dwellers, follower: Follower, behind: tuple[int, int] = (0, 0)
) -> None:
    """Everything holds, and the history of all of it is right: nobody was told an older word.

    `behind`: from when to when (ms) a clock was behind. As of when an application is aligned then
    goes back with the clock of who says so, to be safe; at no other time.
    """
    people.live()
    house.settled(people)
    history = house.history()
    history.arrivals += follower.told
    history.aligned = [
        each._replace(held_by=("a clock behind",)) if behind[0] <= each.at <= behind[1] else each
        for each in history.aligned
    ]
    report = check(history, BOUNDS)
    assert report.findings == [], str(report)
    assert all(report.checked[what] for what in ("denials", "arrivals", "watermarks"))
