"""CSV as people export it: Italian separators, byte order marks, Italian names of columns."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from noli.cli.problem import ProblemError
from noli.cli.sending.line import Defaults, Event, Flaw, Line
from noli.cli.sending.moments import rfc3339
from noli.domain import details

_DELIMITERS: Final = ";,\t|"
_BETWEEN_SYMBOLS: Final = re.compile(r"[;,|\s]+")
_YES: Final = frozenset({"true", "1", "yes", "sì", "si", "vero", "x"})
_NO: Final = frozenset({"false", "0", "no", "falso"})

#: What Italian spreadsheets call our columns.
ALIASES: Final[Mapping[str, str]] = {
    "telefono": "phone",
    "cellulare": "phone",
    "numero": "phone",
    "e-mail": "email",
    "mail": "email",
    "indirizzo": "postal",
    "tipo": "type",
    "data": "time",
    "data_ora": "time",
    "canale": "channels",
    "canali": "channels",
    "channel": "channels",
    "finalità": "purpose",
    "finalita": "purpose",
    "titolare": "controller",
    "marchio": "brand",
}

#: Columns that hold a contact point of that kind.
CONTACTS: Final = ("phone", "email", "postal")
_ENVELOPE: Final = ("id", "source", "type", "time")

Reader = Callable[[str], Any]


def _symbols(text: str) -> list[str]:
    return [symbol for symbol in _BETWEEN_SYMBOLS.split(text) if symbol]


def _flag(text: str) -> bool | str:
    """A boolean, or the text itself, which the intake refuses by name."""
    said = text.lower()
    return True if said in _YES else False if said in _NO else text


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


#: Columns of `data`, and of its `evidence`, with how a cell is read.
_DATA: Final[Mapping[str, Reader]] = {
    **dict.fromkeys(
        (
            "controller", "party", "purpose", "consent_id", "via", "source_id", "sale_id", "reason",
            "source_kind", "proof", "subject_type", "register", "contract_id", "campaign", "basis",
            "description",
        ),
        str,
    ),
    **dict.fromkeys(("channels", "purposes", "brands", "categories"), _symbols),
    **dict.fromkeys(
        ("double_opt_in", "informed", "objection_offered", "listed", "comfort_noise"), _flag
    ),
    "cut_after_ms": _number,
    "answered_at": str,
}  # fmt: skip
_EVIDENCE: Final[Mapping[str, tuple[str, Reader]]] = {
    "evidence_ref": ("ref", str),
    "box_purposes": ("box_purposes", _symbols),
    "preticked": ("preticked", _flag),
    "required_for_contract": ("required_for_contract", _flag),
}
KNOWN: Final = frozenset({*_ENVELOPE, *_DATA, *_EVIDENCE, *CONTACTS, "kind", "value", "brand"})


_TOO_MANY: Final = Flaw(
    "", "more cells than the header has; put a cell that holds the separator in quotes"
)


#: A row by the number of its (last) line, or what is wrong with it.
Numbered = tuple[int, list[str] | Flaw]


class Columns:
    """A table's header, and what a row under it says. Raises `ProblemError` for an unusable one."""

    def __init__(self, name: str, header: Sequence[str]) -> None:
        self.meanings = [_column(title) for title in header]
        meant = [each for each in self.meanings if each in KNOWN]
        if not meant:
            raise ProblemError(
                f"{name}: the first line names no known column",
                "name them there, e.g. phone;type;time;channels (see `noli send --help`)",
            )
        # Several numbers of one person are several contacts; of all else there is one.
        twice = sorted({each for each in meant if meant.count(each) > 1} - {*CONTACTS})
        if twice:
            raise ProblemError(
                f"{name}: several columns mean `{twice[0]}`", "rename those that do not"
            )
        self.ignored = [
            title
            for title, meaning in zip(header, self.meanings, strict=True)
            if meaning not in KNOWN
        ]

    def line(self, number: int, row: Sequence[str], defaults: Defaults) -> Line:
        """A row and its events."""
        if any(cell.strip() for cell in row[len(self.meanings) :]):
            return Line(number, row, [], _TOO_MANY)
        cells: dict[str, str] = {}
        contacts: list[tuple[str, str]] = []
        for meaning, cell in zip(self.meanings, row, strict=False):
            if meaning in KNOWN and (text := cell.strip()):
                if meaning in CONTACTS:
                    contacts.append((meaning, text))
                else:
                    cells[meaning] = text
        return Line(number, row, _events(cells, contacts, defaults, number))


