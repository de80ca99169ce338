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
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any, Final, NamedTuple, cast

import msgspec

from noli.replica.gate import Gate
from noli.replica.scrub.asked import ADDED, Asked, Flaw, Result, Scrubbed, Tally, Unusable
from noli.replica.scrub.columns import places
from noli.replica.scrub.cut import Piece
from noli.replica.scrub.verdicts import Given, Said, Verdicts
from noli.replica.scrub.work import Job

#: Rows of a batch: what a process is given at once.
_BATCH: Final = 16_384

#: Rows of a row group as written.
_GROUPED: Final = 65_536

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


class Rewriting:
    """One file on its way: batches out of it, and with their verdicts into another.

    Opening raises `Unusable`; so do `pieces`, `joined` and `finish`, where the file is torn.
    """

    def __init__(self, source: IO[bytes], asked: Asked, grouped: int = _GROUPED) -> None:
        """`grouped`: rows of a row group as written."""
        self._arrow, parquet = _library()
        asked.check()
        self._grouped = grouped
        self._waiting: deque[Any] = deque()
        self._group: list[Any] = []
        self._held = 0
        self._out = _Taken()
        with self._told():
            self._file = parquet.ParquetFile(source)
            columns = self._file.schema_arrow
            self._contact, self._kind = places(columns.names, asked)
            used = [self._contact] if self._kind is None else [self._contact, self._kind]
            _check(self._arrow, columns, used)
            self._schema = _schema(self._arrow, columns)
            self._writer = parquet.ParquetWriter(self._out, self._schema)
        self.rows: int = self._file.metadata.num_rows

    def pieces(self, rows: int = _BATCH) -> Iterator[Piece]:
        """Contacts for `Bare`, of so many rows at once; `joined` takes what it made of each."""
        row = 1
        with self._told():
            for batch in self._file.iter_batches(rows):
                contacts = batch.column(self._contact).to_pylist()
                kinds = self._kinds(batch)
                self._waiting.append(batch)
                yield Piece(row, msgspec.json.encode([*zip(kinds, contacts, strict=True)]))
                row += len(contacts)

    def joined(self, beside: bytes) -> bytes:
        """The next bytes of the result, once they are enough for a row group; else none."""
        batch = _joined(self._arrow, self._schema, self._waiting.popleft(), beside)
        self._group.append(batch)
        self._held += batch.num_rows
        return self._written() if self._held >= self._grouped else b""

    def finish(self) -> bytes:
        """The last bytes."""
        last = self._written() if self._group else b""
        with self._told():
            self._writer.close()
        return last + self._out.take()

    def _kinds(self, batch: Any) -> list[str | None]:  # noqa: ANN401 - pyarrow
        if self._kind is None:
            return [None] * batch.num_rows
        return [
            None if each is None else str(each) for each in batch.column(self._kind).to_pylist()
        ]

    def _written(self) -> bytes:
        with self._told():
            self._writer.write_table(self._arrow.Table.from_batches(self._group))
        self._group, self._held = [], 0
        return self._out.take()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What pyarrow refuses, as the file's own fault."""
        try:
            yield
        except self._arrow.ArrowException as error:
            fact = f"not Parquet that can be read: {type(error).__name__}"
            raise Unusable(fact, _WHOLE) from None


def run(job: Job, source: io.BufferedIOBase, out: IO[bytes]) -> Result:
    """Read, ask, write; `job.moved` is told bytes of the file. Raises `Unusable`, OSError."""
    _library()
    came, went = hashlib.file_digest(source, "sha256"), hashlib.sha256()
    size = source.seek(0, io.SEEK_END)
    rewriting = Rewriting(cast(IO[bytes], source), job.asked)

    def write(data: bytes) -> None:
        went.update(data)
        out.write(data)

    for done in job.scrubbed(Contacts(job.asked), rewriting.pieces()):
        write(rewriting.joined(done.out))
        job.moved(size * done.tally.rows // max(1, rewriting.rows))
    write(rewriting.finish())
    return Result(job.tally, came.hexdigest(), went.hexdigest())


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


class _Taken(io.RawIOBase):
    """A file that is written from beginning to end, and taken away as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        """Append."""
        self._parts.append(bytes(data))
        self._size += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        """Bytes so far, taken or not."""
        return self._size

    def take(self) -> bytes:
        """What came since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
