"""The copy's writer as a process on a real broker: built, followed, killed, refused, rebuilt."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from noli.domain.token import token
from noli.replica import store as copies
from noli.replica.gate import Gate
from tests.support.copies import CONTROLLER, PEPPER
from tests.support.replica import (
    ALLOWED,
    BY_KEY,
    DEADLINE_S,
    DENIED,
    PARTITIONS,
    Lab,
    allowed,
    ask,
    laboratory,
    pause,
    person,
    soon,
)
from tests.support.stack import Stack


@pytest.fixture
def lab(stack: Stack, tmp_path: Path) -> Iterator[Lab]:
    """An empty topic and no copy yet; at the end no process is left."""
    with laboratory(stack, tmp_path) as made:
        yield made


def test_a_copy_is_built_and_followed(lab: Lab) -> None:
    """What stood before the start and what comes after it are answered alike; SIGTERM is quick."""
    lab.claim()
    lab.decide(ALLOWED, range(1_000))
    lab.decide(DENIED, range(10), version=2)
    lab.beacon()
    process = lab.start()
    assert soon(lab.is_ready)
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        assert allowed(gate, range(1_100)) == 990
        lab.decide(DENIED, range(100), version=3)
        lab.decide(ALLOWED, range(1_000, 1_100), version=3)
        lab.decide(ALLOWED, range(50), version=9, epoch=0)  # of an owner that was replaced
        assert soon(lambda: allowed(gate, range(1_100)) == 1_000)
        assert not ask(gate, 99).allowed
    assert lab.metric('noli_replica_records_total{outcome="stale_epoch"}') == 50
    began = time.monotonic()
    lab.stop(process)
    assert time.monotonic() - began < 2
    assert process.returncode == 0


def test_a_restart_resumes_where_the_data_stands(lab: Lab) -> None:
    """Nothing is read twice: the frontier is the data's own."""
    lab.claim()
    lab.decide(ALLOWED, range(500))
    lab.beacon()
    first = lab.start()
    assert soon(lab.is_ready)
    generation = copies.current(lab.copy)
    lab.stop(first)
    lab.decide(DENIED, range(20), version=2)
    lab.beacon()
    lab.start()
    assert soon(lab.is_ready)
    assert copies.current(lab.copy) == generation
    assert lab.metric('noli_replica_records_total{outcome="taken"}') == 20 + PARTITIONS
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        assert allowed(gate, range(500)) == 480


def test_a_writer_killed_anywhere_loses_nothing(lab: Lab) -> None:
    """Kill -9 while it builds and while it follows, again and again: then every answer is right."""
    lab.claim()
    lab.decide(ALLOWED, range(20_000))
    feeding = threading.Thread(target=_feed, args=(lab,))
    feeding.start()
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        for delay in (0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 2.5):
            process = lab.start()
            pause.wait(delay)
            lab.stop(process, signal.SIGKILL)
            # Denied or answered, but never an error: the gate was opened before all this.
            assert ask(gate, 0).reasons in {(), ("STALE_REPLICA",), ("OBJECTED",), ("NO_BASIS",)}
        feeding.join()
        lab.beacon()
        lab.start()
        assert soon(lab.is_ready)
        assert soon(lambda: allowed(gate, range(20_000)) == 15_000)
        assert allowed(gate, range(5_000)) == 0


def _feed(lab: Lab) -> None:
    for version in range(2, 52):
        lab.decide(DENIED, range((version - 2) * 100, (version - 1) * 100), version)
        lab.beacon()


@pytest.mark.parametrize("damage", ["cut", "rubbish", "head", "gone", "foreign"])
def test_a_copy_that_cannot_be_used_denies_and_is_rebuilt(lab: Lab, damage: str) -> None:
    """Cut, overwritten, headless, half removed or of another topic: refused, then made anew."""
    lab.claim()
    lab.decide(ALLOWED, range(300))
    lab.beacon()
    first = lab.start()
    assert soon(lab.is_ready)
    lab.stop(first)
    generation = copies.current(lab.copy)
    assert generation is not None
    _spoil(generation, damage)
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        if damage != "foreign":
            assert ask(gate, 0).reasons == ("STALE_REPLICA",)
        lab.beacon()
        process = lab.start()
        assert soon(lab.is_ready)
        assert copies.current(lab.copy) != generation
        assert soon(lambda: allowed(gate, range(300)) == 300)
    lab.stop(process)
    assert "replica.refused" in lab.said()


