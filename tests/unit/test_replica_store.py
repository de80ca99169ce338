"""Taking the log into a copy: who may speak, what stands, what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb
import pytest

from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.domain.token import Pepper, token
from noli.replica import build
from noli.replica import gate as gates
from noli.replica import store as copies
from noli.replica.encoding import shape_of
from noli.replica.gate import Gate
from noli.replica.head import (
    Position,
    Refused,
    as_of,
    check_readable,
    check_resumable,
    pepper_check,
)
from noli.replica.intern import Interner
from noli.replica.put import put
from noli.replica.shape import Shape
from noli.replica.store import Store
from noli.replica.take import Taker
from tests.support.copies import (
    ALICE,
    BOB,
    CODEC,
    CONTROLLER,
    NOW,
    PEPPER,
    Log,
    blank,
    decision,
    denial,
    fresh,
    make,
    row,
)


def reasons(store: Store, contact: Contact) -> tuple[str, ...] | None:
    """Why an operator call for marketing is denied: () when it is not, None when nobody knows."""
    key = token(PEPPER, CONTROLLER, contact)
    with store.env.begin() as txn:
        value = txn.get(key, None, store.contacts)
    if value is None:
        return None
    shape = Shape(store.shape(shape_of(key, value)))
    call = {"channel": "operator_call", "purpose": "marketing", "brand": None, "product": None}
    return shape.ruling(Kind.PHONE, **call).now.reasons  # type: ignore[arg-type] # their values


@contextmanager
def followed(tmp_path: Path, log: Log, partitions: int = 1) -> Iterator[tuple[Store, Taker]]:
    """A copy that has taken `log` record by record, as a writer that follows does."""
    store = Store(tmp_path / "g-000001", write=True)
    interner = Interner(CODEC, [])
    head = blank(partitions)
    taker = Taker(CODEC, interner, PEPPER.version, head.positions)
    for message in log.messages:
        put(store, interner, taker.take([message]).entries, head.at(taker.positions()))
    try:
        yield store, taker
    finally:
        store.close()


def both(tmp_path: Path, log: Log, contact: Contact = ALICE) -> tuple[str, ...] | None:
    """What stands of a contact, by following and by building, which must agree."""
    with followed(tmp_path / "followed", log) as (store, _):
        one = reasons(store, contact)
        head = store.head()
    generation = make(tmp_path / "built", log)
    built = Store(generation)
    two = reasons(built, contact)
    assert built.head() == head
    built.close()
    assert one == two
    return one


def test_the_last_decision_of_an_owner_stands(tmp_path: Path) -> None:
    """Records of one epoch, in order: the last one is the answer."""
    log = Log()
    log.claim(5)
    log.decide(ALICE, decision([row()], epoch=5, version=1))
    log.decide(ALICE, decision([denial("OBJECTED")], epoch=5, version=2))
    assert both(tmp_path, log) == ("OBJECTED",)


def test_a_replaced_owner_is_not_heard(tmp_path: Path) -> None:
    """A record below the highest claim before it changes nothing, whatever its version."""
    log = Log()
    log.claim(5)
    log.decide(ALICE, decision([row()], epoch=5, version=9))
    log.claim(6)
    log.decide(ALICE, decision([denial("OBJECTED")], epoch=6, version=10))
    log.decide(ALICE, decision([row()], epoch=5, version=11))
    assert both(tmp_path, log) == ("OBJECTED",)


def test_a_replaced_owners_claim_and_beacon_are_not_heard(tmp_path: Path) -> None:
    """Neither lowers the epoch nor makes the copy look fresher than it is."""
    log = Log()
    log.claim(6)
    log.beacon(NOW, epoch=6)
    log.claim(5)
    log.beacon(NOW + 60_000, epoch=5)
    log.decide(ALICE, decision([row()], epoch=5, version=9))
    with followed(tmp_path, log) as (store, _):
        assert reasons(store, ALICE) is None
        [position] = store.head().positions
    assert position == Position(len(log.messages), 6, NOW)


def test_a_new_owner_may_begin_with_a_lower_version(tmp_path: Path) -> None:
    """Its clock may be behind: the epoch decides first, the version only within one."""
    log = Log()
    log.claim(5)
    log.decide(ALICE, decision([row()], epoch=5, version=900))
    log.claim(6)
    log.decide(ALICE, decision([denial("OBJECTED")], epoch=6, version=3))
    assert both(tmp_path, log) == ("OBJECTED",)


def test_a_version_never_regresses_within_an_epoch(tmp_path: Path) -> None:
    """A lower or equal version of the same epoch is passed over."""
    log = Log()
    log.claim(5)
    log.decide(ALICE, decision([denial("OBJECTED")], epoch=5, version=9))
    log.decide(ALICE, decision([row()], epoch=5, version=8))
    log.decide(ALICE, decision([row()], epoch=5, version=9))
    assert both(tmp_path, log) == ("OBJECTED",)


def test_claims_count_in_their_own_partition(tmp_path: Path) -> None:
    """A claim on one partition says nothing about another."""
    log = Log(partitions=2)
    log.claim(6, partition=0)
    log.decide(ALICE, decision([row()], epoch=5, version=1), partition=1)
    with followed(tmp_path, log, 2) as (store, _):
        assert reasons(store, ALICE) == ()


@pytest.mark.parametrize("value", [None, b"", b"\x00", b"\x00\x00\x00\x00\x03\x02\x02rubbish"])
def test_a_decision_nobody_can_read_denies_its_contact(tmp_path: Path, value: bytes | None) -> None:
    """Poison replaces the allowance that stood; the next good decision replaces the poison."""
    log = Log()
    log.claim(1)
    log.decide(ALICE, decision([row()], version=5))
    log.append(token(PEPPER, CONTROLLER, ALICE), value)
    assert both(tmp_path / "poison", log) == ("QUARANTINED",)
    log.decide(ALICE, decision([row()], version=6))
    assert both(tmp_path / "healed", log) == ()


def test_records_of_nobody_are_counted_and_passed_over() -> None:
    """Another pepper's tokens, keys that are no token, broken beacons: counted by outcome."""
    log = Log()
    log.append(None, b"x")
    log.append(b"short", b"x")
    log.append(token(Pepper(2, bytes(32)), CONTROLLER, ALICE), b"x")
    log.append(b"beacon", b"x")
    log.beacon()
    taker = Taker(CODEC, Interner(CODEC, []), PEPPER.version, blank().positions)
    taken = taker.take(log.messages)
    assert taken.entries == []
    assert +taken.outcomes == {"foreign_key": 2, "other_pepper": 1, "unreadable": 1, "taken": 1}
    assert taker.positions() == (Position(5, 0, NOW),)


def test_the_end_of_a_partition_moves_the_frontier(tmp_path: Path) -> None:
    """Offsets that compaction took away are not waited for; a frontier never goes back."""
    taker = Taker(CODEC, Interner(CODEC, []), PEPPER.version, blank().positions)
    taker.reached(0, 40)
    taker.reached(0, 30)
    assert taker.positions() == (Position(40),)


def test_a_spool_gives_back_what_stands_whatever_it_spilled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From memory or from disk: each contact once, sorted, its latest entry, nothing left over."""
    log = Log()
    people = [Contact(Kind.PHONE, f"+39333{n:07d}") for n in range(500)]
    for version in (1, 2):
        for person in people:
            log.decide(person, decision([row(until=NOW + version)], version=version))
    outcomes = []
    for held in (10**6, 64):
        monkeypatch.setattr(build, "_HELD", held)
        interner = Interner(CODEC, [])
        taker = Taker(CODEC, interner, PEPPER.version, blank().positions)
        spool = build.Spool(tmp_path / "spool")
        for message in log.messages:
            spool.add(taker.take([message]).entries)
        buckets = list(spool.drain(interner))
        outcomes.append([entry for bucket in buckets for entry in bucket])
        assert list(tmp_path.glob("spool/*")) == []
    assert outcomes[0] == outcomes[1] == sorted(outcomes[0])
    assert len(outcomes[0]) == len(people)
    assert all(value[8:14] == (NOW + 2).to_bytes(6, "big") for _, value in outcomes[0])


def test_a_full_map_grows_and_the_transaction_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand contacts into a map of 256 KiB: all there, head and all."""
    monkeypatch.setattr(copies, "FIRST_MAP_BYTES", 256 * 1024)
    log = Log()
    for n in range(10_000):
        log.decide(Contact(Kind.PHONE, f"+39333{n:07d}"), decision([row()]))
    store = Store(tmp_path / "g-000001", write=True)
    interner = Interner(CODEC, [])
    taker = Taker(CODEC, interner, PEPPER.version, blank().positions)
    put(store, interner, taker.take(log.messages).entries, blank().at(taker.positions()))
    assert store.entries() == 10_000
    assert store.env.info()["map_size"] > 256 * 1024
    assert store.head().positions == (Position(10_000),)
    store.close()


def test_a_reader_follows_a_map_that_grew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate opened on a small map goes on once the writer's is larger."""
    # LMDB allows one environment per process and file: the writer is another process here.
    monkeypatch.setattr(gates, "now_ms", lambda: NOW)
    monkeypatch.setattr(copies, "FIRST_MAP_BYTES", 256 * 1024)
    generation = fresh(tmp_path, [(ALICE, decision([row()]))])
    grow = (
        "import sys, os, lmdb; from pathlib import Path; from noli.replica.store import Store\n"
        "store = Store(Path(sys.argv[1]), write=True)\n"
        "store.write(lambda txn: [txn.put(b'\\1' + os.urandom(16), bytes(900), db=store.contacts)"
        " for _ in range(2000)])"
    )
    with Gate.open(tmp_path, pepper=PEPPER) as gate:
        assert gate.check(CONTROLLER, ALICE, "operator_call", "marketing").allowed
        subprocess.run([sys.executable, "-c", grow, str(generation)], check=True)
        assert gate.check(CONTROLLER, ALICE, "operator_call", "marketing").allowed
        assert gate.status().contacts == 2001


def test_publishing_replaces_and_removes_the_old(tmp_path: Path) -> None:
    """CURRENT names the newest generation; the others are gone; withdrawn, there is none."""
    first = fresh(tmp_path, [(ALICE, decision([row()]))])
    second = fresh(tmp_path, [(BOB, decision([row()]))])
    assert copies.current(tmp_path) == second
    assert not first.exists()
    copies.withdraw(tmp_path)
    assert copies.current(tmp_path) is None
    copies.sweep(tmp_path)
    assert not second.exists()


def test_shapes_with_a_gap_are_refused(tmp_path: Path) -> None:
    """A copy that lost one shape would give the next a number that is taken: rebuilt instead."""
    generation = fresh(tmp_path, [(ALICE, decision([row()]))])
    store = Store(generation, write=True)
    assert len(store.all_shapes()) == 2
    store.write(lambda txn: txn.delete(bytes(4), db=store.shapes))
    with pytest.raises(Refused, match="shape 0"):
        store.all_shapes()
    store.close()


@pytest.mark.parametrize(
    "over, ends",
    [
        ({"topic_id": "another"}, (9,)),
        ({"format": 99}, (9,)),
        ({"pepper_version": 2}, (9,)),
        ({"pepper_check": "11" * 8}, (9,)),
        ({"positions": (Position(5), Position(5))}, (9,)),
        ({"positions": (Position(10),)}, (9,)),
        ({"positions": (Position(1),)}, (9,)),
    ],
)
def test_a_copy_that_cannot_be_resumed_is_refused(over: dict[str, Any], ends: tuple[int]) -> None:
    """Another topic, format, pepper, number of partitions, or a frontier outside of the log."""
    now = blank(positions=(Position(2),))
    check_resumable(blank(positions=(Position(5),)), now, ends)
    with pytest.raises(Refused):
        check_resumable(blank(**{"positions": (Position(5),), **over}), now, ends)


