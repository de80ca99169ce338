"""Lists through the gate: what is kept, what is added, what is told of broken rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noli.replica import gate as gates
from noli.replica.gate import Gate
from noli.replica.scrub import cut
from noli.replica.scrub.asked import CSV, NDJSON, Asked, Flaw, Tally, Unusable
from noli.replica.scrub.cut import Cutter, Piece
from noli.replica.scrub.lines import Lines
from noli.replica.scrub.reading import Opening, Reading
from noli.replica.scrub.sheet import Sheet
from tests.support.copies import ALICE, BOB, CONTROLLER, NOW, PEPPER, decision, denial, fresh, row
from tests.support.ratios import write_beside

CALLS = Asked(CONTROLLER, "operator_call", "marketing")
GOOD, BAD, STRANGER = "333 123 4567", "+39 06 1234 5678", "+393330000000"
CARLA = ALICE._replace(value="+390612345678")


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Alice may be called until the next day, Carla objected, Bob has a soft opt-in."""
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 1_000)
    soft = denial("PRODUCT_REQUIRED", channels=["email"], products=["red, shoes"])
    fresh(
        tmp_path,
        [
            (ALICE, decision([row(until=NOW + 86_400_000, lapse=["REGISTERED"])])),
            (CARLA, decision([denial("OBJECTED", "NO_BASIS")])),
            (BOB, decision([soft])),
        ],
    )
    with Gate.open(tmp_path, pepper=PEPPER) as opened:
        yield opened


class Done:
    """A scrubbed list: its text, tally and flaws."""

    def __init__(
        self, gate: Gate, data: bytes, asked: Asked = CALLS, form: str = CSV, step: int = 7
    ) -> None:
        self.tally, self.flaws = Tally(), list[Flaw]()
        self.out = b""
        reading = Reading(form, asked, 64)
        scrubber: Sheet | Lines | None = None
        steps = [data[at : at + step] for at in range(0, len(data), step)]
        parts = [part for each in steps for part in reading.feed(each)]
        for part in [*parts, *reading.finish()]:
            if isinstance(part, Opening):
                self.out += part.lead
                scrubber = part.plan.scrubber(gate)
            else:
                assert scrubber is not None
                done = scrubber.scrub(part)
                self.out += done.out
                self.tally.add([done.tally])
                self.flaws += done.flaws

    def rows(self, delimiter: str = ",") -> list[dict[str, Any]]:
        """Rows of a sheet, as a reader of the result has them."""
        text = io.StringIO(self.out.decode("utf-8-sig"), newline="")
        return [*csv.DictReader(text, delimiter=delimiter)]

    def objects(self) -> list[Mapping[str, Any]]:
        """Rows of NDJSON."""
        return [json.loads(line) for line in self.out.splitlines()]


def test_a_sheet_keeps_its_columns_and_gets_four(gate: Gate) -> None:
    """Unknown columns stand as they were, in order; verdicts follow, in order."""
    done = Done(gate, f"id,Phone,note\n1,{GOOD},a\n2,{BAD},b\n3,{STRANGER},c\n".encode())
    assert done.out.decode().splitlines() == [
        "id,Phone,note,allowed,reasons,conditions,until",
        f"1,{GOOD},a,true,,,2026-11-25T09:00:00Z",
        f"2,{BAD},b,false,OBJECTED NO_BASIS,,",
        f"3,{STRANGER},c,false,NO_BASIS,,",
    ]
    assert (done.tally.rows, done.tally.allowed, done.tally.as_of) == (3, 1, NOW)
    assert done.tally.reasons == {"NO_BASIS": 2, "OBJECTED": 1}


@pytest.mark.rule("SILENT-RATIO")
def test_a_list_for_a_campaign_over_its_ratio_is_denied(gate: Gate, tmp_path: Path) -> None:
    """Every row, beside its own reasons; while nothing is known of campaigns, each is in doubt."""
    data = f"phone\n{GOOD}\n{BAD}\nx\n".encode()
    named = CALLS._replace(campaign="spring")
    doubt = Done(gate, data, named)
    assert (doubt.tally.allowed, doubt.tally.stale) == (0, 2)
    write_beside(tmp_path, {"spring": True})
    done = Done(gate, data, named)
    assert [row["reasons"] for row in done.rows()] == [
        "CAMPAIGN_SILENT_RATIO", "NO_BASIS OBJECTED CAMPAIGN_SILENT_RATIO", "QUARANTINED",
    ]  # fmt: skip
    assert (done.tally.allowed, done.tally.stale) == (0, 0)
    assert Done(gate, data, CALLS._replace(campaign="autumn")).tally.allowed == 1


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("step", [1, 1000])
def test_a_sheet_is_read_as_it_was_exported(
    gate: Gate, delimiter: str, encoding: str, end: str, step: int
) -> None:
    """Separators, marks, encodings and line ends of common programs, also inside quotes."""
    cells = [
        ["città", "telefono", "note"],
        ["Forlì", GOOD, f'a "b"{delimiter} c{end}d'],
        ["Roma", BAD, ""],
    ]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(cells)
    data = text.getvalue().encode(encoding)
    done = Done(gate, data, step=step)
    wanted = "utf-8-sig" if encoding == "utf-16" else encoding
    read = [
        *csv.reader(io.StringIO(done.out.decode(wanted), newline=""), delimiter=delimiter),
    ]
    assert [line[:3] for line in read] == cells
    assert [line[3] for line in read] == ["allowed", "true", "false"]
    assert done.out.decode(wanted).count(end) == 4
    assert done.flaws == []


