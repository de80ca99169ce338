"""State that was damaged, or put back from yesterday, under the worker that owns it.

Its truth is the log: whatever the disk says that is not so is found, thrown away and built again.
NOLI_CHAOS_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.rig import observed
from tests.chaos.rig.crowd import Crowd, more
from tests.chaos.rig.drain import drain
from tests.chaos.rig.lab import TABLE, Plan, Rig, opened

LONG: Final = os.environ.get("NOLI_CHAOS") == "long"
SEED: Final = int(os.environ.get("NOLI_CHAOS_SEED") or secrets.randbelow(100_000))
WORKER: Final = "suppress-0"
_RATE: Final = 60.0
_POSTS: Final = 150
#: From its start on damaged state to everything folded, the machine being busy, in seconds.
_BACK_S: Final = 120.0
#: What a store says that throws its files away.
_DISCARDED: Final = "state.discarded"
#: Seconds that so many posts may take.
_TALK_S: Final = 60.0

pytestmark = [
    pytest.mark.skipif(not LONG, reason="long round only: make chaos LONG=1"),
    pytest.mark.timeout(300),
    pytest.mark.rule("OBJECT"),
]

Damage = Callable[[Path, random.Random], None]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One company for all kinds of damage, with one stream worker."""
    with opened(tmp_path_factory.mktemp("damage"), Plan(suppressors=1, seed=SEED)) as found:
        observed.stamp(found.settings())
        yield found


def _files(state: Path, suffix: str) -> list[Path]:
    found = sorted(path for path in state.glob(f"*/{suffix}") if path.stat().st_size)
    assert found, f"no {suffix} to damage"
    return found


def flip(suffix: str) -> Damage:
    """Flip bytes in the middle of every such file."""

    def damage(state: Path, chance: random.Random) -> None:
        for path in _files(state, suffix):
            content = bytearray(path.read_bytes())
            for _ in range(8):
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            path.write_bytes(content)

    return damage


def cut(suffix: str) -> Damage:
    """Cut such files off half-way."""

    def damage(state: Path, _chance: random.Random) -> None:
        for path in _files(state, suffix):
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size // 2)

    return damage


def delete(suffix: str) -> Damage:
    """Such files are gone."""

    def damage(state: Path, _chance: random.Random) -> None:
        for path in _files(state, suffix):
            path.unlink()

    return damage


def exchange(state: Path, _chance: random.Random) -> None:
    """Two partitions' directories under each other's names: a backup put back by hand."""
    first, second = state / "0", state / "1"
    first.rename(state / "kept")
    second.rename(first)
    (state / "kept").rename(second)


DAMAGES: Final[dict[str, Damage]] = {
    "bytes flipped in tables": flip("*.sst"),
    "tables cut off": cut("*.sst"),
    "tables gone": delete("*.sst"),
    "bytes flipped in the manifest": flip("MANIFEST-*"),
    "the manifest gone": delete("MANIFEST-*"),
    "no current manifest": delete("CURRENT"),
    "two partitions exchanged": exchange,
}
#: Of what RocksDB cannot know, the store does not speak: it finds an empty disk, or another's.
SILENT: Final = frozenset({"no current manifest", "two partitions exchanged"})


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_state_is_built_again_from_the_log(
    rig: Rig, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker comes back by itself, and what everybody holds is what the log says."""
    member, state = rig.members[WORKER], rig.data / WORKER / "state"
    before = member.said().count(_DISCARDED)
    took = broken(rig, lambda: DAMAGES[name](state, random.Random(SEED)))
    with capsys.disabled():
        print(f"\n  {name}: all folded {took:.1f} s after the start (NOLI_CHAOS_SEED={SEED})")
    assert member.ready()
    assert name in SILENT or member.said().count(_DISCARDED) > before


def test_yesterdays_state_put_back_regresses_nobody(rig: Rig, tmp_path: Path) -> None:
    """An old copy is a prefix of the log, and is read on from where it stands."""
    state, kept = rig.data / WORKER / "state", tmp_path / "kept"
    rig.members[WORKER].stop()
    shutil.copytree(state, kept)
    rig.members[WORKER].start()

    def put_back() -> None:
        shutil.rmtree(state)
        shutil.copytree(kept, state)

    broken(rig, put_back)


def broken(rig: Rig, damage: Callable[[], None]) -> float:
    """Traffic, damage while the worker is down and objections wait; seconds until all is folded."""
    member = rig.members[WORKER]
    talk(rig)
    drain(rig.settings(), (*rig.apps, TABLE), _BACK_S)
    member.stop()
    damage()
    talk(rig)
    began = time.monotonic()
    member.start()
    drain(rig.settings(), (*rig.apps, TABLE), _BACK_S)
    took = time.monotonic() - began
    report = observed.judged(rig, rig.sent)
    assert report.checked["denials"] > 0
    assert report.findings == [], str(report)
    return took


def talk(rig: Rig) -> None:
    """So many posts, each answered."""
    crowd = Crowd(rig.client, SEED + len(rig.sent), _RATE)
    crowd.start()
    try:
        more(crowd, _POSTS, _TALK_S)
    finally:
        crowd.stop()
        rig.sent += crowd.ops
