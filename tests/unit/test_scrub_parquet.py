"""Parquet lists: columns kept with their types, verdicts beside them, whatever the numbers are."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noli.replica import gate as gates
from noli.replica.scrub import parquet
from noli.replica.scrub.asked import Asked, Flaw, Result, Unusable
from noli.replica.scrub.work import Copy, Job
from tests.support.copies import ALICE, CONTROLLER, NOW, PEPPER, decision, fresh, row

ASKED = Asked(CONTROLLER, "operator_call", "marketing")
DAY_MS = 86_400_000


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy in which Alice may be called until the next day."""
    monkeypatch.setattr(gates, "now_ms", lambda: NOW + 1_000)
    lapsing = row(until=NOW + DAY_MS, lapse=["OBJECTED"], conditions=["operator_guaranteed"])
    fresh(tmp_path / "copy", [(ALICE, decision([lapsing]))])
    return tmp_path


def scrub(
    place: Path, table: pa.Table, asked: Asked = ASKED
) -> tuple[pa.Table, Result, list[Flaw]]:
    """A table, through a file."""
    flaws: list[Flaw] = []
    pq.write_table(table, place / "list.parquet", row_group_size=3)
    job = Job(Copy(place / "copy", PEPPER, 30.0), asked, "parquet", 1, flaws.append, lambda _: None)
    with (place / "list.parquet").open("rb") as source, (place / "out.parquet").open("wb") as out:
        result = parquet.run(job, source, out)
    return pq.read_table(place / "out.parquet"), result, flaws


def test_columns_keep_their_types_and_get_four(place: Path) -> None:
    """Unknown columns, nulls, dates and lists stand as they were; verdicts have types too."""
    table = pa.table({
        "id": pa.array([7, None], pa.int32()),
        "born": [date(1970, 1, 1), None],
        "tags": [["a", "b"], []],
        "telefono": ["333 1234567", "nobody"],
    })  # fmt: skip
    out, result, flaws = scrub(place, table)
    assert out.select(table.column_names).equals(table)
    assert out.schema.field("until").type == pa.timestamp("ms", "UTC")
    good, bad = out.select(["allowed", "reasons", "conditions", "until"]).to_pylist()
    moment = datetime.fromtimestamp((NOW + DAY_MS) / 1000, UTC)
    assert good == {
        "allowed": True, "reasons": [], "conditions": ["operator_guaranteed"], "until": moment,
    }  # fmt: skip
    assert (bad["allowed"], bad["reasons"], bad["until"]) == (False, ["QUARANTINED"], None)
    assert [str(flaw).partition(":")[0] for flaw in flaws] == ["row 2"]
    assert bad["conditions"] == [str(flaws[0])]
    assert (result.tally.rows, result.tally.allowed, result.tally.unparsable) == (2, 1, 1)


@pytest.mark.parametrize(
    "column, allowed",
    [
        (pa.array([3331234567, 393331234567, None, 12]), [True, True, False, False]),
        (pa.array([3331234567.0, 393331234567.0, float("nan"), 333.5, 1e300]),
         [True, True, False, False, False]),
        (pa.array(["+39 333 1234567", "", None]).dictionary_encode(), [True, False, False]),
        (pa.array(["3.33123E+09", "'3331234567"], pa.large_string()), [False, True]),
        (pa.array([None, None]), [False, False]),
    ],
    ids=["integers", "doubles", "dictionary", "exponents", "nothing"],
)  # fmt: skip
def test_numbers_are_read_or_denied(place: Path, column: pa.Array, allowed: list[bool]) -> None:
    """Whole numbers are read as they are written; what is no whole number is told and denied."""
    out, result, flaws = scrub(place, pa.table({"phone": column}))
    assert out.column("allowed").to_pylist() == allowed
    assert len(flaws) == result.tally.unparsable > 0


def test_a_kind_beside_the_contact_is_obeyed(place: Path) -> None:
    """`kind` and `value`, as in CSV; without rows there is a file without rows."""
    table = pa.table({"kind": ["phone", "email", None], "value": ["3331234567"] * 3})
    out, _, _ = scrub(place, table)
    assert out.column("allowed").to_pylist() == [True, False, True]
    out, result, _ = scrub(place, table.slice(0, 0))
    assert (out.num_rows, result.tally.rows) == (0, 0)
    assert out.column_names == ["kind", "value", "allowed", "reasons", "conditions", "until"]


@pytest.mark.parametrize(
    "table, why",
    [
        (pa.table({"a": ["x"]}), "no column"),
        (pa.table({"phone": ["1"], "allowed": [True]}), "columns of ours already: allowed"),
        (pa.table({"phone": [datetime(2026, 1, 1, tzinfo=UTC)]}), "write the contact as text"),
        (pa.table({"phone": ["1"], "cellulare": ["2"]}), "several columns"),
    ],
)
def test_what_is_no_list_is_refused(place: Path, table: pa.Table, why: str) -> None:
    """The fact and the remedy."""
    with pytest.raises(Unusable, match=why):
        scrub(place, table)


def test_a_torn_file_is_refused(place: Path) -> None:
    """Half a file is told as such, not as a list that ended early."""
    pq.write_table(pa.table({"phone": ["1"] * 9}), place / "list.parquet")
    whole = (place / "list.parquet").read_bytes()
    (place / "torn.parquet").write_bytes(whole[: len(whole) // 2])
    job = Job(Copy(place / "copy", PEPPER, 30.0), ASKED, "parquet", 1, print, print)
    with (
        (place / "torn.parquet").open("rb") as source,
        (place / "out.parquet").open("wb") as out,
        pytest.raises(Unusable, match="is the file whole"),
    ):
        parquet.run(job, source, out)


def test_without_pyarrow_the_remedy_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: its absence says how to get it."""
    missing: dict[str, Any] = {"pyarrow": None, "pyarrow.parquet": None}
    table = pa.table({"phone": ["1"]})
    pq.write_table(table, place / "list.parquet")
    job = Job(Copy(place / "copy", PEPPER, 30.0), ASKED, "parquet", 1, print, print)
    with monkeypatch.context() as patch, (place / "list.parquet").open("rb") as source:
        for name, module in missing.items():
            patch.setitem(sys.modules, name, module)
        with pytest.raises(Unusable, match=r"pip install 'noli\[parquet\]'"):
            parquet.run(job, source, source)
