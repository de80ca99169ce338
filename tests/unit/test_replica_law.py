"""The law's verdict and the dialer's answer are one: over the contract, the copy and the gate."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from hypothesis import given

from noli.domain import verdict
from noli.domain.contact import normalise
from noli.domain.policy import Policy
from noli.domain.question import Question
from noli.replica import gate as gates
from noli.replica.gate import Answer, Gate
from noli.wire import decision_record
from tests.support.copies import CONTROLLER, PEPPER, Log, make
from tests.support.histories import CONTACTS, END, History, histories, questions
from tests.support.law import folded, on


@given(history=histories())
def test_the_gate_answers_what_the_law_says_of_the_facts(history: History) -> None:
    """Any history of a contact, any question: the answer from the copy is the law's."""
    kind, facts = history
    state, asked_on = folded(facts), on(END)
    rows, next_change = verdict.verdicts(state, Policy(), asked_on)
    head = {"epoch": 1, "version": 1, "accepted": asked_on, "decided": asked_on}
    contact = normalise(**CONTACTS[kind])
    log = Log()
    log.decide(contact, decision_record(state, rows, next_change, **head))
    queries = questions(kind)
    asked = [
        Question(CONTROLLER, contact, query.channel, query.purpose, query.brand, query.product)
        for query in queries
    ]
    moments = [asked_on, *(row.until + 1 for row in rows if row.until is not None)]
    with TemporaryDirectory() as folder:
        for moment in moments:
            log.beacon(as_of=moment)
        make(Path(folder), log)
        for moment in moments:
            expected = [verdict.answer_from(rows, kind, query, moment) for query in queries]
            if moment == asked_on:
                assert expected == [
                    verdict.answer(state, Policy(), query, moment) for query in queries
                ]
            answers = _at(moment, Path(folder), asked)
            assert [answer[:5] for answer in answers] == [
                (told.allowed, told.basis, told.reasons, told.conditions, told.until)
                for told in expected
            ]


def _at(moment: int, copy: Path, asked: list[Question]) -> list[Answer]:
    """Answers at a moment, of a gate whose lease reaches over the whole history."""
    with (
        mock.patch.object(gates, "now_ms", return_value=moment),
        Gate.open(copy, pepper=PEPPER, lease_seconds=10**9) as gate,
    ):
        return gate.check_many(asked)
