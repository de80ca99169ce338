"""From the contacts of some rows to what is written beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from noli.domain import times
from noli.domain.contact import Contact, Unreadable, normalise
from noli.replica.gate import Answer, Gate
from noli.replica.scrub.asked import Asked, Flaw, Tally

#: Renderings kept; answers differ by their `until`, and a list of consents has many.
_RENDERED: Final = 10_000

_STALE: Final = "STALE_REPLICA"
_QUARANTINED: Final = ("QUARANTINED",)

#: What Italian spreadsheets write where they do not write UTF-8.
_ELSE: Final = "cp1252"

#: A contact as a row gives it, (kind, text), or why the row gives none.
Given = tuple[str, str] | str


class Said(NamedTuple):
    """What stands beside a row; `until` in milliseconds since the epoch."""

    allowed: bool
    reasons: Sequence[str]
    conditions: Sequence[str]
    until: int | None

    def until_text(self) -> str | None:
        """RFC 3339; None also beyond the year 9999, which nobody alive will see."""
        try:
            return None if self.until is None else times.text(self.until)
        except OverflowError:
            return None


class Verdicts:
    """Asks the gate one question about many contacts, and renders the answers."""

    def __init__(
        self, gate: Gate, asked: Asked, render: Callable[[Said], str], unit: str = "line"
    ) -> None:
        """`unit` is what rows are counted in."""
        self._unit = unit
        self._gate = gate
        self._asked = asked
        self._render = render
        self._rendered: dict[Answer, str] = {}

    def beside(
        self, given: Sequence[Given], lines: Sequence[int], tally: Tally, flaws: list[Flaw]
    ) -> list[str]:
        """What is written beside each row; `lines` are their numbers. Adds to tally and flaws."""
        read = [_read(each) for each in given]
        contacts = [each for each in read if isinstance(each, Contact)]
        asked = self._asked
        answers = self._gate.check_list(
            asked.controller,
            contacts,
            (asked.channel, asked.purpose, asked.brand, asked.product),
            asked.campaign,
        )
        self._count(Counter(answers), tally)
        tally.rows += len(read)
        if len(contacts) == len(read):
            return [self._rendered[answer] for answer in answers]
        told = iter(answers)
        return [
            self._rendered[next(told)]
            if isinstance(each, Contact)
            else self._flawed(Flaw(line, each, self._unit), tally, flaws)
            for each, line in zip(read, lines, strict=True)
        ]

    def _count(self, counts: Counter[Answer], tally: Tally) -> None:
        """Tell the tally, and have every answer rendered."""
        if len(self._rendered) > _RENDERED:
            self._rendered.clear()
        for answer, count in counts.items():
            tally.seen(answer.as_of)
            tally.allowed += count * answer.allowed
            tally.stale += count * (_STALE in answer.reasons)
            for reason in answer.reasons:
                tally.reasons[str(reason)] += count
            if answer not in self._rendered:
                said = Said(answer.allowed, answer.reasons, answer.conditions, answer.until)
                self._rendered[answer] = self._render(said)

    def _flawed(self, flaw: Flaw, tally: Tally, flaws: list[Flaw]) -> str:
        flaws.append(flaw)
        tally.unparsable += 1
        return self._render(
            Said(allowed=False, reasons=_QUARANTINED, conditions=(str(flaw),), until=None)
        )


def _read(given: Given) -> Contact | str:
    """The contact, or why there is none."""
    if isinstance(given, str):
        return given
    kind, text = given
    try:
        return normalise(kind, text if text.isascii() else _legible(text))
    except Unreadable as error:
        return str(error)


def _legible(text: str) -> str:
    """Bytes that were no UTF-8 came through as surrogates: read so, they are letters again."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape").decode(_ELSE, errors="replace")
    return text
