"""Loads by moulds: rows, refusals and bytes are those of the long way, whatever the file holds."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.sources.rpo import dialect as dialects
from connectors.sources.rpo import events as rpo
from connectors.sources.rpo.answer import Answer, Answered
from connectors.sources.rpo.dialect import Register
from connectors.sources.rpo.events import Asked, Listing
from noli.cli.registering import answer as answers
from noli.cli.registering.answer import Standing
from noli.cli.sending import inputs, reading
from noli.cli.sending.forms import Forms, Met
from noli.cli.sending.instants import Moments
from noli.cli.sending.line import Defaults, Line
from noli.cli.sending.moments import rfc3339
from noli.cli.sending.reading import Reader, facts
from noli.cli.sending.sheet import Columns
from noli.domain import events, times
from noli.domain.channel import Kind
from noli.domain.contact import Contact
from noli.domain.token import KEPT, Pepper, Tokens, token
from noli.loading import mould, press
from noli.loading.loader import item_of
from noli.loading.mould import Blanks
from noli.runtime import chunks
from noli.runtime.chunks import Item
from schemas.codec import HEADER
from schemas.template import long_of
from tests.support.law import on
from tests.support.step import CODEC

PEPPER = Pepper(3, b"moulds need a secret of some length")
ROME = ZoneInfo("Europe/Rome")
NOW = 1_795_000_000_123
DEFAULTS = Defaults("acme", "/load", "consent.given", ROME, "0123456789abcdef")
HEADER_ROW = ("phone", "type", "time", "purpose", "channels", "evidence_ref", "id", "email", "note")
#: What cells of each column may hold: plain, odd, missing, wrong.
CELLS: dict[str, tuple[str, ...]] = {
    "phone": (
        "3331234567", "+39 333 765 4321", "06 1234567", "0039333-1112223", "", " 3339876543 ",
        "33x", "331234567.0", "+4915123456789",
        "\uff13\uff13\uff13\uff11\uff12\uff13\uff14\uff15\uff16\uff17", '3"3', "3331234567 x12",
    ),
    "type": (
        "consent.given", "noli.consent.given.v1", "", "contact.collected", "objection.raised",
        "soft_opt_in.recorded", "register.listed", "contract.started", "nonsense",
    ),
    "time": (
        "2026-01-02T03:04:05Z", "2026-01-02T03:04:59Z", "2025-12-31T23:59:60Z", "2026-01-02",
        "2/1/2026 10:30", "2026-10-25 02:30:00", "", "2026-02-30T00:00:00Z", "yesterday",
        "2026-01-02t03:04:05z", "2026-01-02T03:04:05.250+02:00", "1969-12-31T23:59:59Z",
        "2026-01-0\u0662T03:04:05Z", "2026-01-02T24:00:00Z", "1/1/0001", "2026-01-02 03:04:05Z",
    ),
    "purpose": ("marketing", "profiling", "", "everything"),
    "channels": ("operator_call", "sms, email", "", "pigeon"),
    "evidence_ref": (
        "form-1", "form-22", "", 'q"uote', "back\\slash", "è così", "x" * 63, "x" * 64, "x" * 501,
        "%b%%", "mould-own-0", "\x7f", "0123456789abcdef.7",
    ),
    "id": ("", "a", "b-2", "è", 'a"b', "mould-id-0", "x" * 501, "+393331234567", "form-1"),
    "email": ("", "", "", "Mario.Rossi@Example.com", "a@b", "nobody@example.com"),
    "note": ("", "n", "; , \n \" '"),
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _still() -> object:
    """Both ways are asked at one moment."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (reading, press, answers):
            patch.setattr(module, "now_ms", lambda: NOW)
        yield


def cells(name: str) -> st.SearchStrategy[str]:
    """Cells of a column: half of them the first, so that forms come again."""
    return st.one_of(st.just(CELLS[name][0]), st.sampled_from(CELLS[name]))


ROWS = st.lists(st.tuples(*map(cells, HEADER_ROW)), min_size=1, max_size=25)
NAMES = st.lists(st.sampled_from(HEADER_ROW), min_size=2, unique=True)


def written(path: Path, names: list[str], rows: list[tuple[str, ...]], encoding: str) -> Path:
    """A sheet of some columns, rows cut short where their last cells are empty."""
    places = [HEADER_ROW.index(name) for name in names]
    quoted = [
        ";".join('"' + row[at].replace('"', '""') + '"' if row[at] else "" for at in places)
        for row in rows
    ]
    text = "\r\n".join([";".join(names), *quoted, '"never closed;3331234567'])
    path.write_bytes(text.encode(encoding, "replace"))
    return path


