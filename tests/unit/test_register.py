"""The register of objections: dialects both ways, bad lines, and what an outcome means in law."""

from __future__ import annotations

import csv
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from connectors.sources.rpo import dialect as dialects
from connectors.sources.rpo import request
from connectors.sources.rpo.answer import Answer, Answered, Bad
from connectors.sources.rpo.dialect import Dialect, DialectError, Register
from noli.cli.problem import ProblemError
from noli.cli.registering import answer as answers
from noli.cli.registering.request import span
from noli.cli.sending.rejects import Rejects
from noli.domain import times
from noli.domain.contact import normalise
from tests.support.law import on

AS_OF = on(100)


def fenix() -> Dialect:
    """The plain layout, its outcomes said."""
    return dialects.load("fenix-like", Register.PHONE).saying(["1"], ["0"])


def sheet(register: Register = Register.PHONE) -> Dialect:
    """The layout with a header and dates."""
    return dialects.load("csv", register).saying([], [])


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Writes an answer."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "answer.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path: Path, layout: Dialect, register: Register = Register.PHONE) -> list[Answered | Bad]:
    """Every row of an answer."""
    return list(Answer(path, layout, register, AS_OF).rows())


def said(rows: list[Answered | Bad]) -> list[tuple[int, str, bool]]:
    """Line, contact, whether listed: of what was understood."""
    return [(r.line, r.contact.value, r.listed) for r in rows if isinstance(r, Answered)]


def causes(rows: list[Answered | Bad]) -> dict[int, str]:
    """Cause by line of what was not."""
    return {row.line: row.cause for row in rows if isinstance(row, Bad)}


def test_a_plain_answer_is_read(written: Callable[[str], Path]) -> None:
    """National numbers, outcome by column, whatever stands behind it; empty lines are none."""
    rows = read(written("3331234567,1,x\r\n0612345678,0\r\n\r\n"), fenix())
    assert said(rows) == [(1, "+393331234567", True), (2, "+390612345678", False)]
    assert causes(rows) == {}


def test_each_bad_line_is_named_and_the_rest_is_read(written: Callable[[bytes], Path]) -> None:
    """Number and cause, never the contact; a stray quote spoils its own line alone."""
    bad = [
        b"393331234567,1", b"+393331234567,1", b"33x,0", b"3331234567", b"3331234567,2", b",1",
        b'"3331234568,1', b"8001234567,0", "333\u0663234567,1".encode(), b"\xff\xfe3,1", b"30,1",
    ]  # fmt: skip
    rows = read(written(b"3331234567,1\n" + b"\n".join(bad) + b"\n3331234569,0\n"), fenix())
    assert said(rows) == [(1, "+393331234567", True), (len(bad) + 2, "+393331234569", False)]
    found = causes(rows)
    assert sorted(found) == list(range(2, len(bad) + 2))
    assert "none of 1, 0" in found[6]
    assert not any("33" in cause.replace("3331234567 or", "") for cause in found.values())


def test_what_is_understood_shows_no_contact_when_printed(written: Callable[[str], Path]) -> None:
    """Neither a row nor a bad line can slip a number into a log."""
    assert "333" not in repr(read(written("3331234567,1\n333123456x,1\n"), fenix()))


def test_a_number_listed_and_clear_is_listed(written: Callable[[str], Path]) -> None:
    """Whichever line comes first; the other line is reported."""
    for text, line in (("3331234567,0\n3331234567,1\n", 1), ("3331234567,1\n3331234567,0\n", 2)):
        rows = read(written(text), fenix())
        assert [listed for _, _, listed in said(rows)] == [True]
        assert list(causes(rows)) == [line]


def test_a_dialect_s_symbols_are_never_guessed() -> None:
    """The plain layout asks for both; one symbol cannot mean two things."""
    plain = dialects.load("fenix-like", Register.PHONE)
    for listed, clear in (([], []), (["1"], []), ([], ["0"]), (["1"], [" 1 "])):
        with pytest.raises(DialectError):
            plain.saying(listed, clear)
    assert fenix().listed == ("1",)


