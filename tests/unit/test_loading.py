"""Loads: same bytes as the intake, chunks per partition, a journal to go on from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from noli import wire
from noli.domain.contact import normalise
from noli.domain.facts import Fact
from noli.domain.token import Pepper, token
from noli.intake.routing import Router
from noli.loading import force, journal
from noli.loading.loader import Loader, Row, Unsuited, suited
from noli.runtime import broker, chunks
from noli.runtime.chunks import Item
from noli.runtime.kafka import NotDurable, Outgoing, Placed
from noli.runtime.part import Record
from noli.runtime.partition import partition_of
from noli.runtime.settings import Settings
from schemas.names import BULK
from tests.support.law import ACME, PARTY, consent, fact, objection
from tests.support.step import CODEC

PEPPER = Pepper(1, bytes(range(32)))
PARTITIONS = 8
STRETCH = 300
LINES = 1_000


class Log:
    """A log that confirms, until it is told to stop doing so."""

    def __init__(self, breaks_after: int = 1 << 30) -> None:
        self.chunks: list[Outgoing] = []
        self.breaks_after = breaks_after

    async def send_many(self, records: Sequence[Outgoing]) -> list[Placed]:
        """Keep and confirm; or fail half way, as a broker does."""
        self.breaks_after -= 1
        if self.breaks_after < 0:
            self.chunks += records[: len(records) // 2]
            raise NotDurable("gone", indeterminate=True)
        self.chunks += records
        return [
            Placed(BULK, record.partition or 0, len(self.chunks) + n, 0)
            for n, record in enumerate(records)
        ]

    def items(self) -> list[tuple[int, Item]]:
        """Every intent, with the partition it stands in."""
        return [
            (chunk.partition or 0, Item(item.key or b"", item.value or b""))
            for chunk in self.chunks
            for item in chunks.unpacked(Record(BULK, 0, 0, None, chunk.value, 0), CODEC)
        ]


def phone(line: int) -> dict[str, str]:
    """The contact of a line."""
    return {"kind": "phone", "value": f"+39333{line:07d}"}


def rows(after: int = 0) -> Iterator[Row]:
    """A file whose every seventh line is bad."""
    for line in range(after + 1, LINES + 1):
        if line % 7:
            yield Row(line, [consent(1, contact=phone(line))])


async def load(log: Log, folder: Path) -> list[int]:
    """Run the one job; the lines it was told are done."""
    done: list[int] = []
    job = journal.opened(folder, "job")
    await Loader(log, CODEC, PEPPER, PARTITIONS, job).load(rows(job.lines), done.append, STRETCH)
    return done


async def test_a_load_writes_what_the_intake_would(tmp_path: Path) -> None:
    """Key, value and partition of every good line are those of an event that was posted."""
    log = Log()
    await load(log, tmp_path)
    posted = [
        record
        for row in rows()
        for each in row.facts
        for record in Router(PEPPER, 8, 8).records(
            each, CODEC.encode("noli.Intent", wire.fact_to_intent(each))
        )
    ]
    written = [Item(record.key or b"", record.value) for record in posted]
    expected = {(partition_of(item.key, PARTITIONS), item) for item in written}
    assert set(log.items()) == expected
    assert len(log.items()) == len(expected)


async def test_chunks_are_numbered_within_their_job(tmp_path: Path) -> None:
    """One after the other, over all stretches; each of one partition's contacts."""
    log = Log()
    assert await load(log, tmp_path) == [300, 600, 900, 1200]
    data = [CODEC.decode(chunk.value)[1] for chunk in log.chunks]
    assert [datum["number"] for datum in data] == list(range(len(data)))
    assert {datum["job"] for datum in data} == {"job"}
    assert max(len(datum["items"]) for datum in data) <= chunks.ITEMS_MAX


@pytest.mark.parametrize("breaks", [0, 1, 3])
async def test_a_load_that_broke_goes_on(tmp_path: Path, breaks: int) -> None:
    """Stretches that were confirmed are not sent again; in the end every line is there."""
    first, second = Log(breaks), Log()
    with pytest.raises(NotDurable):
        await load(first, tmp_path)
    assert journal.opened(tmp_path, "job").lines == breaks * STRETCH
    assert await load(second, tmp_path) == [300, 600, 900, 1200][breaks:]
    whole = Log()
    await load(whole, tmp_path / "another")
    assert {*first.items(), *second.items()} == {*whole.items()}
    tail = whole.chunks[-len(second.chunks) :]
    assert [chunk.value for chunk in second.chunks] == [chunk.value for chunk in tail]


