"""Domain ⇄ contract: facts, states and verdicts as the plain dicts that `schemas.codec` encodes.

A symbol this build does not know (Avro's enum default) reads as the most restrictive: every channel
and purpose in a denial, none in a grant; a state that holds an unknown mark denies everything.
"""

from __future__ import annotations

from noli.wire.decisions import decision_head, decision_record, decision_row
from noli.wire.intents import (
    INTENT,
    UNREADABLE,
    fact_to_intent,
    intent_to_fact,
    quarantine_fact,
    read_contact_intent,
    read_intent,
    unreadable_fact,
    unreadable_reason,
)
from noli.wire.plain import Plain, plain
from noli.wire.states import record_to_state, state_to_record

__all__ = [
    "INTENT",
    "UNREADABLE",
    "Plain",
    "decision_head",
    "decision_record",
    "decision_row",
    "fact_to_intent",
    "intent_to_fact",
    "plain",
    "quarantine_fact",
    "read_contact_intent",
    "read_intent",
    "record_to_state",
    "state_to_record",
    "unreadable_fact",
    "unreadable_reason",
]