def slow(lines: list[Line]) -> tuple[dict[int, str], dict[int, list[Item]]]:
    """What the long way makes of lines: refusals, and items, by number."""
    found = {line.number: facts(line) for line in lines}
    return (
        {number: said for number, said in found.items() if isinstance(said, str)},
        {
            number: [item_of(CODEC, PEPPER, fact) for fact in said]
            for number, said in found.items()
            if not isinstance(said, str)
        },
    )


def fast(reader: Reader) -> tuple[dict[int, str], dict[int, list[Item]]]:
    """What a reader makes of them, its second pass knowing what its first one learnt."""
    bad = {number: said.why for number, said in reader.survey() if said is not None}
    rows = {
        row.line: [*row.items] or [item_of(CODEC, PEPPER, fact) for fact in row.facts]
        for row in reader.rows(0)
    }
    return bad, rows


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(NAMES, ROWS, st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]))
def test_rows_are_read_as_the_long_way_reads_them(
    tmp_path: Path, names: list[str], rows: list[tuple[str, ...]], encoding: str
) -> None:
    """Same lines taken, same key and bytes, same lines refused with the same words."""
    if not {"phone", "email"} & {*names}:
        names = [*names, "phone"]
    path = written(tmp_path / "list.csv", names, rows * 3, encoding)
    file = inputs.opened(path, DEFAULTS, None)
    assert fast(Reader(file, DEFAULTS, CODEC, PEPPER)) == slow([*file.lines()])


def test_plain_rows_are_cast(tmp_path: Path) -> None:
    """From the third of its form on, a row is read by the mould, and written as the long way."""
    names = ("phone", "type", "time", "purpose", "channels", "evidence_ref")
    path = tmp_path / "list.csv"
    rows = [
        f"333{n:07d};consent.given;2026-01-0{1 + n % 9}T00:00:{n % 60:02d}Z;marketing;sms;form-{n}"
        for n in range(200)
    ]
    path.write_text("\n".join([";".join(names), *rows]))
    file = inputs.opened(path, DEFAULTS, None)
    reader = Reader(file, DEFAULTS, CODEC, PEPPER)
    assert fast(reader) == slow([*file.lines()])
    assert all(row.items for row in reader.rows(0))
    assert [row.line for row in reader.rows(150)] == [*range(151, 202)]


def met(names: list[str], row: list[str], times_met: int = 3) -> Met | None:
    """What forms of a header say of a row that came so often."""
    forms = Forms(Columns("f", names), DEFAULTS, CODEC, PEPPER)
    found = None
    for number in range(times_met):
        found = forms.met(number, row)
    return found


@pytest.mark.parametrize(
    "kind, value",
    [("email", "A@Example.com"), ("phone", "3331234567"), ("postal", "Via Po 1"), ("fax", "1")],
)
def test_a_column_of_values_is_read_by_its_kind(kind: str, value: str) -> None:
    """A value of a known kind is of a form; of an unknown one none is learnt."""
    found = met(["kind", "value", "purpose", "channels"], [kind, value, "marketing", "sms"])
    assert (found is not None) == (kind in {*Kind})
    assert found is None or found.contact.kind == kind


@pytest.mark.parametrize(
    "row",
    [
        ["3331234567", "objection.raised", "marketing", "sms"],
        ["3331234567", "consent.given", "everything", "sms"],
        ["3331234567", "consent.given", "marketing"],
        ["3331234567", "consent.given", "marketing", "sms", ""],
        ["", "consent.given", "marketing", "sms"],
        ["331234567.0", "consent.given", "marketing", "sms"],
    ],
)
def test_what_is_refused_has_no_form(row: list[str]) -> None:
    """Objections, wrong or missing cells, doubtful numbers: the long way says why."""
    assert met(["phone", "type", "purpose", "channels"], row) is None


def test_a_form_seen_twice_is_not_learnt() -> None:
    """Learning costs more than two rows."""
    assert met(["phone", "purpose", "channels"], ["3331234567", "marketing", "sms"], 2) is None


@given(st.lists(st.sampled_from(CELLS["time"]), min_size=1, max_size=30), st.booleans())
def test_moments_are_those_of_the_long_way(said: list[str], denying: bool) -> None:
    """Parts remembered from other times give no time that would not be read, and no other one."""
    moments = Moments(ROME)
    for text in [*filter(None, said)] * 2:
        found = moments.read(text, lambda _: denying, ())
        try:
            whole = rfc3339(text, ROME, denying=denying)
            expected = (whole, times.parse(whole))
        except (ValueError, OverflowError):
            assert found is None
        else:
            assert found is not None
            assert (found.text, long_of(found.long)) == expected


