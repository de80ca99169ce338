"""`noli.Decision`: the verdicts of one contact."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from noli.domain.state import State
from noli.domain.verdict import Row


def decision_head(
    state: State,
    next_change: int | None,
    *,
    epoch: int,
    version: int,
    accepted: int,
    decided: int,
) -> dict[str, Any]:
    """The record but its rows; `accepted` is that of the fact behind it. All times in ms."""
    contact = state.contact
    named = contact and {"kind": contact.kind, "value": contact.value}
    return {
        "epoch": epoch,
        "version": version,
        "controller": state.controller,
        # Named, or the encoder tries every branch of the union: a fifth of its time.
        "contact": ("noli.Contact", named) if named else None,
        "accepted": accepted,
        "decided": decided,
        "next_change": next_change,
    }


def decision_record(
    state: State, rows: Iterable[Row], next_change: int | None, **head: int
) -> dict[str, Any]:
    """The whole record; `head` as `decision_head` takes it."""
    return {
        **decision_head(state, next_change, **head),
        "rows": [decision_row(row) for row in rows],
    }


def decision_row(row: Row) -> dict[str, Any]:
    """A row as the contract has it."""
    return {
        "channels": row.channels,
        "purposes": row.purposes,
        "brand": row.brand,
        "allowed": row.allowed,
        "basis": row.basis,
        "reasons": row.reasons,
        "conditions": row.conditions,
        "products": row.products,
        "until": row.until,
        "lapse": row.lapse,
    }