class Sheet:
    """A CSV file with a header. Raises `ProblemError` where it has none that can be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._encoding = _encoding(path)
        with self._open() as file:
            first = file.readline()
        self.delimiter = max(_DELIMITERS, key=first.count)
        self.header: list[str] = next(csv.reader([first], delimiter=self.delimiter), [])
        self.columns = Columns(path.name, self.header)

    @property
    def ignored(self) -> list[str]:
        """Columns that mean nothing to us, as the file calls them."""
        return self.columns.ignored

    def lines(self, defaults: Defaults) -> Iterator[Line]:
        """Every row, empty ones left out."""
        for number, row in self.rows():
            if isinstance(row, Flaw):
                yield Line(number, [], [], row)
            else:
                yield self.columns.line(number, row, defaults)

    def rows(self) -> Iterator[Numbered]:
        """Every row by its number, or why there is none; empty ones left out."""
        with self._open() as file:
            # Strict: a quote never closed would swallow the rows behind it, and their objections.
            rows = csv.reader(file, delimiter=self.delimiter, strict=True)
            next(rows)
            while True:
                first = rows.line_num + 1
                try:
                    row = next(rows, None)
                except csv.Error:
                    yield rows.line_num, _unclosed(first, rows.line_num)
                    continue
                if row is None:
                    return
                if any(map(str.strip, row)):
                    yield rows.line_num, row

    def _open(self) -> Any:  # noqa: ANN401 - a text file
        return self._path.open(encoding=self._encoding, newline="")


def _unclosed(first: int, last: int) -> Flaw:
    return Flaw(
        "",
        f"the quotes of lines {first} to {last} do not fit, none of them is read; close each, or "
        "double it inside a quoted cell",
    )


def _events(
    cells: Mapping[str, str], points: Sequence[tuple[str, str]], defaults: Defaults, number: int
) -> Sequence[Event]:
    """One event per contact point in the row; one without where it has none."""
    said = cells.get("type", defaults.type or "")
    type_ = said if said.startswith("noli.") else f"noli.{said}.v1"
    contacts = sorted(points, key=lambda point: CONTACTS.index(point[0]))
    if "value" in cells:
        contacts.append((cells.get("kind", ""), cells["value"]))
    data = _data(cells, defaults, denying=type_ in details.DENYING_TYPES)
    event: Event = {
        "specversion": "1.0",
        "id": cells.get("id") or defaults.id(number),
        "source": cells.get("source", defaults.source),
        "type": type_,
        "data": data,
    }
    if "time" in cells:
        denying = type_ in details.DENYING_TYPES
        event["time"] = rfc3339(cells["time"], defaults.zone, denying=denying)
    if len(contacts) < 2:  # noqa: PLR2004 - one, or none
        for kind, value in contacts:
            data["contact"] = {"kind": kind, "value": value}
        return [event]
    seen: Counter[str] = Counter()
    events = []
    for kind, value in contacts:
        seen[kind] += 1
        part = kind if seen[kind] == 1 else f"{kind}{seen[kind]}"
        contact = {"kind": kind, "value": value}
        events.append(
            {**event, "id": f"{event['id']}.{part}", "data": {**data, "contact": contact}}
        )
    return events


def _data(cells: Mapping[str, str], defaults: Defaults, *, denying: bool) -> dict[str, Any]:
    data: dict[str, Any] = (
        {} if defaults.controller is None else {"controller": defaults.controller}
    )
    data |= {name: read(cells[name]) for name, read in _DATA.items() if name in cells}
    evidence = {
        name: read(cells[column]) for column, (name, read) in _EVIDENCE.items() if column in cells
    }
    if evidence:
        data["evidence"] = evidence
    if "brand" in cells:
        data["brands"] = [cells["brand"]]
    if "answered_at" in cells:
        data["answered_at"] = rfc3339(cells["answered_at"], defaults.zone, denying=denying)
    if denying and "purpose" in data:
        data.setdefault("purposes", _symbols(data.pop("purpose")))
    return data


def _column(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_")
    return ALIASES.get(plain, plain)


def _encoding(path: Path) -> str:
    """UTF-8 with or without mark, UTF-16 with one, else what Italian Excel writes."""
    with path.open("rb") as file:
        start = file.read(2)
        if start in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
            return "utf-16"
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while chunk := file.read(1 << 20):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"
