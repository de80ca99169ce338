"""An explanation as JSON, for programs: the codes of the contracts, and the words beside them."""

from __future__ import annotations

from typing import Any

from noli.domain import times, wording
from noli.domain.law import BEHIND
from noli.domain.reason import Reason
from noli.domain.verdict import Verdict
from noli.domain.wording import Language
from noli.evidence import told
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
        "answers": [answer(one, language) for one in found.answers],
        "facts": [fact(entry, language) for entry in found.facts],
        "later_facts": found.later,
        "unreadable": [entry.place for entry in found.facts if entry.unreadable],
        "unreadable_control": list(found.unread),
    }


def answer(found: Answer, language: Language) -> Json:
    """The verdict on some channels and purposes, and what follows it by itself."""
    return {
        "channels": found.channels,
        "purposes": found.purposes,
        "brand": found.brand,
        **verdict(found.verdict, language),
        "then": None if found.then is None else verdict(found.then, language),
    }


def verdict(said: Verdict, language: Language) -> Json:
    """A verdict; its reasons with the rules behind them."""
    return {
        "allowed": said.allowed,
        "basis": said.basis,
        "reasons": [_reason(reason, language) for reason in said.reasons],
        "conditions": said.conditions,
        "until": None if said.until is None else times.text(said.until),
    }


def fact(entry: Entry, language: Language) -> Json:
    """A fact with its place in the log, without anything that names a person."""
    said = entry.fact
    return {
        "type": type(said.detail).__name__,
        "words": told.title(said, language),
        "details": told.details(said, language),
        "time": times.text(said.time),
        "accepted": times.text(said.accepted),
        "counted_from": times.text(entry.known),
        "source": said.source,
        "source_id": said.source_id,
        "evidence_ref": said.evidence_ref,
        "receipt": entry.place,
    }


def _reason(reason: Reason, language: Language) -> Json:
    return {
        "code": reason,
        "words": wording.REASON[reason].said(language),
        "rules": [{"id": rule.id, "sources": rule.sources} for rule in BEHIND[reason]],
    }
