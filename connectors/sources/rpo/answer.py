"""What the register answered: a file read line by line, each line understood or named with a cause.

Nothing is sent from here. A number that is listed in one line and clear in another is listed.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cached_property
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Final
from zoneinfo import ZoneInfo

from connectors.sources.rpo.dialect import Column, Dialect, DialectError, Register
from noli.domain.contact import Contact, Unreadable, normalise

ITALY: Final = "+39"
#: A landline with its zero, or a mobile: what the telephone list holds. No longer ones: twelve
#: digits that begin with 39 are a number whose country code was left in.
_NATIONAL: Final = re.compile(r"3\d{8,9}|0\d{4,10}", re.ASCII)
_MS: Final = 1000
#: The last instant of a day: a listing without an hour voids what was given that day.
_DAY_END: Final = time(23, 59, 59, 999_000)


def on_the_list(value: str) -> bool:
    """Whether the telephone list can hold a number, in E.164."""
    return value.startswith(ITALY) and _NATIONAL.fullmatch(value, len(ITALY)) is not None


@dataclass(frozen=True, slots=True, repr=False)
class Answered:
    """A line understood. `since`: the listing's date (ms), None where the file has none."""

    line: int
    text: str
    contact: Contact
    listed: bool
    since: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Bad:
    """A line that was refused, or `taken` with a doubt; `cause` holds no contact."""

    line: int
    text: str
    cause: str
    taken: bool = False


class Answer:
    """An answer as of a moment (ms). Raises `DialectError` for what is no file of the dialect."""

    def __init__(self, path: Path, dialect: Dialect, register: Register, as_of: int) -> None:
        self._path = path
        self._dialect = dialect
        self._register = register
        self._as_of = as_of
        self._zone = ZoneInfo(dialect.zone)

    def rows(self) -> Iterator[Answered | Bad]:
        """Every line that is not empty. One taken with a doubt comes twice: as `Bad`, then so."""
        listed = self._listed
        for found in self._raw():
            if isinstance(found, Answered) and not found.listed and found.contact.value in listed:
                yield Bad(found.line, found.text, "another line says listed: taken as listed")
            else:
                yield found

    @cached_property
    def _listed(self) -> frozenset[str]:
        """Who is listed in any line."""
        rows = (row for row in self._raw() if isinstance(row, Answered))
        return frozenset(row.contact.value for row in rows if row.listed)

    def _raw(self) -> Iterator[Answered | Bad]:
        dialect = self._dialect
        with _text(self._path, dialect.encoding) as lines:
            header = _cells(next(lines, ""), dialect) if dialect.header else None
            number, flag = (_place(c, header) for c in (dialect.number, dialect.flag))
            date = None if dialect.date is None else _place(dialect.date, header)
            for line, text in enumerate(lines, 2 if dialect.header else 1):
                said = text.rstrip("\r\n")
                if said.strip():
                    yield from self._line(line, said, (number, flag, date))

    def _line(
        self, line: int, text: str, places: tuple[int, int, int | None]
    ) -> Iterator[Answered | Bad]:
        number, flag, date = places
        try:
            cells = _cells(text, self._dialect)
            outcome = self._outcome(cells, flag)
            contact = self._contact(cells[number].strip())
        except _Refused as error:
            yield Bad(line, text, str(error))
            return
        if not outcome or date is None:
            yield Answered(line, text, contact, outcome)
            return
        since = self._since(cells, date)
        if since is None:
            # A listing is never refused for its date: without one it is of the answer's moment.
            cause = f"column {date + 1}: no date of a listing; taken without one"
            yield Bad(line, text, cause, taken=True)
        yield Answered(line, text, contact, outcome, since)

    def _outcome(self, cells: Sequence[str], flag: int) -> bool:
        """Whether listed."""
        said = cells[flag].strip().lower() if len(cells) > flag else ""
        if said in self._dialect.listed:
            return True
        if said in self._dialect.clear:
            return False
        known = ", ".join((*self._dialect.listed, *self._dialect.clear))
        raise _Refused(f"column {flag + 1}: the outcome is none of {known}")

    def _contact(self, text: str) -> Contact:
        if any("\udc80" <= letter <= "\udcff" for letter in text):
            raise _Refused(f"not {self._dialect.encoding}")
        given = text
        if self._register == Register.PHONE:
            national = self._dialect.number_form == "national"
            if not on_the_list(ITALY + text if national else text):
                example = "3331234567 or 0612345678" if national else "+393331234567"
                raise _Refused(f"the number is not written as {example}")
            given = ITALY + text if national else text
        try:
            return normalise(self._register.kind, given)
        except Unreadable as error:
            raise _Refused(error.remedy) from None

    def _since(self, cells: Sequence[str], date: int) -> int | None:
        """The end of the day of the listing, at most the answer's moment; None if there is none."""
        said = cells[date].strip() if len(cells) > date else ""
        try:
            day = datetime.strptime(said, self._dialect.date_format).replace(tzinfo=self._zone)
            dated_only = not (day.hour or day.minute or day.second)
            end = datetime.combine(day.date(), _DAY_END, self._zone) if dated_only else day
            if day.timestamp() * _MS > self._as_of:
                return None
        except (ValueError, OverflowError):
            return None
        return min(round(end.astimezone(UTC).timestamp() * _MS), self._as_of)


class _Refused(Exception):
    """Why a line says nothing."""


def _cells(text: str, dialect: Dialect) -> list[str]:
    """One line on its own: a stray quote spoils that line and no other."""
    try:
        return next(csv.reader([text], delimiter=dialect.delimiter), [])
    except csv.Error as error:
        raise _Refused(f"not a line of columns: {error}") from None


def _place(column: Column, header: list[str] | None) -> int:
    """Index of a column. Raises `DialectError` where the header does not name it."""
    if isinstance(column, int):
        return column - 1
    names = [name.strip().lower() for name in header or []]
    if column.lower() not in names:
        raise DialectError(f"the first line names no column {column}")
    return names.index(column.lower())


@contextmanager
def _text(path: Path, encoding: str) -> Iterator[Iterator[str]]:
    """The lines of a file, or of the one file in a zip."""
    with _opened(path) as raw:
        plain = "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding
        with TextIOWrapper(raw, encoding=plain, errors="surrogateescape") as lines:
            yield lines


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        inside = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(inside) != 1:
            raise DialectError(f"{path.name} holds {len(inside)} files: give one of them")
        with archive.open(inside[0]) as file:
            yield file
