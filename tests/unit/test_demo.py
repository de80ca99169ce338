"""The demo's own parts: whom it invents, which files it writes, what it calls a success."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from noli.cli.demo import optouts, sheets
from noli.cli.demo.checks import Finding
from noli.cli.demo.people import Line, people
from noli.cli.demo.receipts import Account
from noli.cli.demo.verdict import Outcome, percentile
from noli.cli.sending.line import Defaults
from noli.cli.sending.sheet import Sheet
from noli.domain.contact import normalise
from noli.domain.times import parse

NOW = parse("2026-11-22T10:00:00Z")
TOKENS = frozenset({b"a", b"b"})


def test_people_are_the_same_on_every_run_and_all_different() -> None:
    """Seeded; no two share a contact point, and both spellings of each are one contact."""
    crowd = people(1_000)
    assert crowd == people(1_000)
    written = {normalise(person.kind, person.written).value for person in crowd}
    elsewhere = {normalise(person.kind, person.elsewhere).value for person in crowd}
    assert len(written) == len(crowd)
    assert written == elsewhere
    assert {person.line for person in crowd} == set(Line)


def test_a_person_is_shown_without_the_contact() -> None:
    """A repr never holds a contact, invented as it is."""
    person = people(1)[0]
    assert person.written not in repr(person)


def test_opt_outs_are_different_people_in_every_shape() -> None:
    """Three hundred people, each by one way: mail readers click, callers have a phone."""
    who = optouts.chosen(people(1_500))
    assert len(set(who.everybody)) == optouts.COUNT
    assert {person.line for person in [*who.multipart, *who.urlencoded]} == {Line.EMAIL}
    assert Line.EMAIL not in {person.line for person in who.calls}


@pytest.mark.parametrize("sheet", ["contacts", "register_checks", "calls"])
def test_noli_send_reads_the_files(sheet: str, tmp_path: Path) -> None:
    """Every row becomes one event with the contact of its person and a time in the past."""
    crowd = [person for person in people(60) if sheet == "contacts" or person.kind == "phone"]
    path = tmp_path / "file.csv"
    getattr(sheets, sheet)(path, crowd, NOW)
    lines = [*Sheet(path).lines(Defaults("acme", "/t", "noli.any.v1", sheets.ROME, "x"))]
    values = [line.events[0]["data"]["contact"]["value"] for line in lines]
    said = [person.elsewhere if sheet == "calls" else person.written for person in crowd]
    assert values == [text.strip() for text in said]
    assert all(parse(line.events[0]["time"]) < NOW for line in lines)


def good() -> Outcome:
    """An outcome with nothing to complain of."""
    account = Account(known=set(TOKENS), told=set(TOKENS), confirmed={b"a": 5, b"b": 9})
    return Outcome(2, TOKENS, {"crm": account}, [Finding("lookup", 0, 0)], 0)


def test_all_confirmed_and_obeyed_is_good() -> None:
    """Nothing to complain of."""
    assert good().good


@pytest.mark.parametrize(
    "worse",
    [
        replace(good(), findings=[Finding("lookup", 1, 0)]),
        replace(good(), findings=[Finding("lookup", 0, 1)]),
        replace(good(), accounts={"crm": Account(confirmed={b"a": 5})}),
        replace(good(), accounts={"crm": Account()}),
        replace(good(), refused_posts=1),
    ],
    ids=["somebody allowed", "others denied", "one not confirmed", "nobody told", "unsigned"],
)
def test_anything_missing_is_a_failure(worse: Outcome) -> None:
    """Denying everybody is no success, nor is a confirmation that never came."""
    assert not worse.good
    assert worse.complaints()


def test_a_percentile_of_little_is_what_there_is() -> None:
    """Of one value that value; of many, the interpolated one."""
    assert percentile([7], 99) == 7
    assert percentile(list(range(101)), 50) == 50
