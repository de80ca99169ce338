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
from connectors.testing import CALLS, NOW_MS, TEXTS, a_change, a_verdict, new_token
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


async def test_a_whole_file_holds_every_contact_ever_told(tmp_path: Path) -> None:
    """Newest version of each, also after a restart and a late older one; erased: without value."""
    kept, changed, erased = new_token(), new_token(), new_token()
    first = [a_change(token, 5) for token in (kept, changed, erased)]
    await a_sink(tmp_path, whole=True).apply(first)
    sink = a_sink(tmp_path, whole=True)
    await sink.apply([a_change(changed, 6, a_verdict(allowed=True))])
    await sink.apply([a_change(changed, 4), a_change(erased, 7, contact=None)])
    told = manifests(tmp_path)
    assert [(one["holds"], one["contacts"]) for one in told] == [("every contact", 3)] * 3
    assert (told[-1]["first_version"], told[-1]["last_version"]) == (5, 7)
    for old in told[:-1]:
        (tmp_path / old["file"]).with_suffix(".json").unlink()
    found = {row["token"]: row for row in rows(tmp_path) if row["channel"] != "*"}
    assert {token: (int(row["version"]), row["allowed"]) for token, row in found.items()} == {
        kept: (5, "false"), changed: (6, "true"), erased: (7, "false"),
    }  # fmt: skip
    assert (found[erased]["contact"], found[kept]["contact"]) == ("", "+393331234567")
    (ours,) = here(tmp_path, ".dialer.sqlite")
    assert stat.S_IMODE(ours.stat().st_mode) == 0o600


async def test_a_whole_file_that_could_not_be_written_is_written_next_time(tmp_path: Path) -> None:
    """What is remembered is not announced: the repetition says it, nothing is lost between."""
    (ours := tmp_path / ".dialer.sqlite").write_bytes(b"no database at all, but somebody's text")
    sink = a_sink(tmp_path, whole=True)
    with pytest.raises(Retry, match="file_DatabaseError"):
        await sink.apply([a_change()])
    assert manifests(tmp_path) == []
    ours.unlink()
    assert await sink.apply([a_change()]) == [Applied()]
    assert len(manifests(tmp_path)) == 1
