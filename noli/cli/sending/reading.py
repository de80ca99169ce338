"""The lines of a file as a load reads them: taken or refused, and what each is in the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from noli.cli.sending.forms import Forms, Met
from noli.cli.sending.inputs import Input
from noli.cli.sending.line import Defaults, Flaw, Line
from noli.domain import events
from noli.domain.events import Quarantine, Refused
from noli.domain.facts import Fact
from noli.domain.token import Pepper
from noli.loading.loader import Row, Unsuited, suited
from noli.loading.press import Accepted
from noli.runtime.clock import now_ms
from schemas.codec import Codec


class Bad(NamedTuple):
    """A line that is refused, and why."""

    line: Line
    why: str


class Reader:
    """Reads one file, as often as it is asked; what it learns of its forms it keeps."""

    def __init__(self, file: Input, defaults: Defaults, codec: Codec, pepper: Pepper) -> None:
        self._file = file
        self._defaults = defaults
        table = file.rows
        self._forms = Forms(table.columns, defaults, codec, pepper) if table else None

    def survey(self) -> Iterator[tuple[int, Bad | None]]:
        """Every line by its number, and what is wrong with it."""
        for number, found in self._found(0):
            if not isinstance(found, Line):
                yield number, None
                continue
            said = facts(found)
            yield number, Bad(found, said) if isinstance(said, str) else None

    def rows(self, after: int) -> Iterator[Row]:
        """What the log is to hold of every good line behind line `after`."""
        accepted = Accepted()
        for number, found in self._found(after):
            if isinstance(found, Line):
                if not isinstance(said := facts(found), str):
                    yield Row(number, said)
                continue
            yield Row(number, (), (found.item(accepted.now()),))

    def _found(self, after: int) -> Iterator[tuple[int, Line | Met]]:
        table, forms, defaults = self._file.rows, self._forms, self._defaults
        if table is None or forms is None:
            yield from ((line.number, line) for line in self._file.lines() if line.number > after)
            return
        for number, row in table.rows():
            if number <= after:
                continue
            if isinstance(row, Flaw):
                yield number, Line(number, [], [], row)
            else:
                yield (
                    number,
                    forms.met(number, row) or table.columns.line(number, row, defaults),
                )


def facts(line: Line) -> list[Fact] | str:
    """The facts of a line, or why it has none: a line is loaded whole or not at all."""
    if line.flaw is not None:
        return str(line.flaw)
    try:
        return [suited(events.parse(event, now_ms())) for event in line.events]
    except (Refused, Quarantine) as error:
        return f"{error.field}: {error.remedy}"
    except Unsuited as error:
        return str(error)
