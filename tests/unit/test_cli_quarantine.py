"""`noli quarantine`: what is listed, what is shown to whoever asked, what a resolution writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from noli.cli import quarantine
from noli.cli.applications import log
from noli.cli.applications.log import Log
from noli.cli.problem import ProblemError
from noli.runtime import scan
from noli.runtime.part import Record
from noli.runtime.settings import Settings
from schemas.names import QUARANTINE
from tests.support.decisions import CODEC

Run = Callable[..., Result]
NUMBER = "+39 333 1234567"


class Topic:
    """noli.quarantine, on one partition."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def put(self, record: str, **datum: Any) -> None:  # noqa: ANN401 - of the contract
        """Append one."""
        self.values.append(CODEC.encode(record, datum))

    def records(self, *_: object) -> Iterator[Record]:
        """All of them."""
        for offset, value in enumerate(self.values):
            yield Record(QUARANTINE, 0, offset, None, value, 2_000)

    async def send(
        self, _topic: str, key: bytes | None, value: bytes, partition: int | None = None
    ) -> None:
        """As `Acked`."""
        assert (key, partition) == (None, 0)
        self.values.append(value)

    async def close(self) -> None:
        """Nothing is in flight."""


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    """One contact that could not be normalised, and bytes that are no record of ours."""
    made = Topic()
    made.put(
        "noli.Quarantine", topic="http", partition=0, offset=4, key=None, value=b'{"a":1}',
        reason="no such number", at=1_000, contact={"kind": "phone", "value": NUMBER},
        controller="acme",
    )  # fmt: skip
    made.values.append(b"rubbish")
    monkeypatch.setattr(log, "opened", lambda _data: Log(Settings(), CODEC))
    monkeypatch.setattr(scan, "partitions", lambda *_: {QUARANTINE: 1})
    monkeypatch.setattr(scan, "records", made.records)
    monkeypatch.setattr(quarantine, "Acked", lambda _settings: made)
    return made


def run(*words: str) -> Result:
    """The command."""
    return CliRunner().invoke(quarantine.app, words)


def test_the_list_names_places_and_reasons_and_nobody(topic: Topic) -> None:
    """Exit code 1 while anything is left; the contact is in no line of it."""
    told = run("list", "--json")
    assert told.exit_code == 1
    assert [(one["id"], one["reason"], one["source"]) for one in json.loads(told.output)] == [
        ("0:0", "no such number", "http:0:4"),
        ("0:1", "not a record of ours", "?"),
    ]
    for output in (told.output, run("list").output):
        assert "1234567" not in output


def test_show_prints_all_of_it_to_whoever_asked(topic: Topic) -> None:
    """Bytes and contact; an ID that is none, and a place where nothing is, are said to be so."""
    told = run("show", "0:0").output
    assert NUMBER in told
    assert b'{"a":1}'.hex() in told
    for wrong, words in (("here", "is no ID"), ("0:9", "nothing is in quarantine")):
        error = run("show", wrong).exception
        assert isinstance(error, ProblemError)
        assert words in error.fact


def test_a_resolution_says_who_and_what_and_is_asked_for_once(topic: Topic) -> None:
    """Behind what it resolves, on its partition; never without a note."""
    assert isinstance(run("resolve", "0:0", "--note", " ").exception, ProblemError)
    assert run("resolve", "0:0", "--note", "sent again").exit_code == 0
    name, datum = CODEC.decode(topic.values[-1])
    assert (name, datum["partition"], datum["offset"], datum["note"]) == (
        "noli.QuarantineResolved", 0, 0, "sent again",
    )  # fmt: skip
    assert "@" in datum["by"]
    assert isinstance(run("resolve", "0:0", "--note", "again").exception, ProblemError)
    left = json.loads(run("list", "--json").output)
    assert [one["id"] for one in left] == ["0:1"]
    assert run("resolve", "0:1", "--note", "an old build's").exit_code == 0
    assert run("list").exit_code == 0
    assert "nothing is in quarantine" in run("list").output
    every = json.loads(run("list", "--all", "--json").output)
    assert [one["note"] for one in every] == ["sent again", "an old build's"]