def test_a_dated_answer_is_read(written: Callable[[str], Path]) -> None:
    """By the names in its header; a day is its end in Italy, a clear number has none."""
    lines = ["Listed_on;Contact;outcome", "2026-03-29;+393331234567;Listed", ";+39061234567;clear"]
    text = "\ufeff" + "\r\n".join(lines)
    rows = read(written(text), sheet())
    assert said(rows) == [(2, "+393331234567", True), (3, "+39061234567", False)]
    since = [row.since for row in rows if isinstance(row, Answered)]
    assert since == [times.parse("2026-03-29T23:59:59.999+02:00"), None]


@pytest.mark.rule("REGISTER")
@pytest.mark.parametrize("date", ["", "31/12/2025", "2026-99-01", "2030-01-01"])
def test_a_listing_is_not_refused_for_its_date(written: Callable[[str], Path], date: str) -> None:
    """It is reported, and taken as one without a date."""
    rows = read(written(f"contact;outcome;listed_on\n+393331234567;listed;{date}\n"), sheet())
    assert said(rows) == [(2, "+393331234567", True)]
    assert [(row.line, row.taken) for row in rows if isinstance(row, Bad)] == [(2, True)]


def test_a_listing_of_the_day_of_the_answer_is_not_later_than_it(
    written: Callable[[str], Path],
) -> None:
    """Nothing is listed after the register said so."""
    day = times.text(AS_OF)[:10]
    (row,) = read(written(f"contact;outcome;listed_on\n+393331234567;listed;{day}\n"), sheet())
    assert isinstance(row, Answered)
    assert row.since == AS_OF


def test_a_header_without_the_columns_is_refused(written: Callable[[str], Path]) -> None:
    """The file is not of this dialect: nothing is read."""
    with pytest.raises(DialectError, match="names no column contact"):
        read(written("a;b\n1;2\n"), sheet())


def test_a_zip_is_read_and_one_of_two_files_is_not(tmp_path: Path) -> None:
    """The operator may zip its answer."""
    path = tmp_path / "answer.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "3331234567,1\r\n")
    assert said(read(path, fenix())) == [(1, "+393331234567", True)]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b.txt", "")
    with pytest.raises(DialectError, match="holds 2 files"):
        read(path, fenix())


@pytest.mark.parametrize(
    "text, wrong",
    [
        ("lists = []", "about"),
        ('about = "x"\nlists = ["phone"]\nnumber = "n"', "header"),
        ('about = "x"\nlists = ["phone"]\nencoding = "klingon"', "encoding"),
        ('about = "x"\nlists = ["phone"]\nzone = "Mars"', "zone"),
        ('about = "x"\nlists = ["phone"]\ncolour = 1', "colour"),
        ('about = "x"\nlists = ["post"]', "not for the phone list"),
        ("lists =", "not TOML"),
    ],
)
def test_a_dialect_that_cannot_be_used_names_the_field(
    tmp_path: Path, text: str, wrong: str
) -> None:
    """Every mistake of a user's own file is told with its place."""
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(DialectError, match=wrong):
        dialects.load(str(path), Register.PHONE)


def test_every_dialect_of_ours_can_be_used() -> None:
    """And a name that is none of them is told which there are."""
    assert dialects.names() == ["csv", "fenix-like"]
    assert all(dialects.load(name, None).about for name in dialects.names())
    with pytest.raises(DialectError, match="csv, fenix-like"):
        dialects.load("fub", Register.PHONE)


NUMBERS = st.from_regex(r"(3[0-9]{8,9}|0[1-9][0-9]{5,8})", fullmatch=True)


@given(numbers=st.lists(NUMBERS, unique=True, max_size=20), which=st.data())
def test_what_is_asked_comes_back_as_the_same_contacts(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[str], which: st.DataObject
) -> None:
    """Request, answer, contacts: in both dialects every number makes the round trip."""
    folder = tmp_path_factory.mktemp("trip")
    values = sorted({normalise("phone", f"+39{number}").value for number in numbers})
    for layout, head in ((fenix(), ""), (sheet(), "contact;outcome;listed_on\n")):
        assert request.write(folder / "request", layout, Register.PHONE, values) == len(values)
        asked = (folder / "request").read_text("utf-8").split("\n")[1 if head else 0 : -1]
        outcomes = which.draw(st.lists(st.booleans(), min_size=len(asked), max_size=len(asked)))
        yes, no = layout.listed[0], layout.clear[0]
        answered = [
            layout.delimiter.join((line.rstrip("\r"), yes if listed else no))
            for line, listed in zip(asked, outcomes, strict=True)
        ]
        (folder / "answer").write_text(head + "\n".join(answered), "utf-8")
        rows = read(folder / "answer", layout)
        got = [(value, listed) for _, value, listed in said(rows)]
        assert got == list(zip(values, outcomes, strict=True))