def test_a_writer_without_the_pepper_is_believed() -> None:
    """The copy can be written by a process that does not hold the secret; versions still count."""
    check_readable(blank(pepper_check=""), 1, pepper_check(PEPPER.secret))
    check_readable(blank(), 1, pepper_check(b""))
    with pytest.raises(Refused, match="another pepper"):
        check_readable(blank(), 1, pepper_check(b"another secret"))


def test_as_of_is_the_least_and_unknown_while_one_is() -> None:
    """Freshness is that of the least fresh partition."""
    assert as_of([]) is None
    assert as_of([Position(0, 0, 5), Position(0)]) is None
    assert as_of([Position(0, 0, 5), Position(0, 0, 3)]) == 3


def test_a_store_that_is_not_lmdb_is_refused(tmp_path: Path) -> None:
    """A directory without an environment, and one whose file is cut: refused, not opened."""
    with pytest.raises(Refused):
        Store(tmp_path)
    generation = fresh(tmp_path, [(ALICE, decision([row()]))])
    file = generation / "data.mdb"
    file.write_bytes(file.read_bytes()[: 4 * 4096])
    with pytest.raises(Refused, match="shorter"):
        Store(generation)


def test_a_build_that_was_stopped_leaves_nothing_to_open(tmp_path: Path) -> None:
    """Asked to stop half way it appends no head: whoever opens that generation is refused."""
    interner = Interner(CODEC, [])
    log = Log()
    log.decide(ALICE, decision([row()]))
    taker = Taker(CODEC, interner, PEPPER.version, blank().positions)
    spool = build.Spool(tmp_path / "spool")
    spool.add(taker.take(log.messages).entries)
    asked = iter([False] * 100 + [True])
    store = Store(tmp_path / "g-1", write=True)
    assert not build.fill(store, spool, interner, blank(), lambda: next(asked))
    with pytest.raises(Refused, match="not finished"):
        store.head()
    store.close()


def test_a_shortage_of_the_machine_does_not_condemn_the_copy(tmp_path: Path) -> None:
    """LMDB's own verdicts on a file do; a full disk, no memory or too many readers do not."""
    file = tmp_path / "data.mdb"
    file.write_bytes(b"not lmdb" * 1_000)
    with pytest.raises(lmdb.Error) as foreign:
        lmdb.open(str(tmp_path))
    assert copies.is_broken(foreign.value)
    for shortage in (lmdb.Error("No space left", 28), lmdb.ReadersFullError("full", -30790)):
        assert not copies.is_broken(shortage)


def test_a_full_disk_ends_the_writer_and_spares_the_copy(tmp_path: Path) -> None:
    """A transaction that the disk cannot take changes nothing: head and data are as before."""
    generation = fresh(tmp_path, [(ALICE, decision([row()]))])
    # A process that may not write files beyond 1 MiB meets the same error as a full disk.
    fill = (
        "import resource, signal, sys, os, lmdb; from pathlib import Path\n"
        "from noli.replica.store import Store, is_broken\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "store = Store(Path(sys.argv[1]), write=True)\n"
        "try:\n"
        "    store.write(lambda txn: [txn.put(os.urandom(17), bytes(900), db=store.contacts)"
        " for _ in range(5000)])\n"
        "except lmdb.Error as error:\n"
        "    sys.exit(3 if not is_broken(error) else 4)"
    )
    done = subprocess.run([sys.executable, "-c", fill, str(generation)], check=False)
    assert done.returncode == 3
    store = Store(generation)
    assert store.entries() == 1
    assert reasons(store, ALICE) == ()
    store.close()
