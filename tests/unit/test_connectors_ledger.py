"""The ledger of sinks whose target cannot hold a version."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from connectors.ledger import NEVER_TOLD, Ledger, LedgerBrokenError, Told, fenced
from connectors.protocol import (
    Applied,
    Change,
    Contact,
    Held,
    Problem,
    Reject,
    Result,
    Retry,
    Sink,
    Subject,
    Traits,
)
from connectors.testing import CALLS, a_change, a_verdict, new_token, phone


class Switchboard:
    """A target that only knows which numbers are allowed."""

    def __init__(self, versions: str = "ledger") -> None:
        self.traits = Traits(versions="target" if versions == "target" else "ledger")
        self.allowed: dict[str, bool] = {}
        self.offered: list[Change] = []
        self.answer: Result | None = None
        self.closed = False

    async def check(self) -> Sequence[Problem]:
        """Nothing is ever wrong."""
        return []

    async def apply(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Sets the numbers, unless told to answer something else."""
        self.offered += changes
        if self.answer:
            return [self.answer] * len(changes)
        for change in changes:
            assert change.contact is not None
            self.allowed[change.contact.value] = change.verdicts[0].allowed
        return [Applied()] * len(changes)

    async def read_back(self, subjects: Sequence[Subject]) -> Mapping[str, Held]:
        """By number."""
        named = {s.token: s.contact.value for s in subjects if s.contact}
        return {
            t: Held(None, {CALLS: self.allowed[n]}) for t, n in named.items() if n in self.allowed
        }

    async def aclose(self) -> None:
        """Remembers that it was asked to."""
        self.closed = True


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "apps" / "switch.ledger"


def with_ledger(board: Switchboard, file: Path) -> Sink:
    """The board behind its ledger, as a process opens it."""
    return fenced(board, file)


async def test_an_older_change_is_not_offered(file: Path) -> None:
    """A late grant does not undo a newer objection, also after a restart."""
    board, token = Switchboard(), new_token()
    await with_ledger(board, file).apply([a_change(token, 7)])
    late = a_change(token, 6, a_verdict(allowed=True))
    assert await with_ledger(board, file).apply([late]) == [Applied()]
    assert list(board.allowed.values()) == [False]


async def test_the_same_version_is_offered_again(file: Path) -> None:
    """A repair repeats a version."""
    board, change = Switchboard(), a_change(None, 3)
    sink = with_ledger(board, file)
    await sink.apply([change])
    await sink.apply([change])
    assert len(board.offered) == 2


async def test_an_erased_contact_is_denied_by_the_name_it_had_and_then_forgotten(
    file: Path,
) -> None:
    """ERASURE: the target is told a last time; afterwards nobody here knows the value."""
    board, token, number = Switchboard(), new_token(), phone(5)
    sink = with_ledger(board, file)
    await sink.apply([a_change(token, 1, a_verdict(allowed=True), contact=number)])
    assert await sink.apply([a_change(token, 2, contact=None)]) == [Applied()]
    assert board.allowed == {number.value: False}
    assert Ledger(file).look([token]) == {token: Told(2, None)}
    assert await sink.apply([a_change(token, 2, contact=None)]) == [Applied()]
    await sink.aclose()
    assert all(number.value.encode() not in each.read_bytes() for each in file.parent.iterdir())


async def test_an_erased_contact_nobody_told_of_says_so(file: Path) -> None:
    """The receipt shows that the target was never told."""
    board = Switchboard()
    assert await with_ledger(board, file).apply([a_change(contact=None)]) == [Applied(NEVER_TOLD)]
    assert board.offered == []


@pytest.mark.parametrize("answer", [Retry("busy"), Reject("no")])
async def test_what_the_target_refused_is_offered_again(file: Path, answer: Result) -> None:
    """Only what was applied is written down."""
    board, change = Switchboard(), a_change(None, 4)
    sink = with_ledger(board, file)
    board.answer = answer
    assert await sink.apply([change]) == [answer]
    assert Ledger(file).look([change.token]) == {}


async def test_what_is_held_has_the_version_it_was_told(file: Path) -> None:
    """The target's answer, with the ledger's version; strangers are absent."""
    board, change, stranger = Switchboard(), a_change(None, 4), Subject(new_token(), phone(8))
    sink = with_ledger(board, file)
    await sink.apply([change])
    held = await sink.read_back([Subject(change.token, None), stranger])
    assert held == {change.token: Held(4, {CALLS: False})}


async def test_closing_closes_both(file: Path) -> None:
    """The sink is closed, and the ledger may be opened again."""
    board = Switchboard()
    sink = with_ledger(board, file)
    await sink.apply([a_change()])
    await sink.aclose()
    assert board.closed
    await sink.apply([a_change()])
    await sink.aclose()


def test_a_target_with_versions_needs_no_ledger(file: Path) -> None:
    """The sink is used as it is."""
    board = Switchboard("target")
    assert fenced(board, file) is board
    assert not file.parent.exists()


def test_only_its_user_reads_the_ledger(file: Path) -> None:
    """It holds contacts."""
    ledger = Ledger(file)
    ledger.tell([(new_token(), Told(1, phone(1)))])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_an_older_version_never_replaces_a_newer_one(file: Path) -> None:
    """Two writers of the same file keep the newest."""
    token, first, second = new_token(), Ledger(file), Ledger(file)
    first.tell([(token, Told(5, None))])
    second.tell([(token, Told(4, Contact(phone(1).kind, phone(1).value)))])
    assert first.look([token]) == {token: Told(5, None)}


def test_a_broken_file_is_named_with_its_remedy(file: Path) -> None:
    """The message says what to do; nothing is applied on a guess."""
    file.parent.mkdir()
    file.write_bytes(b"this is no database" * 100)
    with pytest.raises(LedgerBrokenError, match=r"switch.ledger: .*backfill"):
        Ledger(file).look([new_token()])


@pytest.mark.parametrize("column", ["version", "kind", "value", "sum"])
def test_a_row_that_a_disk_changed_is_not_believed(file: Path, column: str) -> None:
    """A version that became higher would keep an objection from the target for ever."""
    ledger, token = Ledger(file), new_token()
    ledger.tell([(token, Told(3, phone(1)))])
    with sqlite3.connect(file) as other:
        other.execute(f"UPDATE told SET {column} = {column} || '1'")
    with pytest.raises(LedgerBrokenError, match="noli app backfill"):
        ledger.look([token])
    ledger.close()


def test_a_ledger_of_an_older_build_is_read_on(file: Path) -> None:
    """Its rows have no checksum until they are written again."""
    file.parent.mkdir(parents=True, exist_ok=True)
    token, who = new_token(), phone(1)
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE told (token TEXT PRIMARY KEY, version INTEGER NOT NULL,"
                      " kind TEXT, value TEXT) WITHOUT ROWID")  # fmt: skip
        other.execute("INSERT INTO told VALUES (?, 3, ?, ?)", (token, *who))
    ledger = Ledger(file)
    assert ledger.look([token]) == {token: Told(3, who)}
    ledger.tell([(token, Told(4, who))])
    assert ledger.look([token]) == {token: Told(4, who)}
    ledger.close()


def test_many_tokens_are_looked_up(file: Path) -> None:
    """More than one statement takes."""
    tokens = [new_token() for _ in range(2_500)]
    ledger = Ledger(file)
    ledger.tell((token, Told(1, None)) for token in tokens)
    assert set(ledger.look(tokens)) == set(tokens)
