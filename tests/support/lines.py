"""The line of a contact, and an archive that holds it: for a board without a broker."""

from __future__ import annotations

import threading
from typing import Final

from noli import wire
from noli.board import archive
from noli.board.archive import Found
from noli.board.asked import Asked
from noli.domain.contact import Contact, normalise
from noli.evidence.deliveries import Deliveries, Delivery, Span
from noli.evidence.history import LANES, History, collect
from noli.evidence.turns import turns
from noli.runtime.part import Record
from tests.support.board import CODEC
from tests.support.law import ACME, PHONE, consent, fact, objection, on

KEY: Final = b"\x01" + b"k" * 16


def found(searched: tuple[Span, ...] = (Span(0, on(30)),)) -> Found:
    """A consent, a profiling, an objection; one application confirmed both verdicts."""
    told = [
        consent(1),
        fact("profiling.performed", 2, purpose="cluster", basis="consent", description="x"),
        objection(3),
    ]
    records = [
        Record(LANES[0] if each.denies else LANES[1], 3, number, KEY,
               CODEC.encode("noli.Intent", wire.fact_to_intent(each)), each.accepted)
        for number, each in enumerate(told)
    ]  # fmt: skip
    history = collect(records, CODEC, KEY)
    answers = tuple(
        Delivery(on(day) + 200, "crm", "applied", None, day, on(day), f"noli.receipts:0:{day}")
        for day in (1, 3)
    )
    changes = turns(ACME, normalise(**PHONE), history, on(30))
    return Found(on(30), history, changes, Deliveries(answers, searched))


class Shelf:
    """An archive that gives what it was told to; `gate`, when set, is waited for."""

    def __init__(self, answer: Found | Exception) -> None:
        self.answer = answer
        self.gate: threading.Event | None = None
        self.asked: list[Asked] = []
        #: Whose facts were read.
        self.read: list[tuple[str, Contact]] = []
        #: As many look as may at once.
        self.full = threading.Event()

    def look(self, question: Asked, _now: int) -> Found:
        """The answer."""
        self.asked.append(question)
        return self._answer(len(self.asked))

    def facts(self, controller: str, contact: Contact) -> History:
        """Those of the answer."""
        self.read.append((controller, contact))
        return self._answer(len(self.read)).history

    def _answer(self, asked: int) -> Found:
        if asked == archive.AT_ONCE:
            self.full.set()
        if self.gate is not None:
            assert self.gate.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer
