"""A copy that is stale, missing, foreign, damaged, rebuilt, forked: the gate never opens on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from noli.replica import gate as gates
from noli.replica import store as copies
from noli.replica.gate import Answer, Gate
from noli.replica.head import Position
from noli.replica.intern import Interner
from noli.replica.put import put
from noli.replica.take import Taker
from noli.runtime.metrics.exposition import REGISTRY
from tests.support.copies import (
    ALICE,
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

CALL = ("operator_call", "marketing")


def ask(copy: Path) -> Answer:
    """May Alice be called? Of a gate opened for the question."""
    with Gate.open(copy, pepper=PEPPER) as gate:
        return gate.check(CONTROLLER, ALICE, *CALL)


def count(why: str) -> float:
    """How many answers were suppressed because of that, as the metric says."""
    labels = {"verdict": "suppressed_stale", "why": why}
    found = REGISTRY.get_sample_value("noli_contact_checks_total", labels)
    return found or 0.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second after the newest beacon."""
    at(monkeypatch, NOW + 1_000)


def at(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """Set the gate's clock, milliseconds since the epoch."""
    monkeypatch.setattr(gates, "now_ms", lambda: moment)


@pytest.mark.parametrize("away", [30_001, -30_001])
def test_a_copy_older_than_its_lease_denies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: int
) -> None:
    """30 s from the beacon it still answers, a millisecond more and everything is STALE_REPLICA."""
    fresh(tmp_path, [(ALICE, decision([row()]))])
    at(monkeypatch, NOW + away - (1 if away > 0 else -1))
    assert ask(tmp_path).allowed
    before = count("stale")
    at(monkeypatch, NOW + away)
    assert ask(tmp_path) == Answer(False, None, ("STALE_REPLICA",), (), None, NOW)
    assert count("stale") == before + 1


def test_one_silent_partition_makes_the_copy_stale(tmp_path: Path) -> None:
    """as_of is the least of all partitions, and unknown while one has had no beacon."""
    log = Log(partitions=2)
    log.decide(ALICE, decision([row()]))
    log.beacon(partition=0)
    make(tmp_path, log, blank(2))
    assert ask(tmp_path).reasons == ("STALE_REPLICA",)
    log.beacon(partition=1, as_of=NOW - 40_000)
    make(tmp_path, log, blank(2))
    assert ask(tmp_path).as_of == NOW - 40_000
    log.beacon(partition=1, as_of=NOW - 5)
    make(tmp_path, log, blank(2))
    assert ask(tmp_path) == Answer(True, "consent", (), (), None, NOW - 5)


def test_a_missing_copy_denies(tmp_path: Path) -> None:
    """No directory, no CURRENT, a CURRENT that points nowhere or outside: denied and counted."""
    before = count("unusable")
    for content in (None, "g-000009\n", "../elsewhere\n", "", "\x00"):
        if content is not None:
            (tmp_path / copies.CURRENT).write_text(content)
        answer = ask(tmp_path)
        assert (answer.allowed, answer.reasons, answer.as_of) == (False, ("STALE_REPLICA",), None)
    assert count("unusable") == before + 5


@pytest.mark.parametrize(
    "foreign", [{"format": 99}, {"pepper_version": 2}, {"pepper_check": "00" * 8}]
)
def test_a_copy_made_for_somebody_else_denies(tmp_path: Path, foreign: dict[str, Any]) -> None:
    """Another format, pepper version or pepper: not one of its answers is given."""
    log = Log()
    log.decide(ALICE, decision([row()]))
    log.beacon()
    make(tmp_path, log, blank(**foreign))
    assert ask(tmp_path).reasons == ("STALE_REPLICA",)


def test_a_copy_whose_head_is_missing_or_broken_denies(tmp_path: Path) -> None:
    """An unfinished build has no head; a head that fails its checksum is none."""
    generation = fresh(tmp_path, [(ALICE, decision([row()]))])
    store = copies.Store(generation, write=True)
    store.write(lambda txn: txn.put(b"head", b"\x00" * 40, db=store.meta))
    store.close()
    assert ask(tmp_path).reasons == ("STALE_REPLICA",)
    store = copies.Store(generation, write=True)
    store.write(lambda txn: txn.delete(b"head", db=store.meta))
    store.close()
    assert ask(tmp_path).reasons == ("STALE_REPLICA",)


