"""A list as bytes come in: its encoding, its header, then pieces to be scrubbed one by one."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Final, NamedTuple

from noli.replica.gate import Gate
from noli.replica.scrub.asked import CSV, Asked, Unusable
from noli.replica.scrub.columns import Layout, lay_out
from noli.replica.scrub.cut import LINE_MAX, Cutter, Piece
from noli.replica.scrub.lines import Lines
from noli.replica.scrub.sheet import Sheet, head

_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PARQUET: Final = b"PAR1"


class Plan(NamedTuple):
    """What a worker must know of a list; `layout` is None where rows are objects."""

    asked: Asked
    layout: Layout | None

    def scrubber(self, gate: Gate) -> Sheet | Lines:
        """What scrubs pieces of it."""
        if self.layout is None:
            return Lines(gate, self.asked)
        return Sheet(gate, self.asked, self.layout)


class Opening(NamedTuple):
    """The list is understood: what is written first, and how its rows are to be read."""

    lead: bytes
    plan: Plan


class Reading:
    """Feed it bytes; it gives the opening once, then pieces of at least `size` bytes.

    Raises `Unusable` for what is no list. UTF-16 is read by its mark and written as UTF-8.
    """

    def __init__(self, form: str, asked: Asked, size: int) -> None:
        asked.check()
        self._form = form
        self._asked = asked
        self._size = size
        self._start = b""
        self._wide: codecs.IncrementalDecoder | None = None
        self._known = False
        self._cutter: Cutter | None = None

    def feed(self, data: bytes) -> Iterator[Opening | Piece]:
        """What these bytes complete."""
        yield from self._taken(self._utf8(data), last=False)

    def finish(self) -> Iterator[Opening | Piece]:
        """What is left once all bytes were fed."""
        yield from self._taken(self._utf8(b"", last=True), last=True)
        if self._cutter is not None:
            yield from self._cutter.finish()

    def _utf8(self, data: bytes, *, last: bool = False) -> bytes:
        if not self._known:
            self._start += data
            if len(self._start) < len(_PARQUET) and not last:
                return b""
            self._known, data, self._start = True, self._start, b""
            if data.startswith(_PARQUET):
                raise Unusable("this is Parquet", "use `noli scrub` with --format parquet")
            if data.startswith(_WIDE):
                self._wide = codecs.getincrementaldecoder("utf-16")()
                self._start = codecs.BOM_UTF8
        if self._wide is None:
            return data
        try:
            return self._wide.decode(data, final=last).encode(errors="surrogatepass")
        except UnicodeDecodeError as error:
            raise Unusable("not UTF-16, as its mark says", "save the list as UTF-8") from error

    def _taken(self, data: bytes, *, last: bool) -> Iterator[Opening | Piece]:
        if self._cutter is None:
            self._start += data
            if not (b"\n" in self._start or last or self._form != CSV):
                if len(self._start) > LINE_MAX:
                    raise Unusable("no line end in the whole list", "is it CSV?")
                return
            if len(self._start) < len(codecs.BOM_UTF8) and not last:
                return
            opening, data = self._opened()
            yield opening
        assert self._cutter is not None  # noqa: S101 - `_opened` makes it
        yield from self._cutter.feed(data)

    def _opened(self) -> tuple[Opening, bytes]:
        """The opening, and the bytes after the header."""
        mark = codecs.BOM_UTF8 if self._start.startswith(codecs.BOM_UTF8) else b""
        body = self._start[len(mark) :]
        self._start = b""
        if self._form != CSV:
            self._cutter = Cutter(self._size, 1, None)
            return Opening(b"", Plan(self._asked, None)), body
        first, end, rest = body.partition(b"\n")
        text = first.decode(errors="surrogateescape")
        bare = text.rstrip("\r")
        if not bare.strip():
            raise Unusable("the first line is empty", "begin with a header, e.g. `phone`")
        layout, columns = lay_out(bare, self._asked)
        line_end = text[len(bare) :] + "\n" if end else "\n"
        lead = mark + head(columns, layout, line_end).encode(errors="surrogateescape")
        self._cutter = Cutter(self._size, 2, layout.delimiter)
        return Opening(lead, Plan(self._asked, layout)), rest
