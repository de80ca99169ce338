"""An explanation as JSON, for programs: the codes of the contracts, and the words beside them."""

from __future__ import annotations

from typing import Any

from noli.cli.explaining import told
from noli.domain import times, wording
from noli.domain.law import BEHIND
from noli.domain.reason import Reason
from noli.domain.verdict import Verdict
from noli.domain.wording import Language
from noli.evidence.explanation import Answer, Explanation
from noli.evidence.history import Entry

Json = dict[str, Any]


def document(found: Explanation, language: Language) -> Json:
    """Everything that the screen shows."""
    contact = found.question.contact
    return {
        "contact": {"kind": contact.kind, "value": contact.value},
        "controller": found.question.controller,
        "at": times.text(found.question.at),
        "answers": [_answer(answer, language) for answer in found.answers],
        "facts": [_fact(entry, language) for entry in found.facts],
        "later_facts": found.later,
        "unreadable": [entry.place for entry in found.facts if entry.unreadable],
        "unreadable_control": list(found.unread),
    }


def _answer(answer: Answer, language: Language) -> Json:
    then = answer.then
    return {
        "channels": answer.channels,
        "purposes": answer.purposes,
        "brand": answer.brand,
        **_verdict(answer.verdict, language),
        "then": None if then is None else _verdict(then, language),
    }


def _verdict(verdict: Verdict, language: Language) -> Json:
    return {
        "allowed": verdict.allowed,
        "basis": verdict.basis,
        "reasons": [_reason(reason, language) for reason in verdict.reasons],
        "conditions": verdict.conditions,
        "until": None if verdict.until is None else times.text(verdict.until),
    }


def _reason(reason: Reason, language: Language) -> Json:
    return {
        "code": reason,
        "words": wording.REASON[reason].said(language),
        "rules": [{"id": rule.id, "sources": rule.sources} for rule in BEHIND[reason]],
    }


def _fact(entry: Entry, language: Language) -> Json:
    fact = entry.fact
    return {
        "type": type(fact.detail).__name__,
        "words": told.title(fact, language),
        "details": told.details(fact, language),
        "time": times.text(fact.time),
        "accepted": times.text(fact.accepted),
        "counted_from": times.text(entry.known),
        "source": fact.source,
        "source_id": fact.source_id,
        "evidence_ref": fact.evidence_ref,
        "receipt": entry.place,
    }