def _spoil(generation: Path, damage: str) -> None:
    file = generation / "data.mdb"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[: 4 * 4096])
    elif damage == "rubbish":
        file.write_bytes(os.urandom(file.stat().st_size))
    elif damage == "gone":
        file.unlink()
    else:
        store = copies.Store(generation, write=True)
        head = store.head().at(store.head().positions)
        if damage == "head":
            store.write(lambda txn: txn.put(b"head", b"\x00" * 50, db=store.meta))
        else:
            other = type(head)(head.format, "other", 1, head.pepper_check, head.positions)
            store.write(lambda txn: store.put_head(txn, other))
        store.close()


def test_yesterdays_copy_put_back_is_stale_and_then_caught_up(lab: Lab) -> None:
    """An older copy answers nothing while its beacons are old, then goes on from where it was."""
    lab.claim()
    lab.decide(ALLOWED, range(200))
    lab.beacon(age_ms=86_400_000)
    first = lab.start()
    assert soon(lab.is_ready)
    lab.stop(first)
    shutil.copytree(lab.copy, lab.folder / "yesterday")
    lab.decide(DENIED, range(200), version=2)
    lab.beacon()
    second = lab.start()
    assert soon(lab.is_ready)
    lab.stop(second)
    shutil.rmtree(lab.copy)
    shutil.copytree(lab.folder / "yesterday", lab.copy)
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        assert ask(gate, 0).reasons == ("STALE_REPLICA",)
        lab.start()
        assert soon(lambda: ask(gate, 0).reasons == ("OBJECTED",))
        assert lab.metric("noli_replica_rebuilds_total") == 0
        assert allowed(gate, range(200)) == 0


def test_an_open_gate_lives_through_a_rebuild(lab: Lab) -> None:
    """Asked all the time while the copy is thrown away and rebuilt: denied or right, no error."""
    lab.claim()
    lab.decide(ALLOWED, range(2_000))
    lab.beacon()
    process = lab.start()
    assert soon(lab.is_ready)
    seen: set[tuple[str, ...]] = set()
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        assert ask(gate, 0).allowed
        lab.stop(process)
        copies.withdraw(lab.copy)
        lab.decide(DENIED, range(2_000), version=2)
        lab.beacon()
        lab.start()

        def denied_for_good() -> bool:
            seen.update(tuple(map(str, ask(gate, n).reasons)) for n in range(0, 2_000, 100))
            return ("OBJECTED",) in seen

        assert soon(denied_for_good)
        assert seen <= {(), ("STALE_REPLICA",), ("OBJECTED",)}
        assert allowed(gate, range(2_000)) == 0


def test_without_beacons_the_lease_runs_out(lab: Lab) -> None:
    """The writer lives, the log is silent: after the lease every answer is a denial."""
    lab.claim()
    lab.decide(ALLOWED, range(10))
    lab.beacon()
    lab.start()
    assert soon(lab.is_ready)
    with Gate.open(lab.copy, pepper=PEPPER, lease_seconds=2.0) as gate:
        lab.beacon()
        assert soon(lambda: ask(gate, 0).allowed)
        assert soon(lambda: ask(gate, 0).reasons == ("STALE_REPLICA",), 5)
        lab.beacon()
        assert soon(lambda: ask(gate, 0).allowed)


def test_there_is_one_writer(lab: Lab) -> None:
    """A second one for the same copy ends at once and says what to do."""
    lab.claim()
    lab.start()
    assert soon(lab.is_ready)
    second = lab.start()
    assert second.wait(DEADLINE_S) == 1
    assert "NOLI_REPLICA" in lab.said().splitlines()[-1]


def test_poison_denies_its_contact_only(lab: Lab) -> None:
    """A decision nobody can read: that contact is denied, the writer goes on."""
    lab.claim()
    lab.decide(ALLOWED, range(10))
    poison = token(PEPPER, CONTROLLER, person(3))
    lab.append([(BY_KEY, poison, b"\x00\x00\x00\x00\x63not avro")])
    lab.beacon()
    lab.start()
    assert soon(lab.is_ready)
    with Gate.open(lab.copy, pepper=PEPPER) as gate:
        assert ask(gate, 3).reasons == ("QUARANTINED",)
        assert allowed(gate, range(10)) == 9
        lab.decide(ALLOWED, range(3, 4), version=2)
        assert soon(lambda: ask(gate, 3).allowed)
