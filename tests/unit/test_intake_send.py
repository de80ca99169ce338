"""`noli send`: what files say, how they are posted, what is told about refused lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest

from noli.cli.problem import ProblemError
from noli.cli.sending import ndjson
from noli.cli.sending.line import Defaults, Line, file_digest
from noli.cli.sending.moments import rfc3339
from noli.cli.sending.post import Poster
from noli.cli.sending.rejects import Rejects
from noli.cli.sending.run import Sender, Tally, batches
from noli.cli.sending.sheet import Sheet
from noli.domain import events
from schemas.names import OBJECTIONS
from tests.support.intake import Memory, Service, Through, consent, event

ROME = ZoneInfo("Europe/Rome")
DEFAULTS = Defaults("acme", "/send", "noli.objection.raised.v1", ROME, "digest")


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a file; bytes as given, text as UTF-8."""

    def write(content: str | bytes, name: str = "f.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows(path: Path, defaults: Defaults = DEFAULTS) -> list[Any]:
    """Every event of a sheet."""
    return [event for line in Sheet(path).lines(defaults) for event in line.events]


def test_an_italian_sheet_is_understood(written: Callable[[str], Path]) -> None:
    """Byte order mark, semicolons, Italian columns and dates, quoted lists: as exported."""
    path = written(
        "\ufeffTelefono;Data;Canali;Finalità;Nome\r\n"
        '333 1234567;22/11/2026 10.15;"sms;email";;Mario\r\n'
    )
    [found] = rows(path)
    assert found["type"] == "noli.objection.raised.v1"
    assert found["time"] == "2026-11-22T09:15:00Z"
    assert found["data"] == {
        "controller": "acme",
        "contact": {"kind": "phone", "value": "333 1234567"},
        "channels": ["sms", "email"],
    }
    assert Sheet(path).ignored == ["Nome"]


@pytest.mark.parametrize(
    "content",
    [
        b"phone,via\n3331234567,call\n",
        b"phone\tvia\r\n3331234567\tcall\r\n",
        "phone;via\n3331234567;call\n".encode("utf-16"),
        "phone;via;città\n3331234567;call;Forlì\n".encode("cp1252"),
    ],
)
def test_separators_and_encodings_are_sniffed(
    written: Callable[[bytes], Path], content: bytes
) -> None:
    """Commas, tabs, UTF-16 and what Italian Excel writes give the same event."""
    [found] = rows(written(content))
    assert found["data"]["contact"] == {"kind": "phone", "value": "3331234567"}
    assert found["data"]["via"] == "call"


def test_a_consent_row_becomes_a_consent_the_domain_takes(written: Callable[[str], Path]) -> None:
    """Evidence, booleans and lists land where events.md wants them."""
    path = written(
        "kind;value;type;purpose;channels;consent_id;evidence_ref;double_opt_in;preticked;brand\n"
        "email;a@b.it;consent.given;marketing;email sms;c1;form-7;sì;no;sport\n"
    )
    [found] = rows(path)
    fact = events.parse(found, 0)
    assert found["data"]["evidence"] == {"ref": "form-7", "preticked": False}
    assert found["data"]["double_opt_in"] is True
    assert fact.brands == ("sport",)
    assert fact.evidence_ref == "form-7"


def test_a_denial_takes_its_purpose_as_a_list(written: Callable[[str], Path]) -> None:
    """The same column serves a consent's one purpose and a denial's several."""
    [found] = rows(written("phone;purpose\n3331234567;marketing profiling\n"))
    assert found["data"]["purposes"] == ["marketing", "profiling"]
    assert "purpose" not in found["data"]


def test_a_row_with_two_contacts_is_two_events(written: Callable[[str], Path]) -> None:
    """Number and address of one row each get the event, under ids of their own."""
    found = rows(written("phone;email;id\n3331234567;a@b.it;r1\n"))
    assert [(one["id"], one["data"]["contact"]["kind"]) for one in found] == [
        ("r1.phone", "phone"), ("r1.email", "email"),
    ]  # fmt: skip


def test_a_sheet_without_known_columns_is_refused(written: Callable[[str], Path]) -> None:
    """A header that names nothing of ours ends the command with a remedy."""
    with pytest.raises(ProblemError) as caught:
        Sheet(written("foo;bar\n1;2\n"))
    assert "phone" in caught.value.remedy


@pytest.mark.parametrize(
    "text, denied, granted",
    [
        ("2026-11-22T10:00:00+01:00", "2026-11-22T09:00:00Z", "2026-11-22T09:00:00Z"),
        ("2026-11-22 10:00", "2026-11-22T09:00:00Z", "2026-11-22T09:00:00Z"),
        ("1/7/2026 9:05", "2026-07-01T07:05:00Z", "2026-07-01T07:05:00Z"),
        ("22/11/2026", "2026-11-22T22:59:59Z", "2026-11-21T23:00:00Z"),
        ("2026-11-22", "2026-11-22T22:59:59Z", "2026-11-21T23:00:00Z"),
        ("25/10/2026 02:30", "2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z"),
        ("31/02/2026", "31/02/2026", "31/02/2026"),
        ("ieri", "ieri", "ieri"),
    ],
)
def test_of_two_readings_of_a_time_the_denying_one_is_taken(
    text: str, denied: str, granted: str
) -> None:
    """A day or an hour that occurs twice is late for a denial and early for a grant."""
    assert rfc3339(text, ROME, denying=True) == denied
    assert rfc3339(text, ROME, denying=False) == granted


def test_made_up_ids_are_the_same_on_every_run_and_new_for_a_new_file(
    written: Callable[[str], Path],
) -> None:
    """Content, time of change and line number name an event that has no id."""
    path = written("phone\n3331234567\n3331234567\n")
    os.utime(path, ns=(1, 1))
    first = file_digest(path)
    assert file_digest(path) == first
    ids = [found["id"] for found in rows(path, Defaults("acme", "/s", "x", ROME, first))]
    assert len(set(ids)) == 2
    os.utime(path, ns=(2, 2))
    assert file_digest(path) != first


def test_ndjson_lines_are_filled_in_and_broken_ones_named(written: Callable[..., Path]) -> None:
    """Defaults fill what a line leaves out; what is no object is that line's flaw alone."""
    path = written('{"data":{"contact":{"kind":"phone","value":"1"}}}\n\n{"id":\n[1]\n', "f.ndjson")
    found = list(ndjson.lines(path, DEFAULTS))
    assert [line.number for line in found] == [1, 3, 4]
    assert found[0].events[0]["data"]["controller"] == "acme"
    assert found[0].events[0]["id"] == "digest.1"
    assert found[1].flaw is not None
    assert "JSON" in str(found[1].flaw)
    assert found[2].flaw is not None


def test_batches_keep_to_events_and_bytes() -> None:
    """No post exceeds either bound, and no line is lost or divided."""
    lines = [Line(n, [], [{"n": n}] * (n % 3)) for n in range(1, 50)]
    found = list(batches(lines, 5))
    assert [line.number for batch in found for line in batch] == list(range(1, 50))
    assert all(sum(len(line.events) for line in batch) <= 5 for batch in found)
    [giant] = batches([Line(1, [], [{"text": "x" * 1_000_000}])], 5)
    assert giant[0].events == []
    assert giant[0].flaw is not None


class Run:
    """A sender over the in-process intake; waits are recorded, not slept."""

    def __init__(self, folder: Path) -> None:
        self.sink = Memory()
        self.service = Service(folder, self.sink)
        self.through = Through(self.service)
        self.waits: list[float] = []
        self.told: list[str] = []
        self.reported: list[tuple[int, str]] = []
        self.rejects = Rejects(folder / "rejects.ndjson")

    def __call__(self, raws: list[Any], patience_s: float = 300.0) -> Tally:
        """Send one line per event."""
        key = self.service.keys["events:write"]
        with httpx2.Client(
            base_url="http://intake.test",
            transport=self.through,
            headers={
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/cloudevents-batch+json",
            },
        ) as client:
            poster = Poster(client, patience_s, self.waits.append, self.told.append)
            sender = Sender(
                poster, self.rejects, lambda line, why: self.reported.append((line.number, why))
            )
            lines = [Line(n, [json.dumps(raw)], [raw]) for n, raw in enumerate(raws, 1)]
            try:
                return sender.send(lines, 10, lambda _: None)
            finally:
                self.rejects.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A sender and its intake."""
    found = Run(tmp_path)
    yield found
    found.through.end()


def test_refused_lines_are_named_and_the_others_stored(run: Run) -> None:
    """A refusal costs its own line only: the batch is posted again without it."""
    raws = [consent(), consent(data={"purpose": "*"}), event(), consent(phone="1")]
    tally = run(raws)
    assert (tally.accepted, tally.refused, tally.clean) == (2, 2, False)
    assert [number for number, _ in run.reported] == [2, 4]
    assert run.reported[0][1].startswith("data.purpose: ")
    kept = [json.loads(text) for text in run.rejects.path.read_text().splitlines()]
    assert kept == [raws[1], raws[3]]
    assert run.rejects.path.stat().st_mode & 0o077 == 0
    assert len(run.sink.records) == 2


def test_an_unreadable_objection_is_told_to_be_mended(run: Run) -> None:
    """Quarantined is stored, but not done: the line is kept and the run not clean."""
    tally = run([event(phone="?"), event()])
    assert (tally.accepted, tally.held, tally.clean) == (1, 1, False)
    assert run.reported[0][0] == 1


def test_503_and_broken_connections_are_retried_as_asked(run: Run) -> None:
    """Retry-After is obeyed, and the same ids are posted again."""
    run.through.instead = [
        httpx2.Response(503, headers={"Retry-After": "7"}, json={"detail": "the log is away"}),
        httpx2.ConnectError("refused"),
        httpx2.Response(429, headers={"Retry-After": "999"}, json={"detail": "too fast"}),
        httpx2.Response(502, text="bad gateway"),
    ]
    tally = run([event()])
    assert tally.clean
    assert run.waits == [7.0, 1.0, 30.0, 1.0]
    assert "the log is away" in run.told[0]
    assert len(run.sink.records) == 1


def test_an_intake_that_stays_away_ends_the_command_with_a_remedy(run: Run) -> None:
    """Patience ends; the remedy says that running it again is safe."""
    run.through.instead = [httpx2.ConnectError("refused")]
    with pytest.raises(ProblemError) as caught:
        run([event()], patience_s=-1)
    assert "again" in caught.value.remedy


def test_a_wrong_key_ends_the_command_at_once(run: Run) -> None:
    """401 is not retried."""
    run.through.instead = [httpx2.Response(401, json={"detail": "give a known API key"})]
    with pytest.raises(ProblemError) as caught:
        run([event()])
    assert "API key" in caught.value.fact
    assert run.waits == []


def test_sending_again_stores_nothing_twice(run: Run) -> None:
    """A second run over the same lines is acknowledged without new records."""
    raws = [event(), consent()]
    assert run(raws).clean
    assert run(raws).clean
    assert len(run.sink.records) == 2


def test_refused_rows_come_back_as_a_sheet_to_mend(tmp_path: Path) -> None:
    """Original cells, line number and reason; mended, the same file is a valid input again."""
    rejects = Rejects(tmp_path / "f.rejects.csv", ["phone", "via"], ";")
    rejects.add(Line(7, ["12", "call"], []), "data.contact.value: give a number")
    rejects.add(Line(9, ["13"], []), "why; not")
    rejects.close()
    again = Sheet(rejects.path)
    assert again.ignored == ["refused_line", "refused_why"]
    assert [line.original for line in again.lines(DEFAULTS)] == [
        ["12", "call", "7", "data.contact.value: give a number"], ["13", "", "9", "why; not"],
    ]  # fmt: skip
    second = Rejects(tmp_path / "g.csv", again.header, ";")
    second.add(next(again.lines(DEFAULTS)), "still")
    second.close()
    assert second.path.read_text("utf-8-sig").splitlines() == [
        "phone;via;refused_line;refused_why", "12;call;2;still",
    ]  # fmt: skip


def test_what_is_sent_is_an_objection_in_the_log(run: Run, written: Callable[[str], Path]) -> None:
    """From a call centre's row to the record, nothing is lost on the way."""
    [raw] = rows(written("telefono;data;via\n06 1234567;21/11/2026 18:30;call\n"))
    assert run([raw]).clean
    [intent] = run.sink.intents(OBJECTIONS)
    assert intent["contact"] == {"kind": "phone", "value": "+39061234567"}
    assert intent["event"][1]["via"] == "call"
