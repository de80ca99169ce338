"""The release of a contract itself: adds what is new, refuses an edit of what is released."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract import released


@pytest.fixture
def avro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of contracts of its own, with one contract in it."""
    folder = tmp_path / "avro"
    folder.mkdir()
    monkeypatch.setattr(released, "AVRO", folder)
    monkeypatch.setattr(released, "LOCK", tmp_path / "released.lock")
    monkeypatch.setattr(released, "GOLDEN", tmp_path / "golden")
    write(folder, "pebble", "long")
    return folder


def write(folder: Path, stem: str, weight: str) -> None:
    """A small contract with a union of records, so that goldens name their branch."""
    shape: list[dict[str, Any]] = [
        {"type": "record", "name": name, "fields": []} for name in ("Round", "Flat")
    ]
    fields: list[dict[str, Any]] = [
        {"name": "weight", "type": weight},
        {"name": "shape", "type": shape},
    ]
    contract = {"type": "record", "name": "Pebble", "namespace": "noli", "fields": fields}
    (folder / f"{stem}.avsc").write_text(json.dumps(contract, indent=1))


def test_a_release_locks_what_is_new_with_golden_bytes(avro: Path) -> None:
    """One golden line for each branch; a second release adds the new file and keeps the first."""
    released.main()
    first = released.released()
    assert [value for _, value in released.golden("pebble")] == [
        {"weight": 1_760_000_000_000, "shape": ["noli.Flat", {}]},
        {"weight": 1_760_086_400_000, "shape": ["noli.Round", {}]},
    ]
    write(avro, "pebble.v2", "double")
    released.main()
    assert released.released().keys() == {"pebble", "pebble.v2"}
    assert released.released()["pebble"] == first["pebble"]


def test_layout_may_change_and_meaning_may_not(avro: Path) -> None:
    """Reformatting passes; another type is refused with the way to do it."""
    released.main()
    path = avro / "pebble.avsc"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=3))
    released.main()
    write(avro, "pebble", "double")
    with pytest.raises(SystemExit, match=r"pebble\.avsc is released and was edited.*v2"):
        released.main()


def test_a_released_contract_cannot_be_removed(avro: Path) -> None:
    """Its bytes are in the log for ever, so its file stays."""
    released.main()
    (avro / "pebble.avsc").unlink()
    with pytest.raises(SystemExit, match="is released"):
        released.main()