def test_a_flipped_bit_never_opens_the_gate(tmp_path: Path) -> None:
    """Any single changed bit in an entry or in its shape is noticed: denied, counted."""
    generation = fresh(tmp_path, [(ALICE, decision([denial("OBJECTED")]))])
    store = copies.Store(generation, write=True)
    with store.env.begin() as txn:
        [(token, entry)] = list(txn.cursor(store.contacts))
        shapes = dict(txn.cursor(store.shapes))
    store.close()
    number = entry[4:8]
    for key, value, name in ((token, entry, "contacts"), (number, shapes[number], "shapes")):
        for bit in range(0, 8 * len(value), 7):
            damaged = bytearray(value)
            damaged[bit // 8] ^= 1 << bit % 8
            _set(generation, name, key, bytes(damaged))
            answer = ask(tmp_path)
            assert (answer.allowed, answer.reasons) == (False, ("STALE_REPLICA",))
        _set(generation, name, key, value)
    assert ask(tmp_path).reasons == ("OBJECTED",)


def _set(generation: Path, name: str, key: bytes, value: bytes) -> None:
    store = copies.Store(generation, write=True)
    database = getattr(store, name)
    store.write(lambda txn: txn.put(key, value, db=database))
    store.close()


def _follow(generation: Path, record: Mapping[str, Any]) -> None:
    """What the writer does with one more decision about Alice."""
    store = copies.Store(generation, write=True)
    interner = Interner(CODEC, store.all_shapes())
    head, log = store.head(), Log()
    log.decide(ALICE, record)
    taker = Taker(CODEC, interner, head.pepper_version, head.positions)
    put(store, interner, taker.take(log.messages).entries, head)
    store.close()


def _entry(generation: Path) -> tuple[bytes, bytes]:
    store = copies.Store(generation, write=True)
    with store.env.begin() as txn:
        [found] = list(txn.cursor(store.contacts))
    store.close()
    return found


def test_an_allowance_that_was_replaced_is_not_believed(tmp_path: Path) -> None:
    """Found where the denial should be, as on an old page: whole, of the contact, and refused."""
    generation = fresh(tmp_path, [(ALICE, decision([row()]))])
    token, old = _entry(generation)
    _follow(generation, decision([denial("OBJECTED")], version=2))
    assert ask(tmp_path).reasons == ("OBJECTED",)
    _set(generation, "contacts", token, old)
    assert ask(tmp_path).reasons == ("STALE_REPLICA",)
    _follow(generation, decision([row()], version=3))
    assert ask(tmp_path).allowed


def test_the_next_decision_mends_a_damaged_entry(tmp_path: Path) -> None:
    """Whatever version the damaged bytes say."""
    generation = fresh(tmp_path, [(ALICE, decision([row()], version=9))])
    token, entry = _entry(generation)
    _set(generation, "contacts", token, entry[:-1] + b"\x7f")
    assert ask(tmp_path).reasons == ("STALE_REPLICA",)
    _follow(generation, decision([denial("OBJECTED")], version=2))
    assert ask(tmp_path).reasons == ("OBJECTED",)


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000, None])
def test_an_unreadable_file_denies(tmp_path: Path, content: bytes | None) -> None:
    """An empty, foreign or truncated file is refused before LMDB could touch a missing page."""
    generation = fresh(tmp_path, [(ALICE, decision([row()]))])
    file = generation / "data.mdb"
    file.write_bytes(file.read_bytes()[: 3 * 4096] if content is None else content)
    assert ask(tmp_path).reasons == ("STALE_REPLICA",)


