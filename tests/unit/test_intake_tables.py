"""Sheets that are broken, and Parquet: each row is read as meant, or refused and told."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noli.cli.problem import ProblemError
from noli.cli.sending import inputs
from noli.cli.sending.line import Defaults, Line

DEFAULTS = Defaults("acme", "/list", "objection.raised", ZoneInfo("Europe/Rome"), "d")


def read(path: Path) -> list[Line]:
    """Every line."""
    return [*inputs.opened(path, DEFAULTS, None).lines()]


def contacts(lines: list[Line]) -> list[str]:
    """What the lines' events are about."""
    return [event["data"]["contact"]["value"] for line in lines for event in line.events]


def test_a_quote_never_closed_hides_no_objection(tmp_path: Path) -> None:
    """The rows that it swallows are told by their lines; those before it are read."""
    path = tmp_path / "list.csv"
    path.write_text('phone;note\n3331;a\n3332;"b\n3333;c\n3334;d\n')
    lines = read(path)
    assert contacts(lines) == ["3331"]
    assert "lines 3 to 5" in str(lines[-1].flaw)
    path.write_text('phone;note\n3331;a\n3332;"b\n3333;"c"\n3334;d\n')
    lines = read(path)
    assert contacts(lines) == ["3331", "3334"]
    assert "lines 3 to 4" in str(lines[1].flaw)


def test_a_cell_too_many_is_refused(tmp_path: Path) -> None:
    """A separator without quotes shifts what follows: nobody guesses which cell is which."""
    path = tmp_path / "list.csv"
    path.write_text("note,phone\nRossi, Mario,3331\nBianchi,3332\nVerdi,3333,,\n")
    lines = read(path)
    assert contacts(lines) == ["3332", "3333"]
    assert "more cells than the header" in str(lines[0].flaw)


def test_every_number_of_a_row_counts(tmp_path: Path) -> None:
    """`telefono` and `cellulare` are two contacts, each an event with an id of its own."""
    path = tmp_path / "list.csv"
    path.write_text("email;telefono;cellulare\na@b.it;061234567;3331234567\n;;3331234568\n")
    lines = read(path)
    assert contacts(lines) == ["061234567", "3331234567", "a@b.it", "3331234568"]
    assert [event["id"] for event in lines[0].events] == ["d.2.phone", "d.2.phone2", "d.2.email"]


def test_two_columns_of_one_meaning_are_a_question_back(tmp_path: Path) -> None:
    """Of the dates of a row only one can be meant."""
    path = tmp_path / "list.csv"
    path.write_text("phone;data;time\n1;2;3\n")
    with pytest.raises(ProblemError, match="several columns mean `time`"):
        read(path)


def test_parquet_is_read_as_the_sheet_would_be(tmp_path: Path) -> None:
    """Numbers, times, lists and flags as text; rows without anything are none."""
    path = tmp_path / "list.parquet"
    moment = datetime(2026, 11, 22, 10, tzinfo=UTC)
    table = pa.table({
        "cellulare": [3331234567.0, None, float("nan")],
        "type": ["consent.given", None, "consent.given"],
        "time": pa.array([moment, None, moment], pa.timestamp("us", "UTC")),
        "channels": [["sms", "operator_call"], None, []],
        "double_opt_in": [True, None, None],
        "colour": ["red", None, "blue"],
    })  # fmt: skip
    pq.write_table(table, path)
    found = inputs.opened(path, DEFAULTS, None)
    assert found.ignored == ["colour"]
    assert found.rejects.path == tmp_path / "list.rejects.csv"
    first, last = found.lines()
    assert (first.number, last.number) == (1, 3)
    event = first.events[0]
    assert event["data"]["contact"] == {"kind": "phone", "value": "3331234567"}
    assert (event["type"], event["time"]) == ("noli.consent.given.v1", "2026-11-22T10:00:00Z")
    assert event["data"]["channels"] == ["sms", "operator_call"]
    assert event["data"]["double_opt_in"] is True
    assert "contact" not in last.events[0]["data"]


def test_parquet_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torn, or without pyarrow: the fact and the remedy."""
    path = tmp_path / "list.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(ProblemError, match="not Parquet"):
        read(path)
    missing: dict[str, Any] = {"pyarrow": None, "pyarrow.parquet": None}
    for name, module in missing.items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(ProblemError, match="pyarrow") as caught:
        read(path)
    assert "noli[parquet]" in str(caught.value.remedy)
