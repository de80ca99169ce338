"""`noli.Decision`: the verdicts of one contact."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from noli.domain.state import State
from noli.domain.verdict import Row

#: Rows remembered by content, as in `noli.domain.rows`.
_SHAPES: Final = 4096


def decision_record(  # noqa: PLR0913 - the record's own fields, by keyword
    state: State,
    rows: Iterable[Row],
    next_change: int | None,
    *,
    epoch: int,
    version: int,
    accepted: int,
    decided: int,
) -> dict[str, Any]:
    """The record; `accepted` is that of the fact behind it. All times in ms."""
    contact = state.contact
    return {
        "epoch": epoch,
        "version": version,
        "controller": state.controller,
        "contact": {"kind": contact.kind, "value": contact.value} if contact else None,
        "accepted": accepted,
        "decided": decided,
        "next_change": next_change,
        "rows": decision_rows(rows),
    }


def decision_rows(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows as the contract has them. Not to be changed by the caller: they are shared."""
    return [_row(row) if row.until is None else _row_of(row) for row in rows]


def _row_of(row: Row) -> dict[str, Any]:
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


_row = lru_cache(_SHAPES)(_row_of)
