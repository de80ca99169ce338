"""Parquet: batches of rows in, the same columns and the verdicts' out, memory flat.

pyarrow reads and writes it. It weighs more than everything else together, so it is an extra:
`pip install noli[parquet]`. Processes are given the contacts of a batch only, and give back what
stands beside them; the columns themselves never leave this process.
"""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import IO, Any, Final, NamedTuple

import msgspec

from noli.replica.gate import Gate
from noli.replica.scrub.asked import ADDED, Asked, Flaw, Result, Scrubbed, Tally, Unusable
from noli.replica.scrub.columns import places
from noli.replica.scrub.cut import Piece
from noli.replica.scrub.verdicts import Given, Said, Verdicts
from noli.replica.scrub.work import Job

#: Rows of a batch: what a process is given at once.
_BATCH: Final = 16_384

#: Batches of a row group as written.
_GROUPED: Final = 4

#: Whole numbers that a double holds exactly end here.
_EXACT: Final = 1 << 53

_EMPTY: Final = "contact.value: give a non-empty text"
_NOT_WHOLE: Final = "contact.value: not a whole number; write numbers as text"

Cell = str | int | float | None


class Contacts(NamedTuple):
    """The plan of a process: the question, asked of bare contacts."""

    asked: Asked

    def scrubber(self, gate: Gate) -> Bare:
        """What asks it."""
        return Bare(gate, self.asked)


class Bare:
    """Scrubs pieces that hold (kind, contact) pairs, as JSON; gives what stands beside each."""

    def __init__(self, gate: Gate, asked: Asked) -> None:
        self._kind = str(asked.kind())
        self._verdicts = Verdicts(gate, asked, _rendered, "row")

    def scrub(self, piece: Piece) -> Scrubbed:
        """The verdicts of the piece, a line each."""
        tally, flaws = Tally(), list[Flaw]()
        cells = msgspec.json.decode(piece.data, type=list[tuple[str | None, Cell]])
        given = [self._given(kind, cell) for kind, cell in cells]
        lines = range(piece.first, piece.first + len(given))
        beside = self._verdicts.beside(given, lines, tally, flaws)
        return Scrubbed("\n".join(beside).encode(), tally, flaws)

    def _given(self, kind: str | None, cell: Cell) -> Given:
        if cell is None:
            return _EMPTY
        if isinstance(cell, float):
            if not cell.is_integer() or abs(cell) >= _EXACT:
                return _NOT_WHOLE
            cell = int(cell)
        return self._kind if kind is None else kind, str(cell)


def run(job: Job, source: io.BufferedIOBase, out: IO[bytes]) -> Result:
    """Read, ask, write; `job.moved` is told bytes of the file. Raises `Unusable`, OSError."""
    arrow, parquet = _library()
    job.asked.check()
    digest = hashlib.file_digest(source, "sha256").hexdigest()
    size = source.seek(0, io.SEEK_END)
    try:
        file = parquet.ParquetFile(source)
        contact, kind = places(file.schema_arrow.names, job.asked)
        _check(arrow, file.schema_arrow, [contact] if kind is None else [contact, kind])
        written = _Hashed(out)
        schema = _schema(arrow, file.schema_arrow)
        with parquet.ParquetWriter(written, schema) as writer:
            group = []
            for batch, beside in _batches(job, file, contact, kind):
                group.append(_joined(arrow, schema, batch, beside))
                job.moved(size * batch.num_rows // max(1, file.metadata.num_rows))
                if len(group) == _GROUPED:
                    writer.write_table(arrow.Table.from_batches(group))
                    group = []
            if group:
                writer.write_table(arrow.Table.from_batches(group))
    except arrow.ArrowException as error:
        raise Unusable(f"not Parquet that can be read: {type(error).__name__}", _WHOLE) from None
    return Result(job.tally, digest, written.digest.hexdigest())


_WHOLE: Final = "is the file whole? Write it anew, or export it as CSV"


def _library() -> tuple[Any, Any]:
    """`pyarrow` and `pyarrow.parquet`. Raises `Unusable` where they are not installed."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        remedy = "pip install 'noli[parquet]', or export the list as CSV or NDJSON"
        raise Unusable("Parquet is read by pyarrow, which is not installed", remedy) from error


def _check(arrow: Any, schema: Any, used: Sequence[int]) -> None:  # noqa: ANN401 - pyarrow
    """Raise `Unusable` unless these columns hold text or numbers."""
    types = arrow.types
    for place in used:
        field = schema.field(place)
        type_ = field.type.value_type if types.is_dictionary(field.type) else field.type
        if not any(
            is_one(type_)
            for is_one in (
                types.is_string, types.is_large_string, types.is_string_view, types.is_integer,
                types.is_floating, types.is_null,
            )
        ):  # fmt: skip
            raise Unusable(f"column {field.name} holds {type_}", "write the contact as text")


def _schema(arrow: Any, schema: Any) -> Any:  # noqa: ANN401 - pyarrow
    """The list's own columns, then ours."""
    texts = arrow.list_(arrow.string())
    types = (arrow.bool_(), texts, texts, arrow.timestamp("ms", "UTC"))
    for name, type_ in zip(ADDED, types, strict=True):
        schema = schema.append(arrow.field(name, type_))
    return schema


def _batches(job: Job, file: Any, contact: int, kind: int | None) -> Iterator[tuple[Any, bytes]]:  # noqa: ANN401
    """Batches with what stands beside their rows."""
    waiting: deque[Any] = deque()

    def pieces() -> Iterator[Piece]:
        row = 1
        for batch in file.iter_batches(_BATCH):
            contacts = batch.column(contact).to_pylist()
            kinds = [None] * len(contacts) if kind is None else batch.column(kind).to_pylist()
            pairs = [
                (None if k is None else str(k), c) for k, c in zip(kinds, contacts, strict=True)
            ]
            waiting.append(batch)
            yield Piece(row, msgspec.json.encode(pairs))
            row += len(contacts)

    for done in job.scrubbed(Contacts(job.asked), pieces()):
        yield waiting.popleft(), done.out


def _joined(arrow: Any, schema: Any, batch: Any, beside: bytes) -> Any:  # noqa: ANN401 - pyarrow
    known: dict[bytes, tuple[Any, ...]] = {}
    rows = []
    for line in beside.split(b"\n") if beside else []:
        said = known.get(line)
        if said is None:
            said = known[line] = tuple(msgspec.json.decode(line))
        rows.append(said)
    columns = zip(*rows, strict=True) if rows else [()] * len(ADDED)
    types = schema.types[-len(ADDED) :]
    ours = [arrow.array(cells, type_) for cells, type_ in zip(columns, types, strict=True)]
    return arrow.RecordBatch.from_arrays([*batch.columns, *ours], schema=schema)


def _rendered(said: Said) -> str:
    text = msgspec.json.encode((said.allowed, said.reasons, said.conditions, said.until))
    return text.decode()


class _Hashed(io.RawIOBase):
    """A file that is written from beginning to end, and digested on the way."""

    def __init__(self, out: IO[bytes]) -> None:
        super().__init__()
        self.digest = hashlib.sha256()
        self._out = out

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        """Append."""
        self.digest.update(data)
        return self._out.write(data)

    def tell(self) -> int:
        """Bytes so far."""
        return self._out.tell()