def test_an_address_makes_the_round_trip(tmp_path: Path) -> None:
    """The postal list holds addresses, separators and all."""
    value = normalise("postal", 'Via "Verdi"; 1, 00100 Roma').value
    layout = sheet(Register.POST)
    request.write(tmp_path / "r.csv", layout, Register.POST, [value])
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        asked = list(csv.reader(file, delimiter=";"))
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        header, line = asked
        csv.writer(file, delimiter=";").writerows([[*header, "outcome", "listed_on"],
                                                   [*line, "clear", ""]])  # fmt: skip
    assert said(read(tmp_path / "a.csv", layout, Register.POST)) == [(2, value, False)]


def test_a_request_is_written_as_the_dialect_says(tmp_path: Path) -> None:
    """National, CRLF, mode 0600; zipped where asked for, with one file in it."""
    path = tmp_path / "request.txt"
    assert request.write(path, fenix(), Register.PHONE, ["+393331234567", "+39061234567"]) == 2
    assert path.read_bytes() == b"3331234567\r\n061234567\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    zipped = fenix().model_copy(update={"zip": True})
    request.write(tmp_path / "request.zip", zipped, Register.PHONE, ["+393331234567"])
    with zipfile.ZipFile(tmp_path / "request.zip") as archive:
        assert archive.namelist() == ["request.txt"]
        assert archive.read("request.txt") == b"3331234567\r\n"


def test_a_request_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """Never half a file, and nothing beside it."""
    path = tmp_path / "request.txt"
    path.write_text("before", "utf-8")
    latin = sheet(Register.POST).model_copy(update={"encoding": "latin-1"})
    with pytest.raises(UnicodeEncodeError):
        request.write(path, latin, Register.POST, ["via roma 1", "\u8def 1"])
    assert path.read_text("utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text, ms", [("3d", 3 * times.DAY), ("12h", 12 * times.HOUR)])
def test_a_span_is_days_or_hours(text: str, ms: int) -> None:
    """And nothing else."""
    assert span(text) == ms
    with pytest.raises(ProblemError):
        span("3 weeks")


def survey(path: Path, tmp_path: Path) -> tuple[answers.Survey, Rejects]:
    """The first pass over a plain answer."""
    rejects = Rejects(tmp_path / "rejects.csv", ["line"], ",")
    found = Answer(path, fenix(), Register.PHONE, AS_OF)
    return answers.surveyed(found, rejects, Console(quiet=True)), rejects


def test_bad_lines_are_kept_with_their_causes(
    written: Callable[[str], Path], tmp_path: Path
) -> None:
    """As they were, by number; readable by nobody else."""
    found, rejects = survey(written("3331234567,1\nrubbish\n3331234568,0\n33,1\n"), tmp_path)
    assert (found.good, found.refused, found.last, found.clean) == (2, 2, 4, False)
    with rejects.path.open(encoding="utf-8-sig", newline="") as file:
        kept: list[dict[str, Any]] = list(csv.DictReader(file))
    assert [(row["line"], row["refused_line"]) for row in kept] == [("rubbish", "2"), ("33,1", "4")]
    assert all(row["refused_why"] for row in kept)
    assert stat.S_IMODE(rejects.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "text, force, refused",
    [
        ("3331234567,1\nx\n", False, False),
        ("3331234567,1\nx\ny\n", False, True),
        ("3331234567,1\nx\ny\n", True, False),
        ("x\n", True, True),
        ("", True, True),
    ],
)
def test_a_file_that_is_plainly_another_is_refused_whole(
    written: Callable[[str], Path], tmp_path: Path, text: str, force: bool, refused: bool
) -> None:
    """More than half bad: only with --force; nothing readable: never."""
    path = written(text)
    found, rejects = survey(path, tmp_path)
    if refused:
        with pytest.raises(ProblemError, match="nothing was loaded"):
            answers.check(found, path, rejects, force=force)
    else:
        answers.check(found, path, rejects, force=force)
        assert found.good