def test_a_broken_row_is_told_denied_and_kept(gate: Gate) -> None:
    """Line and cause of each; the rows around it are answered; a reader finds all in its place."""
    data = f"""name,phone
Anna,{GOOD}
Bad,not a number
Empty,
Many,{GOOD},{GOOD}
Short
Open,"{GOOD}
Anna,{GOOD}
"Two
lines",{GOOD}
"Also open,{GOOD}
Last,{GOOD}"""
    done = Done(gate, data.encode())
    verdicts = [(each["name"][:4], each["allowed"], each["reasons"]) for each in done.rows()]
    assert verdicts == [
        ("Anna", "true", ""),
        ("Bad", "false", "QUARANTINED"),
        ("Empt", "false", "QUARANTINED"),
        ("Many", "false", "QUARANTINED"),
        ("Shor", "false", "QUARANTINED"),
        ("Open", "false", "QUARANTINED"),
        ("Anna", "true", ""),
        ("Two\n", "true", ""),
        ('"Als', "false", "QUARANTINED"),
        ("Last", "true", ""),
    ]
    assert [flaw.line for flaw in done.flaws] == [3, 4, 5, 6, 7, 11]
    assert [GOOD in flaw.cause for flaw in done.flaws] == [False] * 6
    assert done.tally.unparsable == 6
    kept = done.rows()
    assert kept[3]["phone"] == GOOD
    assert [*kept[3].values()][-1] == [GOOD]  # what DictReader finds beyond the header
    assert kept[5]["name"] == f'Open,"{GOOD}'
    assert kept[5]["conditions"].startswith("line 7: a quote that is never closed")


def test_blank_lines_and_missing_cells_break_nothing(gate: Gate) -> None:
    """A blank line stays one; a row may lack its last cells and its line end."""
    done = Done(gate, f"phone,a,b\n\n{GOOD}\n{GOOD},1,2,,\r\n\n{BAD},1".encode())
    assert [each["allowed"] for each in done.rows()] == ["true", "true", "false"]
    assert done.out.count(b"\n\n") == 2
    assert done.flaws == []


def test_a_sheet_of_one_column_is_a_sheet(gate: Gate) -> None:
    """A header and numbers are enough."""
    done = Done(gate, f"telefono\n{GOOD}\n{STRANGER}\n".encode())
    assert [each["allowed"] for each in done.rows()] == ["true", "false"]


def test_a_kind_beside_the_contact_is_obeyed(gate: Gate) -> None:
    """`kind` and `value`: an address asked about a call is a mismatch, whatever it may do else."""
    done = Done(gate, f"kind,value\nphone,{GOOD}\nemail,{BOB.value}\nfax,1\n".encode())
    assert [each["reasons"] for each in done.rows()] == ["", "CHANNEL_MISMATCH", "QUARANTINED"]


def test_conditions_are_quoted_where_they_must_be(gate: Gate) -> None:
    """A product's name with the separator in it stays one cell; the product asked for opens."""
    mails = Asked(CONTROLLER, "email", "marketing")
    [kept] = Done(gate, f"e-mail\n{BOB.value}\n".encode(), mails).rows()
    assert (kept["allowed"], kept["conditions"]) == ("false", "red, shoes")
    [kept] = Done(
        gate, f"e-mail\n{BOB.value}\n".encode(), mails._replace(product="red, shoes")
    ).rows()
    assert kept["allowed"] == "true"


@pytest.mark.parametrize(
    "data, why",
    [
        (b"", "empty"),
        (b"\n1\n", "empty"),
        (b"+39 333 1234567\n", "header"),
        (b"name,city\nAnna,Roma\n", "header"),
        (b"phone,mobile\n1,2\n", "several columns"),
        (b"phone,allowed\n1,true\n", "ours already"),
        (b"PAR1\x00\x00\x00", "Parquet"),
        (b"\xff\xfep\x00h\x00\xd8", "UTF-16"),
    ],
)
def test_what_is_no_list_is_refused(gate: Gate, data: bytes, why: str) -> None:
    """The fact and the remedy, without a word of the list's rows."""
    with pytest.raises(Unusable, match=why) as refused:
        Done(gate, data)
    assert "1234567" not in str(refused.value)
    assert refused.value.remedy


@pytest.mark.parametrize(
    "over, why",
    [
        ({"channel": "telepathy"}, "channel"),
        ({"channel": "push"}, "channel"),
        ({"purpose": "fun"}, "purpose"),
        ({"controller": " "}, "controller"),
        ({"column": "mobile"}, "mobile"),
    ],
)
def test_a_question_that_is_a_mistake_is_refused(
    gate: Gate, over: dict[str, str], why: str
) -> None:
    """A whole list denied for a slip of the pen would help nobody."""
    with pytest.raises(Unusable, match=why):
        Done(gate, b"phone\n1\n", CALLS._replace(**over))


def test_objects_keep_every_letter(gate: Gate) -> None:
    """Numbers beyond 64 bits, order, spacing and unknown members stand; ours come last."""
    lines = [
        '{"n": 123456789012345678901234567890.10, "phone": "333 123 4567" }',
        f'{{"contact":{{"kind":"phone","value":"{BAD}"}},"x":[1, 2]}}',
        "{}",
        "not json",
        "[1]",
        '{"phone":3331234567}',
        '{"phone":"333 123 4567","allowed":true,"until":"x"}',
        '{"telefono":"1","phone":"2"}',
    ]
    done = Done(gate, "\n".join([*lines, "", ""]).encode(), form=NDJSON)
    out = done.out.decode().splitlines()
    assert out[0] == (
        '{"n": 123456789012345678901234567890.10, "phone": "333 123 4567" ,"allowed":true,'
        '"reasons":[],"conditions":[],"until":"2026-11-25T09:00:00Z"}'
    )
    found = done.objects()
    assert [each["allowed"] for each in found] == [True, False, *[False] * 4, True, False]
    assert found[1]["reasons"] == ["OBJECTED", "NO_BASIS"]
    assert found[3]["unparsable"] == "not json"
    assert [flaw.line for flaw in done.flaws] == [3, 4, 5, 6, 8]
    assert found[6]["until"] == "2026-11-25T09:00:00Z"
    assert [*found[6]] == ["phone", "allowed", "reasons", "conditions", "until"]


@pytest.mark.rule("NO-BASIS")
def test_a_stale_copy_denies_the_whole_list(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that lapsed: every row is denied as STALE_REPLICA, and counted so."""
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 31_000)
    done = Done(gate, f"phone\n{GOOD}\n{BAD}\n".encode())
    assert {each["reasons"] for each in done.rows()} == {"STALE_REPLICA"}
    assert (done.tally.stale, done.tally.allowed) == (2, 0)


def test_a_quote_never_closed_does_not_swallow_the_list() -> None:
    """After a bounded look ahead its line is cut off alone; what is held stays bounded."""
    cutter = Cutter(1_000, 2, ",")
    held, pieces = 0, list[Piece]()
    line = b"x,333\n" * 1_000
    for number in range(400):
        pieces += cutter.feed(b'open,"333\n' + line if number == 3 else line)
        held = max(held, len(cutter._held))
    pieces += cutter.finish()
    assert held < 2 * cut.QUOTED_MAX
    assert b'open,"333\n' in [piece.data for piece in pieces]
    assert sum(piece.data.count(b"\n") for piece in pieces) == 400_001


_CELL = st.text(st.sampled_from('a",;\n \u00e8'), max_size=6)


@given(st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=20), st.sampled_from([",", ";"]))
def test_pieces_end_where_rows_end(rows: list[tuple[str, str]], delimiter: str) -> None:
    """However cells are quoted, pieces put together are the list, and each parses by itself."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    cutter = Cutter(8, 1, delimiter)
    data = text.getvalue().encode()
    pieces = [*cutter.feed(data[:9]), *cutter.feed(data[9:]), *cutter.finish()]
    assert b"".join(piece.data for piece in pieces) == data
    parsed = [
        tuple(found)
        for piece in pieces
        for found in csv.reader(io.StringIO(piece.data.decode(), newline=""), delimiter=delimiter)
    ]
    assert parsed == rows
