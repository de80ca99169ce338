"""Snapshots of a copy: whole or refused."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from noli.replica import gate as gates
from noli.replica import snapshot
from noli.replica import store as copies
from noli.replica.gate import Gate
from noli.replica.head import Position, Refused
from noli.replica.lock import SecondWriter, only_writer
from noli.replica.store import Store
from tests.support.copies import (
    ALICE,
    BOB,
    CONTROLLER,
    NOW,
    PEPPER,
    TOPIC_ID,
    blank,
    decision,
    denial,
    fresh,
    row,
)

#: Offsets of the log that the copy of `exported` is made of: a claim, two decisions, a beacon.
ENDS = (4,)


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A snapshot of a copy in which Alice may be called and Bob not."""
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 1_000)
    fresh(tmp_path / "copy", [(ALICE, decision([row()])), (BOB, decision([denial("OBJECTED")]))])
    snapshot.export(tmp_path / "copy", tmp_path / "snapshot")
    return tmp_path / "snapshot"


def test_a_snapshot_says_what_it_is_of(exported: Path) -> None:
    """Frontier, topic, pepper, counts and digest; two files, private, nothing beside them."""
    manifest = snapshot.verify(exported)
    assert (manifest.topic_id, manifest.contacts, manifest.as_of) == (
        TOPIC_ID,
        2,
        "2026-11-24T09:00:00Z",
    )
    assert manifest.positions == (Position(4, 1, NOW),)
    assert sorted(path.name for path in exported.iterdir()) == ["data.mdb", "manifest.json"]
    assert {path.stat().st_mode & 0o777 for path in exported.iterdir()} == {0o600}
    assert sorted(path.name for path in exported.parent.iterdir()) == ["copy", "snapshot"]


def test_an_imported_copy_answers_alike(exported: Path, tmp_path: Path) -> None:
    """Also over another copy, which stands until the new one is whole."""
    for place in ("empty", "copy"):
        snapshot.bring(exported, tmp_path / place, blank(), ENDS)
        with Gate.open(tmp_path / place, pepper=PEPPER) as gate:
            assert gate.check(CONTROLLER, ALICE, "operator_call", "marketing").allowed
            assert not gate.check(CONTROLLER, BOB, "email", "marketing").allowed
        assert len([*(tmp_path / place).glob("g-*")]) == 1


@pytest.mark.parametrize("name", ["data.mdb", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_torn_snapshot_is_refused(exported: Path, tmp_path: Path, name: str, damage: str) -> None:
    """One bit, a missing tail, a missing file: refused, and the copy is as it was."""
    before = copies.current(tmp_path / "copy")
    data = (exported / name).read_bytes()
    middle = len(data) // 2
    if damage == "flip":
        flipped = bytes([data[middle] ^ 1])
        (exported / name).write_bytes(data[:middle] + flipped + data[middle + 1 :])
    elif damage == "cut":
        (exported / name).write_bytes(data[:-9])
    else:
        (exported / name).unlink()
    with pytest.raises(Refused):
        snapshot.verify(exported)
    with pytest.raises(Refused):
        snapshot.bring(exported, tmp_path / "copy", blank(), ENDS)
    assert copies.current(tmp_path / "copy") == before


@pytest.mark.parametrize(
    "over, why",
    [
        ({"topic_id": "another"}, "another topic"),
        ({"pepper_version": 2}, "pepper version"),
        ({"pepper_check": "00" * 8}, "another pepper"),
        ({"partitions": 2}, "partitions"),
        ({"positions": (Position(5),)}, "outside of the log"),
    ],
)
def test_a_foreign_or_old_snapshot_is_refused(
    exported: Path, tmp_path: Path, over: dict[str, Any], why: str
) -> None:
    """Another topic, another pepper, older than what the log still holds: nothing is touched."""
    with pytest.raises(Refused, match=why):
        snapshot.bring(exported, tmp_path / "fresh", blank(**over), ENDS)
    assert not (tmp_path / "fresh").exists()


def test_a_snapshot_from_the_future_is_refused(exported: Path, tmp_path: Path) -> None:
    """A frontier beyond the end of the log: the topic was made anew under the same id, or cut."""
    with pytest.raises(Refused, match="outside of the log"):
        snapshot.bring(exported, tmp_path / "fresh", blank(), (3,))


@pytest.mark.parametrize("name", ["contacts", "topic_id", "positions", "type"])
def test_a_manifest_that_lies_is_refused(exported: Path, name: str) -> None:
    """What it says must stand in the data, not only beside it."""
    path = exported / "manifest.json"
    manifest = json.loads(path.read_text())
    lies = {"contacts": 3, "topic_id": "other", "positions": [[9, 1, NOW]], "type": "other"}
    path.write_text(json.dumps(manifest | {name: lies[name]}))
    with pytest.raises(Refused):
        snapshot.verify(exported)


def test_an_export_spares_what_is_there(exported: Path, tmp_path: Path) -> None:
    """A directory that exists is not written to; without a copy there is nothing to export."""
    with pytest.raises(FileExistsError):
        snapshot.export(tmp_path / "copy", exported)
    with pytest.raises(Refused, match="no copy"):
        snapshot.export(tmp_path / "nothing", tmp_path / "another")
    assert not (tmp_path / "another").exists()


def test_an_import_waits_for_no_writer(exported: Path, tmp_path: Path) -> None:
    """While a writer holds the copy, nobody else replaces it."""
    with only_writer(tmp_path / "copy"), pytest.raises(SecondWriter):
        snapshot.bring(exported, tmp_path / "copy", blank(), ENDS)


def test_a_copy_in_use_is_exported_as_of_one_moment(exported: Path, tmp_path: Path) -> None:
    """A later transaction of the writer is in the next snapshot, not half in this one."""
    generation = copies.current(tmp_path / "copy")
    assert generation is not None
    with closing(Store(generation, write=True)) as store:
        store.write(lambda txn: store.put_head(txn, store.head().at((Position(9, 1, NOW),))))
    again = snapshot.export(tmp_path / "copy", tmp_path / "later")
    assert again.positions == (Position(9, 1, NOW),)
    assert snapshot.verify(exported).positions == (Position(4, 1, NOW),)