def test_a_day_before_all_days_is_no_time() -> None:
    """What some systems write for "never" is refused in its line, and ends no load."""
    assert rfc3339("01/01/0001", ROME, denying=False) == "01/01/0001"
    names = ["phone", "time", "purpose", "channels"]
    line = Columns("f", names).line(2, ["3331234567", "01/01/0001", "marketing", "sms"], DEFAULTS)
    assert facts(line) == "time: give an RFC 3339 time with its offset"


@given(st.binary(min_size=16, max_size=90), st.text(max_size=20), st.text(max_size=40))
def test_tokens_are_the_token(secret: bytes, controller: str, value: str) -> None:
    """HMAC continued from its precomputed halves is HMAC, for secrets longer than a block too."""
    pepper = Pepper(7, secret)
    said = f"{controller}|phone|{value}".encode()
    expected = b"\x07" + hmac.digest(secret, said, "sha256")[:KEPT]
    assert Tokens(pepper, controller, Kind.PHONE).of(value.encode()) == expected
    assert token(pepper, controller, Contact(Kind.PHONE, value)) == expected


@pytest.mark.parametrize("break_", [lambda e: {**e, "source": e["id"]}, lambda e: {**e, "id": "1"}])
def test_a_form_that_is_more_than_its_blanks_is_not_trusted(
    break_: Callable[[dict[str, object]], dict[str, object]],
) -> None:
    """A mould is proved on another event; one that writes anything else is none."""

    def fill(blanks: Blanks) -> dict[str, object]:
        contact = {"kind": "phone", "value": blanks.contact}
        data = {
            "controller": f"acme{len(blanks.id)}",
            "contact": contact,
            "purpose": "marketing",
            "channels": ["sms"],
        }
        event: dict[str, object] = {
            "source": "/s",
            "id": blanks.id,
            "type": "noli.consent.given.v1",
            "data": data,
        }
        return break_(event)

    real = Blanks("1", "3331234567", None)
    assert mould.learnt(CODEC, PEPPER, Kind.PHONE, fill, real) is None


ANSWER = st.lists(
    st.tuples(
        st.sampled_from(["3331234567", "0612345678", "3339999999", "33x", "", '3"3']),
        st.sampled_from(["1", "0", "2"]),
        st.sampled_from(["01/10/2026", "", "31/12/2026", "30/02/2026"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ANSWER, st.booleans(), st.sampled_from([100, 200, 300]))
def test_an_answer_is_loaded_as_the_long_way_loads_it(
    tmp_path: Path, lines: list[tuple[str, str, str]], dated: bool, listed: int
) -> None:
    """Every outcome, with dates and without, listings known before: same key, same bytes."""
    path = tmp_path / "answer.txt"
    path.write_text("\n".join(",".join(line) for line in lines * 4))
    layout = dialects.load("fenix-like", Register.PHONE).saying(["1"], ["0"])
    if dated:
        layout = layout.model_copy(update={"date": 3, "date_format": "%d/%m/%Y"})
    found = Answer(path, layout, Register.PHONE, on(300))
    asked = Asked("acme", Register.PHONE, on(300), "rpo:0123456789abcdef")
    known = Contact(Kind.PHONE, "+393331234567")
    before = Standing({token(PEPPER, "acme", known): Listing(on(listed))})
    desk: Any = SimpleNamespace(codec=CODEC, pepper=PEPPER)
    expected = {
        row.line: [
            item_of(CODEC, PEPPER, events.parse(event, NOW))
            for event in rpo.events(
                row, before.listings.get(token(PEPPER, "acme", row.contact), Listing()), asked
            )
        ]
        for row in found.rows()
        if isinstance(row, Answered)
    }
    rows = [*answers.rows(desk, found, asked, before, 0)]
    assert {
        row.line: [*row.items] or [item_of(CODEC, PEPPER, fact) for fact in row.facts]
        for row in rows
    } == expected
    assert sum(not row.items for row in rows) <= 8  # two of each kind of event, before it is learnt


@given(
    st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=9000)), min_size=1, max_size=5)
)
def test_a_chunk_is_what_the_encoder_writes(items: list[tuple[bytes, bytes]]) -> None:
    """Laid out by hand, byte for byte."""
    header = CODEC.header("noli.Intent")
    whole = [Item(key, header + body) for key, body in items]
    datum = {
        "job": "j",
        "number": 4,
        "schema_id": HEADER.unpack(header)[1],
        "items": [{"key": key, "value": body} for key, body in items],
    }
    assert chunks.packed(CODEC, "j", 4, whole) == CODEC.encode("noli.BulkChunk", datum)