async def test_a_finished_load_sends_nothing(tmp_path: Path) -> None:
    """Run again, it knows; and where its chunks ended."""
    await load(Log(), tmp_path)
    again = Log()
    job = journal.opened(tmp_path, "job")
    assert job.finished
    assert set(job.ends) == set(range(PARTITIONS))
    assert await load(again, tmp_path) == []
    assert again.chunks == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"lines": "x"}', "rubbish"])
async def test_an_unreadable_journal_is_a_new_one(tmp_path: Path, text: str) -> None:
    """Sent again, the same facts change nothing; a load is never refused for it."""
    (tmp_path / "job.json").write_text(text, "utf-8")
    log = Log()
    assert await load(log, tmp_path) == [300, 600, 900, 1200]


@pytest.mark.parametrize(
    "unsuited",
    [
        objection(1),
        fact("consent.withdrawn", 1),
        fact("erasure.requested", 1),
        fact("call.silent", 1),
        consent(1, party=PARTY, contact=None),
        fact("source.revoked", 1, source_id="s", contact=None),
    ],
)
def test_what_must_not_wait_is_not_loaded(unsuited: Fact) -> None:
    """An objection, and what is about no contact, goes by the intake."""
    with pytest.raises(Unsuited, match="noli send"):
        suited(unsuited)


def test_a_contact_of_canaries_is_not_loaded() -> None:
    """It is nobody's: a consent of it in a file is a mistake of whoever made the file."""
    contact = {"kind": "phone", "value": "+447700900901"}
    with pytest.raises(Unsuited, match="reserved for canaries"):
        suited(consent(1, contact=contact))


def test_grants_and_listings_are_loaded() -> None:
    """What may wait, and what the register's answer says."""
    for each in (consent(1), fact("register.listed", 1, register="phone")):
        assert suited(each) is each


def test_a_contact_s_facts_keep_their_partition() -> None:
    """Two spellings, one token, one partition."""
    keys = {token(PEPPER, ACME, normalise("phone", n)) for n in ("333 0000001", "+393330000001")}
    assert len(keys) == 1


class Committed:
    """A group that commits as told, one look after the other; then nothing more."""

    def __init__(self, *looks: dict[int, int]) -> None:
        self.looks = list(looks)

    def __call__(self, _client: object, group: str, topic: str) -> dict[int, int]:
        """What the group has committed."""
        assert (group, topic) == ("g", BULK)
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


class Unhurried:
    """An admin client that waits for nothing."""

    def poll(self, _seconds: float) -> None:
        """Return at once."""


@pytest.mark.parametrize(
    "looks, done, told",
    [
        ([{}, {0: 5}, {0: 5, 1: 9}], True, [12, 7, 0]),
        ([{0: 5, 1: 7}], True, [0]),
        ([{}, {0: 4}], False, [12, 8]),
    ],
)
def test_a_load_is_in_force_once_its_chunks_are_committed(
    monkeypatch: pytest.MonkeyPatch, looks: list[dict[int, int]], done: bool, told: list[int]
) -> None:
    """Chunks left are told; a worker that takes none for long is not waited for."""
    monkeypatch.setattr(broker, "admin", lambda _settings: Unhurried())
    monkeypatch.setattr(broker, "committed", Committed(*looks))
    left: list[int] = []
    assert force.awaited(Settings(), "g", {0: 5, 1: 7}, 0.01, left.append) is done
    assert left[: len(told)] == told


def test_a_coordinator_that_moves_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """One refusal is no end of the wait; a broker away for longer than the patience is."""
    looks: list[dict[int, int] | None] = [None, {0: 5}]

    def committed(*_: object) -> dict[int, int]:
        found = looks.pop(0) if looks else None
        if found is None:
            raise broker.BrokerUnavailable("coordinator load in progress")
        return found

    monkeypatch.setattr(broker, "admin", lambda _settings: Unhurried())
    monkeypatch.setattr(broker, "committed", committed)
    done = force.awaited(Settings(), "g", {0: 5}, 5.0, lambda _: None)
    assert done
    with pytest.raises(broker.BrokerUnavailable):
        force.awaited(Settings(), "g", {0: 5}, 0.01, lambda _: None)
