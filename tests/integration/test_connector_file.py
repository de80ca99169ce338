"""Files on a real disk, as a receiver finds them, also while and after something broke."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from connectors.protocol import Applied, Change, Contact, Reject, Result, Retry
from connectors.sinks.file import File
from connectors.testing import CALLS, NOW_MS, TEXTS, a_change, a_verdict
from noli.domain.channel import Kind
from noli.runtime.clock import steady
from tests.contract.peers.file import manifests, rows


def a_sink(folder: Path, **over: object) -> File:
    """A sink that does not wait between two files."""
    config = {"directory": folder, "interval_s": 0, **over}
    return File(File.Config.model_validate(config), "dialer")


def here(folder: Path, pattern: str = "*") -> list[Path]:
    """What lies there."""
    return sorted(folder.glob(pattern))


async def apply(folder: Path, *changes: Change) -> Sequence[Result]:
    """One file."""
    return await a_sink(folder).apply(changes)


async def test_a_file_says_all_and_its_manifest_says_what_it_is(tmp_path: Path) -> None:
    """Columns, the row of everything else, times in RFC 3339, versions, the bytes' SHA-256."""
    until = a_verdict(CALLS, allowed=True, until=NOW_MS)
    change = a_change("01" + "ab" * 16, 7, until, a_verdict(TEXTS))
    erased = a_change(None, 9, contact=None)._replace(as_of=None)
    assert await apply(tmp_path, change, erased) == [Applied(), Applied()]
    (told,) = manifests(tmp_path)
    counts = {"rows": 5, "contacts": 2, "first_version": 7, "last_version": 9, "as_of": None}
    assert {name: told[name] for name in counts} == counts
    first, second, third, *_ = rows(tmp_path)
    assert (first["channel"], first["allowed"], first["reasons"]) == ("*", "false", "NO_BASIS")
    assert list(second.values()) == [
        "01" + "ab" * 16, "7", "phone", "+393331234567", "acme",
        "operator_call", "marketing", "*", "true", "2026-11-24T09:00:00Z", "", "",
    ]  # fmt: skip
    assert (third["allowed"], third["until"], third["reasons"]) == ("false", "", "OBJECTED")
    assert [row["contact"] for row in rows(tmp_path) if row["version"] == "9"] == ["", ""]


async def test_what_a_crash_left_is_no_file_and_is_cleared_away(tmp_path: Path) -> None:
    """Before the rename there is only a `.part`; without a manifest a CSV announces nothing."""
    (tmp_path / "dialer-1-abc.csv.part").write_bytes(b"half a fi")
    (tmp_path / "other-1-abc.csv.part").write_bytes(b"somebody else's")
    await apply(tmp_path, a_change())
    assert sorted(path.suffix for path in here(tmp_path, "dialer-*")) == [".csv", ".json"]
    assert (tmp_path / "other-1-abc.csv.part").exists()


@pytest.mark.parametrize("refused", ["fsync", "rename"])
async def test_a_disk_that_fails_announces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """`Retry`, no manifest; once there is room again, the same batch stands there whole."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, f"no room for {tmp_path}")

    with monkeypatch.context() as patched:
        patched.setattr(os if refused == "fsync" else Path, refused, full)
        with pytest.raises(Retry, match="file_ENOSPC"):
            await apply(tmp_path, a_change())
    assert manifests(tmp_path) == []
    await apply(tmp_path, a_change())
    assert len(manifests(tmp_path)) == 1


async def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """Whoever looks all the time finds each announced file whole, checksum and all."""
    sink, done, seen = a_sink(tmp_path), asyncio.Event(), 0

    async def look() -> None:
        nonlocal seen
        while not done.is_set():
            seen = max(seen, len(list(await asyncio.to_thread(lambda: list(rows(tmp_path))))))

    looking = asyncio.create_task(look())
    for version in range(1, 21):
        await sink.apply([a_change(None, version) for _ in range(50)])
    done.set()
    await looking
    assert 0 < seen <= 20 * 50 * 2
    names = [told["file"] for told in manifests(tmp_path)]
    assert (len(names), names) == (20, sorted(names))


async def test_a_second_process_waits_for_its_turn(tmp_path: Path) -> None:
    """Two files at once are not written; who comes second is told to come again."""
    held = os.open(tmp_path / ".dialer.lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(Retry, match="directory_is_taken"):
        await apply(tmp_path, a_change())
    os.close(held)
    assert await apply(tmp_path, a_change()) == [Applied()]


async def test_files_keep_their_distance(tmp_path: Path) -> None:
    """The first comes at once, the second not before the interval is over."""
    sink, begin = a_sink(tmp_path, interval_s=0.2), steady()
    await sink.apply([a_change()])
    first = steady() - begin
    await sink.apply([a_change()])
    assert first < 0.2 <= steady() - begin


async def test_contacts_are_for_this_user_and_the_receivers_group(tmp_path: Path) -> None:
    """No file of ours can be read by everybody; what is no text is refused alone."""
    bad = a_change(contact=Contact(Kind.PHONE, "\ud800"))
    good, refused = await apply(tmp_path, a_change(), bad)
    assert (good, type(refused)) == (Applied(), Reject)
    assert {stat.S_IMODE(path.stat().st_mode) for path in here(tmp_path, "dialer*")} == {0o640}


async def test_check_names_the_directory_that_cannot_be_used(tmp_path: Path) -> None:
    """Not there, or no directory; nothing is written."""
    (tmp_path / "plain").touch()
    found = [await a_sink(tmp_path / name).check() for name in ("gone", "plain")]
    assert [problem.what for (problem,) in found] == [
        "config.directory: ENOENT",
        "config.directory: ENOTDIR",
    ]
    assert await a_sink(tmp_path).check() == []
    assert here(tmp_path) == [tmp_path / "plain"]
