"""Schema ids on disk: believed whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from noli.runtime import registry
from noli.runtime.settings import Settings
from schemas.codec import RECORDS

IDS = {record: number for number, record in enumerate(sorted(RECORDS), 11)}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records that the registry was asked for."""
    asked: list[str] = []

    def look_up(_url: str, record: str) -> int:
        asked.append(record)
        return IDS[record]

    monkeypatch.setattr(registry, "_look_up", look_up)
    return asked


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a worker with a disk of its own."""
    return Settings.model_validate({"data": tmp_path})


def test_ids_on_the_disk_need_no_registry(settings: Settings, asked: list[str]) -> None:
    """The registry is asked once, and may be away ever after."""
    registry.codec(settings)
    assert sorted(asked) == sorted(RECORDS)
    asked.clear()
    registry.codec(settings)
    assert asked == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda _text: b"",
        lambda _text: b"[]",
        lambda _text: b"\xff\xfe",
        lambda text: text.replace(b'"id": 11,', b'"id": 12,'),
        lambda text: text.replace(b'"id": 11,', b'"id": 19,'),
        lambda text: text.replace(b'"sum": "', b'"sum": "0'),
    ],
    ids=["cut", "empty", "a list", "no text", "another's id", "nobody's id", "another sum"],
)
def test_damaged_ids_are_asked_for_again(
    settings: Settings, asked: list[str], damage: Callable[[bytes], bytes]
) -> None:
    """A wrong id would write what nobody can read, and a cut file must not end every start."""
    registry.codec(settings)
    (path,) = settings.data.glob("schema-ids.json")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert path.read_bytes() != whole
    asked.clear()
    registry.codec(settings)
    assert sorted(asked) == sorted(RECORDS)
    assert path.read_bytes() == whole