def test_a_reader_moves_on_to_a_rebuilt_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open gate keeps answering while the copy is rebuilt, and then from the new one."""
    steady = [0.0]
    monkeypatch.setattr("noli.replica.reader.steady", lambda: steady[0])
    fresh(tmp_path, [(ALICE, decision([row()]))])
    with Gate.open(tmp_path, pepper=PEPPER) as gate:
        assert gate.check(CONTROLLER, ALICE, *CALL).allowed
        fresh(tmp_path, [(ALICE, decision([denial("OBJECTED")]))])
        assert gate.check(CONTROLLER, ALICE, *CALL).allowed  # its pages are there until it looks
        steady[0] += 0.25
        assert gate.check(CONTROLLER, ALICE, *CALL).reasons == ("OBJECTED",)
        copies.withdraw(tmp_path)
        steady[0] += 0.25
        assert gate.check(CONTROLLER, ALICE, *CALL).reasons == ("STALE_REPLICA",)


def test_a_gate_may_be_opened_before_the_copy_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It denies until then, and answers soon after."""
    steady = [0.0]
    monkeypatch.setattr("noli.replica.reader.steady", lambda: steady[0])
    with Gate.open(tmp_path / "later", pepper=PEPPER) as gate:
        assert gate.check(CONTROLLER, ALICE, *CALL).reasons == ("STALE_REPLICA",)
        fresh(tmp_path / "later", [(ALICE, decision([row()]))])
        steady[0] += 0.25
        assert gate.check(CONTROLLER, ALICE, *CALL).allowed


def test_any_failure_of_our_own_denies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception from anywhere is a denial, counted as an error, and never raised."""
    fresh(tmp_path, [(ALICE, decision([row()]))])

    def fail(*_: object) -> None:
        raise RuntimeError("a bug about +393331234567")

    before = count("error")
    with Gate.open(tmp_path, pepper=PEPPER) as gate:
        monkeypatch.setattr(gate._reader, "fetch", fail)
        assert gate.check(CONTROLLER, ALICE, *CALL).reasons == ("STALE_REPLICA",)
    assert count("error") == before + 1


def test_a_closed_gate_denies(tmp_path: Path) -> None:
    """After `close` nothing is allowed."""
    fresh(tmp_path, [(ALICE, decision([row()]))])
    with Gate.open(tmp_path, pepper=PEPPER) as gate:
        assert gate.check(CONTROLLER, ALICE, *CALL).allowed
    assert gate.check(CONTROLLER, ALICE, *CALL).reasons == ("STALE_REPLICA",)


def test_a_forked_process_opens_the_copy_anew(tmp_path: Path) -> None:
    """A gate opened before a fork answers in the child and, afterwards, in the parent."""
    fresh(tmp_path, [(ALICE, decision([row()]))])
    with Gate.open(tmp_path, pepper=PEPPER) as gate:
        assert gate.check(CONTROLLER, ALICE, *CALL).allowed
        child = os.fork()
        if child == 0:
            os._exit(0 if gate.check(CONTROLLER, ALICE, *CALL).allowed else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert gate.check(CONTROLLER, ALICE, *CALL).allowed


def test_a_forked_process_that_closes_the_gate_does_not_shut_its_parents(tmp_path: Path) -> None:
    """LMDB frees the parent's reader slot then; the parent takes another and answers on."""
    fresh(tmp_path, [(ALICE, decision([row()]))])
    with Gate.open(tmp_path, pepper=PEPPER) as gate:
        assert gate.check(CONTROLLER, ALICE, *CALL).allowed
        child = os.fork()
        if child == 0:
            gate.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert gate.check(CONTROLLER, ALICE, *CALL).allowed


def test_a_lease_must_be_a_time(tmp_path: Path) -> None:
    """A lease of nothing would deny for ever, a negative one is a typing error: refused."""
    with pytest.raises(ValueError, match="lease_seconds"):
        Gate.open(tmp_path, pepper=PEPPER, lease_seconds=0)


def test_status_tells_readiness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, stale and fresh, each with its reason."""
    with Gate.open(tmp_path, pepper=PEPPER) as gate:
        assert gate.status() == (False, "there is no copy", None, None)
    fresh(tmp_path, [(ALICE, decision([row()]))])
    with Gate.open(tmp_path, pepper=PEPPER) as gate:
        assert gate.status() == (True, "", NOW, 1)
        at(monkeypatch, NOW + 60_000)
        assert gate.status() == (False, "older than its lease", NOW, 1)


def test_positions_are_not_shared(tmp_path: Path) -> None:
    """A head keeps the positions it was written with."""
    head = blank(2)
    moved = head.at([Position(5), Position(6)])
    assert [p.frontier for p in head.positions] == [0, 0]
    assert [p.frontier for p in moved.positions] == [5, 6]
