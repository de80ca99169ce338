"""`noli scrub` as a process: a whole file, several processes, a certificate, flat memory."""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import httpx2
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noli.cli.stack import ports
from noli.runtime import apikeys
from noli.runtime.clock import now_ms
from tests.support.copies import CONTROLLER, PEPPER, Log, decision, denial, make, row
from tests.support.replica import DEADLINE_S, person, soon

#: Every third person objected, every third is unknown.
PEOPLE = 3_000


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a copy that is fresh now."""
    log = Log()
    log.claim(1)
    for number in range(PEOPLE):
        if number % 3:
            rows = [row()] if number % 3 == 1 else [denial("OBJECTED")]
            log.decide(person(number), decision(rows))
    log.beacon(now_ms())
    make(tmp_path / "copy", log)
    return tmp_path


def noli(place: Path, *words: str, lease: str = "300") -> tuple[int, str, int]:
    """Run `noli`; exit code, what it said, peak resident bytes of its biggest process."""
    environment = {
        **os.environ,
        "NOLI_REPLICA": str(place / "copy"),
        "NOLI_PEPPER": PEPPER.secret.hex(),
        "NOLI_LEASE_SECONDS": lease,
    }
    with (place / "said").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "noli.cli", *words], env=environment, stdout=said, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        return process.returncode, said.read(), usage.ru_maxrss * 1024


def listed(place: Path, rows: int, **broken: str) -> Path:
    """A list of people over and over; `broken` rows by number, as `r17="…"`."""
    path = place / "list.csv"
    with path.open("w", encoding="utf-8") as out:
        out.write("id,name,phone,comment\n")
        for number in range(rows):
            phone = broken.get(f"r{number}", person(number % PEOPLE).value)
            out.write(f'{number},Mario Rossi,{phone},"a, b"\n')
    return path


SCRUB = ("scrub", "--controller", CONTROLLER, "--channel", "operator_call", "--jobs", "2")


def test_a_file_is_scrubbed_by_several_processes_in_order(place: Path) -> None:
    """Every row in its place with its verdict, broken ones told by line, certificate verified."""
    path = listed(place, 60_000, r7="none", r50000="12")
    code, said, _ = noli(place, *SCRUB, str(path))
    assert code == 0, said
    assert "line 9: contact.value" in said
    assert "line 50002: contact.value" in said
    out = place / "list.scrubbed.csv"
    with out.open(newline="", encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert [each["id"] for each in rows] == [str(number) for number in range(60_000)]
    verdicts = {0: ("false", "NO_BASIS"), 1: ("true", ""), 2: ("false", "OBJECTED")}
    broken = {7, 50_000}
    assert all(
        (each["allowed"], each["reasons"])
        == (("false", "QUARANTINED") if n in broken else verdicts[n % PEOPLE % 3])
        for n, each in enumerate(rows)
    )
    assert out.stat().st_mode & 0o777 == 0o600
    signed = place / "list.scrubbed.csv.cert.json"
    counts = json.loads(signed.read_text())["certificate"]["counts"]
    assert (counts["rows"], counts["unparsable"]) == (60_000, 2)
    assert counts["allowed"] == sum(each["allowed"] == "true" for each in rows)
    for file_, role in ((out, "what came of the scrub"), (path, "the list that was scrubbed")):
        code, said, _ = noli(place, "scrub", "--verify", str(signed), str(file_))
        assert (code, role in said) == (0, True), said
    out.write_bytes(out.read_bytes().replace(b"false", b"true ", 1))
    code, said, _ = noli(place, "scrub", "--verify", str(signed), str(out))
    assert (code, "do not rely" in said) == (1, True)


def test_parquet_is_scrubbed_in_its_own_form(place: Path) -> None:
    """By several processes: rows in order, other columns as they were, certificate verified."""
    path = place / "list.parquet"
    numbers = [None if n == 7 else person(n % PEOPLE).value for n in range(60_000)]
    pq.write_table(pa.table({"id": range(60_000), "phone": numbers}), path)
    code, said, _ = noli(place, *SCRUB, str(path))
    assert code == 0, said
    assert "row 8: contact.value" in said
    out = pq.read_table(place / "list.scrubbed.parquet").to_pydict()
    assert out["id"] == [*range(60_000)]
    expected = [n % PEOPLE % 3 == 1 and n != 7 for n in range(60_000)]
    assert out["allowed"] == expected
    signed = str(place / "list.scrubbed.parquet.cert.json")
    for name, role in (("list", "that was scrubbed"), ("list.scrubbed", "what came")):
        code, said, _ = noli(place, "scrub", "--verify", signed, str(place / f"{name}.parquet"))
        assert (code, role in said) == (0, True), said


def test_memory_does_not_grow_with_the_file(place: Path) -> None:
    """Fifty times the rows, the same peak of the biggest process, but for 30 MB."""
    _, _, small = noli(place, *SCRUB, str(listed(place, 3_000)))
    path = listed(place, 150_000)
    code, said, large = noli(place, *SCRUB, str(path))
    assert code == 0, said
    assert large - small < 30_000_000
    assert (place / "list.scrubbed.csv").stat().st_size > path.stat().st_size


@pytest.mark.parametrize("lapse", ["lease", "gone"])
def test_a_stale_copy_denies_all_and_fails(place: Path, lapse: str) -> None:
    """The list is there, all denied; no certificate; exit code 1 and the remedy."""
    path = listed(place, 100)
    if lapse == "gone":
        (place / "copy" / "CURRENT").unlink()
    code, said, _ = noli(place, *SCRUB, str(path), lease="0.001" if lapse == "lease" else "300")
    assert code == 1
    assert "STALE_REPLICA" in said
    assert "noli status" in said
    with (place / "list.scrubbed.csv").open(newline="") as file:
        assert {each["allowed"] for each in csv.DictReader(file)} == {"false"}
    assert not (place / "list.scrubbed.csv.cert.json").exists()


@pytest.mark.parametrize(
    "name, content, why",
    [
        ("list.parquet", b"PAR1", "is the file whole"),
        ("list.csv", b"PAR1\x00\x00", "this is Parquet"),
        ("list.xlsx", b"PK", "not a format"),
        ("list.csv", b"a,b\n", "header"),
    ],
)
def test_what_is_no_list_leaves_nothing_behind(
    place: Path, name: str, content: bytes, why: str
) -> None:
    """One sentence and a remedy, exit code 1, no half a file."""
    (place / name).write_bytes(content)
    code, said, _ = noli(place, *SCRUB, str(place / name))
    assert (code, why in said) == (1, True), said
    assert not [*place.glob("*scrubbed*")]


@dataclass(frozen=True)
class Lookup:
    """A lookup process, and who may ask it."""

    process: subprocess.Popen[bytes]
    port: int
    key: str

    PATH: ClassVar[str] = (
        f"/v1/scrub?controller={CONTROLLER}&channel=operator_call&purpose=marketing"
    )

    def resident(self) -> int:
        """Bytes of its memory."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def post(self, body: bytes, media: str = "text/csv") -> tuple[int, str, bytes]:
        """Send everything, then read: status, the certificate's id, the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        with closing(connection):
            headers = {"X-API-Key": self.key, "Content-Type": media}
            connection.request("POST", self.PATH, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Noli-Scrub-Id", ""), answer.read()


@pytest.fixture
def lookup(place: Path) -> Iterator[Lookup]:
    """A lookup over the copy, which takes lists of 8 MB."""
    key, line = apikeys.new("dialer", ["decisions:read"])
    apikeys.write(place / "keys.json", [line])
    port = ports.choose(["lookup"])["lookup"]
    environment = {
        **os.environ,
        "NOLI_REPLICA": str(place / "copy"),
        "NOLI_DATA": str(place / "data"),
        "NOLI_PEPPER": PEPPER.secret.hex(),
        "NOLI_LEASE_SECONDS": "300",
        "NOLI_HTTP_PORT": str(port),
        "NOLI_API_KEYS_FILE": str(place / "keys.json"),
        "NOLI_SCRUB_BYTES_MAX": "8000000",
    }
    process = subprocess.Popen([sys.executable, "-m", "noli.replica.lookup"], env=environment)
    try:
        assert soon(lambda: _answers(port))
        yield Lookup(process, port, key)
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def test_a_client_may_send_all_before_it_reads(lookup: Lookup, place: Path) -> None:
    """100,000 rows: every one in order, memory flat, nothing left on disk, and a certificate."""
    before = lookup.resident()
    path = listed(place, 100_000)
    status, id_, answer = lookup.post(path.read_bytes())
    rows = [*csv.DictReader(io.StringIO(answer.decode(), newline=""))]
    assert status == 200
    assert [each["id"] for each in rows] == [str(number) for number in range(100_000)]
    assert {n: rows[n]["allowed"] for n in (0, 1, 2)} == {0: "false", 1: "true", 2: "false"}
    assert lookup.resident() - before < 20_000_000
    fetched = httpx2.get(
        f"http://127.0.0.1:{lookup.port}/v1/scrub/certificates/{id_}",
        headers={"X-API-Key": lookup.key},
    )
    (place / "cert.json").write_bytes(fetched.content)
    (place / "out.csv").write_bytes(answer)
    for file, role in (("list.csv", "that was scrubbed"), ("out.csv", "what came of the scrub")):
        code, said, _ = noli(
            place, "scrub", "--verify", str(place / "cert.json"), str(place / file)
        )
        assert (code, role in said) == (0, True), said
    assert [each.name for each in (place / "data").iterdir()] == ["certificates"]


def test_other_forms_and_what_is_too_large_over_http(lookup: Lookup) -> None:
    """NDJSON and Parquet alike; a list beyond the bound is told so to one that sends all first."""
    line = json.dumps({"phone": person(1).value}).encode() + b"\n"
    status, _, answer = lookup.post(line * 50_000, "application/x-ndjson")
    rows = [json.loads(each) for each in answer.splitlines()]
    assert (status, len(rows), {each["allowed"] for each in rows}) == (200, 50_000, {True})
    file = io.BytesIO()
    pq.write_table(pa.table({"phone": [person(1).value] * 50_000}), file)
    status, _, answer = lookup.post(file.getvalue(), "application/vnd.apache.parquet")
    told = pq.read_table(io.BytesIO(answer)).column("allowed").to_pylist()
    assert (status, told) == (200, [True] * 50_000)
    status, _, answer = lookup.post(b"phone\n" + b"333 0000001\n" * 1_000_000)
    assert (status, b"NOLI_SCRUB_BYTES_MAX" in answer) == (413, True)
    assert lookup.post(b"phone\n333 0000001\n")[0] == 200


def test_a_list_sent_and_read_at_once_comes_back_whole(lookup: Lookup, place: Path) -> None:
    """A client that does read while it sends is served alike."""
    sent = listed(place, 60_000).read_bytes()
    connection = socket.create_connection(("127.0.0.1", lookup.port), DEADLINE_S)
    head = (
        f"POST {lookup.PATH} HTTP/1.1\r\nHost: lookup\r\nX-API-Key: {lookup.key}\r\n"
        f"Content-Type: text/csv\r\nContent-Length: {len(sent)}\r\n\r\n"
    )
    writing = threading.Thread(target=connection.sendall, args=(head.encode() + sent,))
    writing.start()
    answer = http.client.HTTPResponse(connection, method="POST")
    answer.begin()
    rows = [*csv.DictReader(io.StringIO(answer.read().decode(), newline=""))]
    writing.join()
    connection.close()
    assert answer.status == 200
    assert [each["id"] for each in rows] == [str(number) for number in range(60_000)]
    assert sum(each["allowed"] == "true" for each in rows) == 20_000


def _answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx2.TransportError:
        return False
